"""UPDATE of one table by one column of another one, row by row."""

from dataclasses import dataclass

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.names import Name

_NAMES = (TokenKind.WORD, TokenKind.QUOTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedUpdate:
    """UPDATE `table` SET `column` = `source_column` of `source`, where `key` there is `own_key` here."""

    table: Name
    column: str
    source: Name
    source_column: str
    key: str
    own_key: str


def joined_update(text: str) -> JoinedUpdate | None:
    """The parts of `UPDATE b SET c = a.c FROM a WHERE a.id = b.a_id`, or of the same with a subquery.

    None when it is anything else.
    """
    try:
        return _read(Cursor(text, lex(text)))
    except (Unreadable, Unlexable):
        return None


def _read(cursor: Cursor) -> JoinedUpdate | None:
    cursor.expect("update")
    table, own = _table(cursor)
    cursor.expect("set")
    column = cursor.identifier()
    cursor.expect("=")
    if cursor.at_words("("):
        inner = cursor.inside()
        cursor.expect_end()
        inner.expect("select")
        value = _column(inner)
        inner.expect("from")
        source, other = _table(inner)
        cursor = inner
    else:
        value = _column(cursor)
        cursor.expect("from")
        source, other = _table(cursor)
    cursor.expect("where")
    left = _column(cursor)
    cursor.expect("=")
    right = _column(cursor)
    cursor.expect_end()
    keys = dict((left, right))
    if value[0] not in {other, ""} or own == other or set(keys) != {own, other}:
        return None
    return JoinedUpdate(
        table=table,
        column=column,
        source=source,
        source_column=value[1],
        key=keys[other],
        own_key=keys[own],
    )


def _table(cursor: Cursor) -> tuple[Name, str]:
    """A table, and what the statement calls it."""
    cursor.take("only")
    name = cursor.name()
    if cursor.take("as") or (cursor.kind() in _NAMES and cursor.word() not in {"set", "where"}):
        return name, cursor.identifier()
    return name, name.name


def _column(cursor: Cursor) -> tuple[str, str]:
    """What a column is said to be of, empty when that is not said, and the column."""
    first = cursor.identifier()
    return (first, cursor.identifier()) if cursor.take(".") else ("", first)
