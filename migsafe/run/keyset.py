"""The next rows of a relation in the order of a unique key, of any number of columns of any types.

The key travels as text: every type reads what it wrote, in the same session's format of dates.
https://www.postgresql.org/docs/current/functions-comparisons.html#ROW-WISE-COMPARISON
"""

from collections.abc import Sequence

from psycopg import sql

from migsafe.run.connect import Conn
from migsafe.run.method import KeyColumn
from migsafe.run.pages import Leaf

ROWS_PER_PAGE = 50  # a window is counted in pages, everywhere

Key = tuple[str, ...]


def last_key(conn: Conn, leaf: Leaf, key: Sequence[KeyColumn], after: Key | None, rows: int) -> Key | None:
    """The last of the next so many keys; None when there are fewer: then the rest is one window."""
    conn.execute("SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'")
    names = _names(key)
    found = conn.execute(
        sql.SQL("SELECT {} FROM ONLY {} WHERE {} ORDER BY {} OFFSET {} LIMIT 1").format(
            sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column.name)) for column in key),
            sql.SQL(leaf.name.sql),  # quoted by Name
            rows_between(key, after, None),
            names,
            sql.Literal(max(0, rows - 1)),
        )
    ).fetchone()
    return None if found is None else tuple(map(str, found))


def rows_between(key: Sequence[KeyColumn], after: Key | None, upto: Key | None) -> sql.Composable:
    """The rows whose key is beyond `after` and not beyond `upto`, where there is such a bound."""
    bounds = [
        sql.SQL("({}) {} ({})").format(_names(key), sql.SQL(sign), _values(key, bound))
        for sign, bound in ((">", after), ("<=", upto))
        if bound is not None
    ]
    return sql.SQL(" AND ").join(bounds) if bounds else sql.SQL("true")


def _names(key: Sequence[KeyColumn]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in key)


def _values(key: Sequence[KeyColumn], bound: Key) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("CAST({} AS {})").format(sql.Literal(value), sql.SQL(column.type))  # as format_type() says it
        for column, value in zip(key, bound, strict=True)
    )
