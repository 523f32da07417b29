"""INSERT INTO t SELECT ... FROM u taken apart, where it copies every row of u as it is."""

from dataclasses import dataclass

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.lex import Unlexable, lex
from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCopy:
    """Which columns of which table get what; without `columns` all of them in their order.

    `values` are the columns of the source, or empty for all of them (`*`).
    """

    into: Name
    source: Name
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


def plain_copy(text: str) -> PlainCopy | None:
    """The parts of such an INSERT; None when it changes, joins or leaves out anything."""
    try:
        return _read(Cursor(text, lex(text)))
    except (Unreadable, Unlexable):
        return None


def _read(cursor: Cursor) -> PlainCopy:
    cursor.expect("insert", "into")
    into = cursor.name()
    columns = cursor.inside().listed(Cursor.identifier) if cursor.word() == "(" else ()
    if cursor.take("overriding"):
        cursor.one_of("system", "user")
        cursor.expect("value")
    cursor.expect("select")
    values: tuple[str, ...] = ()
    if not cursor.take("*"):
        values = cursor.listed(Cursor.identifier)
    cursor.expect("from")
    cursor.take("only")
    source = cursor.name()
    if cursor.take("order", "by"):
        cursor.listed(Cursor.identifier)
    cursor.take(";")
    cursor.expect_end()
    return PlainCopy(into=into, source=source, columns=columns, values=values)
