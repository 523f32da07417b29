"""Whether every row says the same under its old and its new column name."""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

NEW = "full_name"
_WRONG: LiteralString = """
    SELECT count(*)
    FROM users
    FULL JOIN (
        SELECT coalesce(written.id, filled.id) AS id,
               CASE WHEN written.id IS NULL THEN 'Person ' || filled.id ELSE written.name END AS name,
               written.id IS NOT NULL AND written.name IS NULL AS unknown
        FROM generate_series(1, %(seeded)s::bigint) AS filled (id)
        FULL JOIN written ON written.id = filled.id
    ) AS expected USING (id)
    WHERE users.id IS NULL
       OR expected.id IS NULL
       OR (NOT expected.unknown AND users.{column} IS DISTINCT FROM expected.name)
"""
_OTHERS = {"id", "email", "balance", "created_at"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one look found. `pending` rows have no new value yet, `different` rows have a wrong one."""

    when: str
    rows: int
    columns: tuple[str, ...]
    different: int = 0
    pending: int = 0

    def __str__(self) -> str:
        """For people."""
        if len(self.columns) < 2:
            return f"{self.rows:,} rows have {self.columns[0]}"
        if self.different:
            return f"{' and '.join(self.columns)} differ in {self.different:,} of {self.rows:,} rows"
        if self.pending:
            return f"{self.pending:,} of {self.rows:,} rows are still to be filled"
        return f"{' = '.join(self.columns)} in all {self.rows:,} rows"


def look(conn: psycopg.Connection, when: str) -> Step:
    """Compare the columns that hold the name now: the old one (or its tombstone) and the new one."""
    columns = name_columns(conn)
    if len(columns) < 2:
        counted = conn.execute("SELECT count(*) FROM users").fetchone()
        return Step(when=when, rows=counted[0] if counted else 0, columns=columns)
    old, new = (sql.Identifier(column) for column in columns)
    found = conn.execute(
        sql.SQL(
            "SELECT count(*),"
            " count(*) FILTER (WHERE {new} <> {old} OR ({old} IS NULL AND {new} IS NOT NULL)),"
            " count(*) FILTER (WHERE {new} IS NULL AND {old} IS NOT NULL) FROM users"
        ).format(old=old, new=new)
    ).fetchone()
    rows, different, pending = found or (0, 0, 0)
    return Step(when=when, rows=rows, columns=columns, different=different, pending=pending)


def name_columns(conn: psycopg.Connection) -> tuple[str, ...]:
    """The columns that hold the name, the old one (or its tombstone) first."""
    found = conn.execute(
        "SELECT attname FROM pg_catalog.pg_attribute"
        " WHERE attrelid = 'public.users'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    ).fetchall()
    return tuple(sorted((name for (name,) in found if name not in _OTHERS), key=lambda name: name == NEW))


def wrong_rows(conn: psycopg.Connection, *, seeded: int, written: dict[int, str | None]) -> int:
    """How many rows do not say what was written last, as the load knows it; missing rows count too.

    Rows that nobody wrote must still say what they were filled with. None was written where the end of a
    write is not known; then the row only has to be there.
    """
    column = sql.Identifier(name_columns(conn)[-1])
    with conn.transaction(), conn.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE written (id bigint, name text) ON COMMIT DROP")
        with cursor.copy("COPY written FROM STDIN") as copy:
            for pair in written.items():
                copy.write_row(pair)
        cursor.execute(sql.SQL(_WRONG).format(column=column), {"seeded": seeded})
        found = cursor.fetchone()
    return int(found[0]) if found else -1
