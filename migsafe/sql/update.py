"""UPDATE and DELETE taken apart: which rows of the table, what they get, and what else is read for it."""

from dataclasses import dataclass

from migsafe.sql.aliases import NotPlain, own_columns, take_alias, without_alias
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import expression
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.names import Name
from migsafe.sql.operations import Expression

_NAMES = (TokenKind.WORD, TokenKind.QUOTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One column and its new value; `reads` are the columns of the row itself that the value may read."""

    column: str
    value: Expression
    reads: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainUpdate:
    """UPDATE of one table, whose row goes by the table's name everywhere, by itself and by other tables.

    `sources` is what follows FROM. `emptied` are the columns that WHERE asks to be NULL, outside of any
    bracket and without any OR: a row stops being meant as soon as it has a value there.
    """

    assignments: tuple[Assignment, ...]
    where: Expression | None
    emptied: frozenset[str]
    sources: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainDelete:
    """DELETE from one table, whose row goes by the table's name everywhere; `sources` follows USING."""

    where: Expression | None
    sources: str = ""


def plain_update(text: str, table: Name) -> PlainUpdate:
    """The parts of an UPDATE of this table.

    Raises:
        NotPlain: It gives rows back, or is written in a way that is not understood.
    """
    try:
        return _update(_started(text, table, ("update",), ("set",)), table)
    except (Unreadable, Unlexable) as error:
        raise NotPlain(str(error)) from error


def plain_delete(text: str, table: Name) -> PlainDelete:
    """The parts of a DELETE from this table.

    Raises:
        NotPlain: It gives rows back, or is written in a way that is not understood.
    """
    try:
        return _delete(_started(text, table, ("delete", "from"), ("using", "where", "returning", ";")))
    except (Unreadable, Unlexable) as error:
        raise NotPlain(str(error)) from error


def _started(text: str, table: Name, verb: tuple[str, ...], next_words: tuple[str, ...]) -> Cursor:
    """A cursor behind the table's name, in the statement without an alias."""
    cursor = _at_alias(text, verb)
    plain = without_alias(cursor, table, take_alias(cursor, *next_words))
    return _at_alias(plain, verb)


def _at_alias(text: str, verb: tuple[str, ...]) -> Cursor:
    cursor = Cursor(text, lex(text))
    cursor.expect(*verb)
    bracket = cursor.take("only") and cursor.take("(")
    cursor.name()
    if bracket:
        cursor.expect(")")
    cursor.take("*")
    return cursor


def _update(cursor: Cursor, table: Name) -> PlainUpdate:
    cursor.expect("set")
    assignments: list[Assignment] = []
    while not assignments or cursor.take(","):
        if cursor.word() == "(":
            raise NotPlain("several columns are set together; set each of them by itself")
        column = cursor.identifier()
        cursor.expect("=")
        value = cursor.until(_ends_value)
        reads = own_columns(value.part(value.at, value.end), table.name)
        assignments.append(Assignment(column=column, value=expression(value), reads=reads))
    sources = cursor.before("where", "returning").source() if cursor.take("from") else ""
    where = _where(cursor)
    return PlainUpdate(
        assignments=tuple(assignments),
        where=expression(where) if where else None,
        emptied=_emptied(where.part(where.at, where.end), table.name) if where else frozenset(),
        sources=sources,
    )


def _delete(cursor: Cursor) -> PlainDelete:
    sources = cursor.before("where", "returning").source() if cursor.take("using") else ""
    where = _where(cursor)
    return PlainDelete(where=expression(where) if where else None, sources=sources)


def _ends_value(cursor: Cursor) -> bool:
    word = cursor.word()
    if word == "from":
        return cursor.words[cursor.at - 1] != "distinct"
    return word in {",", "where", "returning"}


def _where(cursor: Cursor) -> Cursor | None:
    """The condition at the end of the statement, None when there is none."""
    where = cursor.before("returning") if cursor.take("where") else None
    if cursor.take("returning"):
        raise NotPlain("it gives rows back (RETURNING), which nobody would receive")
    cursor.expect_end()
    if where is not None and where.at_words("current", "of"):
        raise NotPlain("it is about the row of a cursor (CURRENT OF)")
    return where


def _emptied(where: Cursor, table: str) -> frozenset[str]:
    found: set[str] = set()
    while not where.done:
        condition = where.before("and", "or")
        if where.word() == "or":
            return frozenset()
        column = _is_null(condition, table)
        if column:
            found.add(column)
        where.take("and")
    return frozenset(found)


def _is_null(condition: Cursor, table: str) -> str | None:
    """The column of the row itself that must be NULL, when the condition says this and nothing else."""
    if condition.kind() not in _NAMES:
        return None
    try:
        name = condition.name()
    except Unreadable:
        return None
    own = name.schema in {None, table} and condition.take("is", "null") and condition.done
    return name.name if own else None
