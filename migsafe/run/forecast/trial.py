"""Batches of a backfill that are rolled back, in place and in a copy of a few pages.

All of it is short and under the timeouts and the guard of a batch. A copy is made, changed and rolled back in
one transaction: nobody ever sees it, and nothing of it is left, even when we are killed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import sql

from migsafe.plan.model import BackfillStep
from migsafe.run import statements
from migsafe.run.connect import Conn
from migsafe.run.facts import work_of
from migsafe.run.forecast.model import Copied, Sample
from migsafe.run.method import Work
from migsafe.run.pages import Leaf, called_as, window
from migsafe.run.session import Session
from migsafe.run.statements import Rows
from migsafe.sql.names import Name

_ROOMY = 30  # percent: a row finds room in its page, even when it gets twice as long
_COPY = "migsafe_forecast"
_EXPLAIN = sql.SQL("EXPLAIN (ANALYZE, WAL, TIMING OFF, COSTS OFF, SUMMARY, FORMAT JSON) {}")
_HOT = "SELECT pg_stat_get_xact_tuples_hot_updated(%s::oid)"
_COLUMNS = """
    SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""


@contextmanager
def rolled_back(session: Session, *, seconds: float) -> Iterator[Conn]:
    """A transaction that is rolled back, whatever happens; a statement in it gets so many seconds."""
    conn = session.conn
    with conn.transaction(force_rollback=True), session.guarded():
        session.limit(
            lock_seconds=min(session.settings.row_lock_seconds, session.server.deadlock_seconds * 0.4),
            statement_seconds=seconds,
        )
        row = conn.execute("SELECT pg_backend_pid()").fetchone()
        session.watched.enter(session.seat, int(row[0]) if row else 0)
        yield conn


def look(
    conn: Conn, step: BackfillStep, leaf: Leaf, pages: tuple[int, int], *, pending: bool
) -> tuple[int, int, float]:
    """How many rows are there, how many of them are pending, and how long it took to look."""
    condition = sql.SQL(
        step.pending if pending else "true"
    )  # the plan's own SQL, which a person has reviewed
    query = sql.SQL("SELECT count(*), count(*) FILTER (WHERE {}) FROM {} WHERE {}").format(
        condition, called_as(leaf, step.table), window(*pages)
    )
    found = conn.execute(query).fetchone()
    seconds = _explained(conn, query)["Execution Time"] / 1000
    return (int(found[0]), int(found[1]), seconds) if found else (0, 0, seconds)


def sample_pending(conn: Conn, step: BackfillStep, leaf: Leaf, pages: int) -> tuple[int, int]:
    """How many rows are in about so many pages at random, and how many of them are pending."""
    percent = min(100.0, 100.0 * pages / max(1, leaf.pages))
    query = sql.SQL("SELECT count(*), count(*) FILTER (WHERE {}) FROM {} TABLESAMPLE SYSTEM ({})").format(
        sql.SQL(step.pending),  # see above
        called_as(leaf, step.table),
        sql.Literal(percent),
    )
    found = conn.execute(query).fetchone()
    return (int(found[0]), int(found[1])) if found else (0, 0)


def change(conn: Conn, step: BackfillStep, leaf: Leaf, pages: tuple[int, int]) -> Sample:
    """Do what the step says with the rows of these pages; the caller rolls it back."""
    target = step.copy.into.sql if step.copy else leaf.name.sql
    before = _sizes(conn, target), _hot(conn, leaf.oid)
    rows = Rows(leaf=leaf, table=step.table, where=window(*pages))
    explained = _explained(conn, statements.change(step, rows, skipping=True))
    plan = explained["Plan"]
    after = _sizes(conn, target), _hot(conn, leaf.oid)
    return Sample(
        rows=_changed(plan),
        seconds=explained["Execution Time"] / 1000,
        wal=plan.get("WAL Bytes", 0),
        images=plan.get("WAL FPI", 0),
        hot=after[1] - before[1] if work_of(step) is Work.UPDATE else 0,
        grown=after[0] - before[0],
    )


def change_copy(
    conn: Conn, step: BackfillStep, leaf: Leaf, pages: tuple[int, int], added: Sequence[tuple[str, str]]
) -> Copied | None:
    """The same in a copy of these pages that has the new columns; None when it has no rows."""
    full = _copy(conn, leaf, pages, added, fillfactor=100)
    page_size, old_pages = _page_size(conn), full.pages
    row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.SQL(full.name.sql))).fetchone()
    rows = int(row[0]) if row else 0
    if not rows or not old_pages:
        return None
    heap = _heap(conn, full)
    moved = change(conn, step, full, (0, old_pages))
    moved_bytes = (_heap(conn, full) - heap) / max(1, moved.rows - moved.hot)
    conn.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(full.name.sql)))
    roomy = _copy(conn, leaf, pages, added, fillfactor=_ROOMY)
    stayed = change(conn, step, roomy, (0, roomy.pages))
    return Copied(
        moved=moved,
        stayed=stayed,
        old_bytes=(page_size - 24) * old_pages / rows - 4,
        moved_bytes=moved_bytes,
    )


def _copy(
    conn: Conn, leaf: Leaf, pages: tuple[int, int], added: Sequence[tuple[str, str]], *, fillfactor: int
) -> Leaf:
    """A table like this one, with the rows of these pages, in a schema that this transaction makes."""
    schema = sql.Identifier(_COPY)
    name = Name(leaf.name.name, _COPY)
    columns = _columns(conn, leaf)
    conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
    # Checks and triggers are not copied: they are measured in place.
    conn.execute(
        sql.SQL(
            "CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING CONSTRAINTS EXCLUDING IDENTITY "
            "EXCLUDING COMMENTS EXCLUDING STATISTICS) WITH (fillfactor = {})"
        ).format(sql.SQL(name.sql), sql.SQL(leaf.name.sql), sql.Literal(fillfactor))
    )
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    conn.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM ONLY {} WHERE {}").format(
            sql.SQL(name.sql), listed, listed, sql.SQL(leaf.name.sql), window(*pages)
        )
    )
    for column, kind in added:
        if column not in columns:
            conn.execute(
                sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
                    sql.SQL(name.sql),
                    sql.Identifier(column),
                    sql.SQL(kind),  # as the plan has it
                )
            )
    row = conn.execute("SELECT %s::regclass::oid::int8", (name.sql,)).fetchone()
    made = Leaf(oid=int(row[0]) if row else 0, name=name, pages=0)
    return Leaf(oid=made.oid, name=name, pages=_heap(conn, made) // _page_size(conn))


def _columns(conn: Conn, leaf: Leaf) -> list[str]:
    row = conn.execute(_COLUMNS, (leaf.oid,)).fetchone()
    return list(row[0]) if row and row[0] else []


def _explained(conn: Conn, query: sql.Composable) -> dict[str, Any]:
    row = conn.execute(_EXPLAIN.format(query)).fetchone()
    document: dict[str, Any] = row[0][0] if row else {}
    return document


def _changed(plan: dict[str, Any]) -> int:
    """How many rows the statement changed: ModifyTable itself returns none, what is below it does."""
    below = plan.get("Plans", [])
    if plan.get("Conflicting Tuples") is not None or "Tuples Inserted" in plan:
        return int(plan.get("Tuples Inserted", 0))
    return int(below[0].get("Actual Rows", 0) * below[0].get("Actual Loops", 1)) if below else 0


def _sizes(conn: Conn, name: str) -> int:
    row = conn.execute("SELECT pg_total_relation_size(%s::regclass)", (name,)).fetchone()
    return int(row[0]) if row else 0


def _heap(conn: Conn, leaf: Leaf) -> int:
    row = conn.execute("SELECT pg_relation_size(%s::oid)", (leaf.oid,)).fetchone()
    return int(row[0]) if row and row[0] else 0


def _page_size(conn: Conn) -> int:
    row = conn.execute("SELECT current_setting('block_size')::int").fetchone()
    return int(row[0]) if row else 8192


def _hot(conn: Conn, oid: int) -> int:
    row = conn.execute(_HOT, (oid,)).fetchone()
    return int(row[0] or 0) if row else 0
