"""UPDATE taken apart: which columns get which expressions, and which rows."""

from dataclasses import dataclass

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import expression
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.operations import Expression

_NAMES = (TokenKind.WORD, TokenKind.QUOTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainUpdate:
    """UPDATE of one table by what stands in its own rows.

    `emptied` are the columns that WHERE asks to be NULL, outside of any bracket and without any OR: a row
    stops being meant as soon as it has a value there.
    """

    assignments: tuple[tuple[str, Expression], ...]
    where: Expression | None
    emptied: frozenset[str]


def plain_update(text: str) -> PlainUpdate | None:
    """The parts of an UPDATE; None when it reads other tables, gives rows back or is written otherwise."""
    try:
        return _read(Cursor(text, lex(text)))
    except (Unreadable, Unlexable):
        return None


def _read(cursor: Cursor) -> PlainUpdate | None:
    if {"select", "returning", "current"} & {*cursor.words}:
        return None
    cursor.expect("update")
    cursor.take("only")
    cursor.name()
    cursor.take("*")
    if not cursor.take("set"):
        return None  # an alias
    assignments: list[tuple[str, Expression]] = []
    while not assignments or cursor.take(","):
        column = cursor.identifier()
        cursor.expect("=")
        assignments.append((column, expression(cursor.before(",", "where", "from"))))
    if not cursor.take("where"):
        cursor.expect_end()
        return PlainUpdate(assignments=tuple(assignments), where=None, emptied=frozenset())
    emptied = _emptied(cursor.part(cursor.at, cursor.end))
    return PlainUpdate(assignments=tuple(assignments), where=expression(cursor), emptied=emptied)


def _emptied(where: Cursor) -> frozenset[str]:
    found: set[str] = set()
    while not where.done:
        condition = where.before("and", "or")
        if where.word() == "or":
            return frozenset()
        column = condition.identifier() if condition.kind() in _NAMES else ""
        if column and condition.take("is", "null") and condition.done:
            found.add(column)
        where.take("and")
    return frozenset(found)
