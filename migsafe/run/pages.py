"""A table as pages: which relations hold its rows, and how to say "the rows of these pages" in SQL."""

from dataclasses import dataclass

from psycopg import sql

from migsafe.errors import RunError
from migsafe.run.connect import Conn
from migsafe.run.method import HEAP
from migsafe.sql.names import Name

_LEAVES = """
    WITH RECURSIVE tree AS (
        SELECT to_regclass(%s)::oid AS oid
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent
    )
    SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, coalesce(am.amname, 'heap'),
           CASE WHEN c.relkind = 'r'
                THEN coalesce(pg_relation_size(c.oid, 'main'), 0) / current_setting('block_size')::int8
                ELSE 0 END
    FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_am am ON am.oid = c.relam
    WHERE c.relkind <> 'p'
    ORDER BY c.oid
"""

_SIZE = """
    WITH RECURSIVE tree AS (
        SELECT to_regclass(%s)::oid AS oid
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN tree ON tree.oid = i.inhparent
    )
    SELECT CASE WHEN bool_and(c.reltuples >= 0) THEN sum(c.reltuples)::int8 END,
           coalesce(sum(pg_table_size(c.oid)), 0)::int8
    FROM tree JOIN pg_class c ON c.oid = tree.oid
    WHERE c.relkind <> 'p'
"""

_INTEGER_KEY = """
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = %s AND i.indisprimary AND i.indnkeyatts = 1
      AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A relation that holds rows itself: the table, or one of its partitions or children."""

    oid: int
    name: Name
    pages: int
    access_method: str = HEAP


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """Rows as the server last counted them (VACUUM, ANALYZE), if it ever did; bytes without indexes."""

    rows_estimated: int | None
    size_bytes: int


def read_size(conn: Conn, table: Name) -> TableSize:
    """How big the table is with all its partitions or children. Nothing, if there is no such table."""
    row = conn.execute(_SIZE, (table.sql,)).fetchone()
    return TableSize(rows_estimated=row[0] if row else None, size_bytes=row[1] if row else 0)


def read_leaves(conn: Conn, table: Name) -> tuple[Leaf, ...]:
    """The relations that hold the table's rows, with their size now, in a fixed order.

    Raises:
        RunError: The table does not exist, or some of it is not stored in this server.
    """
    rows = conn.execute(_LEAVES, (table.sql,)).fetchall()
    if not rows:
        row = conn.execute("SELECT to_regclass(%s) IS NULL", (table.sql,)).fetchone()
        if row is None or row[0]:
            raise RunError(
                f"the table {table} does not exist: somebody renamed or dropped it",
                advice="Give it its name back and run the same command again; or take back what is left of "
                "the rollout with `migsafe revert`.",
            )
    for _, schema, name, kind, _, _ in rows:
        if kind != "r":
            raise RunError(
                f"{schema}.{name} is part of {table} but not a plain table (relkind '{kind}')",
                advice="Its rows cannot be changed page by page. Detach it, or change it by hand.",
            )
    return tuple(
        Leaf(
            oid=oid,
            name=Name(name, schema),
            # Other storages count otherwise, and may say 0 for a table with rows.
            pages=int(pages) if method == HEAP else max(1, int(pages)),
            access_method=method,
        )
        for oid, schema, name, _, method, pages in rows
    )


def find_leaf(conn: Conn, oid: int) -> Leaf | None:
    """The relation as it is called now, without its size; None when it is gone."""
    row = conn.execute(
        "SELECT n.nspname, c.relname, coalesce(am.amname, 'heap') FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am am ON am.oid = c.relam "
        "WHERE c.oid = %s AND c.relkind = 'r'",
        (oid,),
    ).fetchone()
    return None if row is None else Leaf(oid=oid, name=Name(row[1], row[0]), pages=0, access_method=row[2])


def is_there(conn: Conn, leaf: Leaf) -> bool:
    """Whether the relation still is, under its name: partitions are dropped while others are worked on."""
    row = conn.execute("SELECT to_regclass(%s)::oid = %s::oid", (leaf.name.sql, leaf.oid)).fetchone()
    return bool(row and row[0])


def called_as(leaf: Leaf, table: Name) -> sql.Composed:
    """The relation without its children, for FROM: expressions know it by the name of the whole table."""
    alias = (
        sql.SQL("") if leaf.name.name == table.name else sql.SQL(" AS {}").format(sql.Identifier(table.name))
    )
    return sql.SQL("ONLY {}{}").format(sql.SQL(leaf.name.sql), alias)  # quoted by Name


def integer_key(conn: Conn, leaf: Leaf) -> str | None:
    """The column of the primary key, if that is one integer."""
    row = conn.execute(_INTEGER_KEY, (leaf.oid,)).fetchone()
    return None if row is None else str(row[0])


def window(first: int, end: int) -> sql.Composed:
    """The rows of pages `first` up to, but not including, `end`.

    https://www.postgresql.org/docs/current/ddl-system-columns.html#DDL-SYSTEM-COLUMNS-CTID
    """
    return sql.SQL("ctid >= {}::tid AND ctid < {}::tid").format(
        sql.Literal(f"({first},0)"), sql.Literal(f"({end},0)")
    )


def stripe(key: str | None, number: int, stripes: int) -> sql.Composable:
    """Every so many-th row, by the key where there is an integer one, else by the place in the page."""
    if stripes == 1:
        return sql.SQL("true")
    if key is None:
        return sql.SQL("(ctid::text::point)[1]::int4 % {} = {}").format(
            sql.Literal(stripes), sql.Literal(number)
        )
    if stripes & (stripes - 1) == 0:  # a power of two: the last bits, of negative keys too, cost less
        return sql.SQL("({} & {}) = {}").format(
            sql.Identifier(key), sql.Literal(stripes - 1), sql.Literal(number)
        )
    # The remainder of a negative key is negative.
    return sql.SQL("{} % {} IN ({}, {})").format(
        sql.Identifier(key), sql.Literal(stripes), sql.Literal(number), sql.Literal(number - stripes)
    )
