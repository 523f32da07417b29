"""The ledger's chunks: cut by the runner, gone through by workers, each by one of them at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from migsafe.run.connect import Conn
from migsafe.run.ledger.model import Progress, Request

SWEEP_WEIGHT = 0.1  # a page that only has to be read, against one whose rows are changed

_ALIVE = "w.expires_at > clock_timestamp()"
# A row that somebody has locked is at work, whatever its worker's heart does.
_FREE = """
    SELECT c.number FROM migsafe.chunk c
    JOIN migsafe.step s ON s.rollout_id = c.rollout_id AND s.id = c.step_id
    LEFT JOIN migsafe.worker w ON w.id = c.worker AND w.expires_at > clock_timestamp()
    LEFT JOIN (
        SELECT o.leaf, count(*) AS workers FROM migsafe.chunk o JOIN migsafe.worker w ON w.id = o.worker
        WHERE o.rollout_id = %(rollout)s AND o.step_id = %(step)s AND o.state = 'open'
          AND w.expires_at > clock_timestamp()
        GROUP BY o.leaf
    ) AS busy ON busy.leaf = c.leaf
    WHERE c.rollout_id = %(rollout)s AND c.step_id = %(step)s AND c.state = 'open' AND s.state = 'running'
      AND (w.id IS NULL OR w.id = %(worker)s)
    ORDER BY c.worker IS DISTINCT FROM %(worker)s, coalesce(busy.workers, 0), c.number
    LIMIT 1 FOR UPDATE OF c SKIP LOCKED
"""
# Looked at again in a statement of its own, which sees who came while the first one looked.
_TAKE = """
    UPDATE migsafe.chunk c SET worker = %(worker)s
    WHERE c.rollout_id = %(rollout)s AND c.step_id = %(step)s AND c.number = %(number)s AND c.state = 'open'
      AND NOT EXISTS (
          SELECT 1 FROM migsafe.worker w
          WHERE w.id = c.worker AND w.id <> %(worker)s AND w.expires_at > clock_timestamp()
      )
    RETURNING c.step_id AS step, c.number, c.leaf, c.first, c.last, c.cursor
"""
_FENCE = """
    SELECT r.request, pg_backend_pid() FROM migsafe.chunk c JOIN migsafe.rollout r ON r.id = c.rollout_id
    WHERE c.rollout_id = {rollout} AND c.step_id = {step} AND c.number = {number} AND c.worker = {worker}
      AND c.state = 'open'
    FOR NO KEY UPDATE OF c
"""
_FENCE_WITH_LEASE = """
    SELECT r.request, pg_backend_pid() FROM migsafe.chunk c JOIN migsafe.rollout r ON r.id = c.rollout_id
    JOIN migsafe.lease l ON l.rollout_id = c.rollout_id
    WHERE c.rollout_id = {rollout} AND c.step_id = {step} AND c.number = {number} AND c.worker = {worker}
      AND c.state = 'open' AND l.token = {token}
    FOR NO KEY UPDATE OF c FOR KEY SHARE OF l
"""
_MOVE = """
    UPDATE migsafe.chunk SET cursor = {cursor}, rows = rows + {rows}, done = {done},
           pages_per_second = {pages_per_second}, rows_per_second = {rows_per_second}, state = {state},
           updated_at = clock_timestamp()
    WHERE rollout_id = {rollout} AND step_id = {step} AND number = {number}
"""
_SUMS = """
    SELECT c.step_id AS step, count(*) AS chunks, count(*) FILTER (WHERE c.state = 'done') AS done_chunks,
           coalesce(sum(c.last - c.first), 0)::float8 AS pages, coalesce(sum(c.done), 0) AS done,
           coalesce(sum(c.rows), 0)::int8 AS rows, max((c.cursor ->> 'sweep')::int) AS sweep,
           coalesce(sum((c.cursor ->> 'found')::int8), 0)::int8 AS found,
           coalesce(bool_or((c.cursor ->> 'skipped')::boolean), false) AS skipped,
           count(*) FILTER (WHERE c.is_last AND c.state = 'open') AS workers,
           coalesce(sum(c.pages_per_second) FILTER (WHERE c.is_last), 0) AS pages_per_second,
           coalesce(sum(c.rows_per_second) FILTER (WHERE c.is_last), 0) AS rows_per_second,
           min(c.error) FILTER (WHERE c.state = 'failed') AS error, max(c.updated_at) AS updated_at
    FROM (
        SELECT k.*, w.id IS NOT NULL AND row_number() OVER (
            PARTITION BY k.step_id, k.worker ORDER BY k.state = 'open' DESC, k.updated_at DESC NULLS LAST
        ) = 1 AS is_last
        FROM migsafe.chunk k
        LEFT JOIN migsafe.worker w ON w.id = k.worker AND w.expires_at > clock_timestamp()
        WHERE k.rollout_id = %s
    ) AS c
    GROUP BY c.step_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Pages `first` to `last` (excluded) of relation `leaf`, and how far they are."""

    step: str
    number: int
    leaf: int
    first: int
    last: int
    cursor: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """All chunks of a pass together. `pages` and `done` are pages; speeds are those of the workers alive."""

    step: str
    chunks: int
    done_chunks: int
    pages: float
    done: float
    rows: int
    sweep: int
    found: int
    skipped: bool
    workers: int  # that are at work on one of them
    pages_per_second: float
    rows_per_second: float
    error: str | None
    updated_at: Any

    @property
    def complete(self) -> bool:
        """Whether the pass is over."""
        return self.done_chunks == self.chunks

    @property
    def progress(self) -> Progress:
        """How far the step is: after the main pass at least one sweep follows, which mostly reads."""
        weight = SWEEP_WEIGHT if self.sweep else 1.0
        return Progress(
            done=round((self.pages if self.sweep else 0.0) + self.done * weight, 3),
            total=round(self.pages * (1 + SWEEP_WEIGHT), 3),
            per_second=round(self.pages_per_second * weight, 3),
            rows_per_second=round(self.rows_per_second, 1),
        )


def cut(conn: Conn, rollout_id: int, step_id: str, pieces: Iterable[Chunk]) -> None:
    """Put these chunks in the place of those of the pass before, whose rows stay counted."""
    conn.execute(
        "UPDATE migsafe.step SET rows = rows + (SELECT coalesce(sum(c.rows), 0) FROM migsafe.chunk c "
        "WHERE c.rollout_id = %(rollout)s AND c.step_id = %(step)s), updated_at = clock_timestamp() "
        "WHERE rollout_id = %(rollout)s AND id = %(step)s",
        {"rollout": rollout_id, "step": step_id},
    )
    forget(conn, rollout_id, step_id)
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO migsafe.chunk (rollout_id, step_id, number, leaf, first, last, cursor) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [
                (rollout_id, step_id, piece.number, piece.leaf, piece.first, piece.last, Jsonb(piece.cursor))
                for piece in pieces
            ],
        )


def forget(conn: Conn, rollout_id: int, step_id: str) -> None:
    """Take the chunks away; a batch at work on one is waited for, and the next one finds nothing."""
    conn.execute("DELETE FROM migsafe.chunk WHERE rollout_id = %s AND step_id = %s", (rollout_id, step_id))


def reopen(conn: Conn, rollout_id: int, step_id: str) -> None:
    """Try what failed once more."""
    conn.execute(
        "UPDATE migsafe.chunk SET state = 'open', worker = NULL, error = NULL "
        "WHERE rollout_id = %s AND step_id = %s AND state = 'failed'",
        (rollout_id, step_id),
    )


def claim(conn: Conn, rollout_id: int, step_id: str, worker: int) -> Chunk | None:
    """Take a chunk that nobody alive is at work on, inside the caller's transaction; None when there is none.

    One's own that is still open comes first, then those of relations with the fewest workers.
    """
    names = {"rollout": rollout_id, "step": step_id, "worker": worker}
    found = conn.execute(_FREE, names).fetchone()
    if found is None:
        return None
    with conn.cursor(row_factory=class_row(Chunk)) as cursor:
        return cursor.execute(_TAKE, {**names, "number": found[0]}).fetchone()


def fence(rollout_id: int, chunk: Chunk, worker: int, token: int | None) -> sql.Composed:
    """The query that holds the chunk until the transaction ends; it finds nothing when it is not ours.

    `read_fence` reads its row.
    """
    return sql.SQL(_FENCE if token is None else _FENCE_WITH_LEASE).format(
        rollout=sql.Literal(rollout_id),
        step=sql.Literal(chunk.step),
        number=sql.Literal(chunk.number),
        worker=sql.Literal(worker),
        token=sql.Literal(token),
    )


def read_fence(row: tuple[Any, ...] | None) -> tuple[Request | None, int] | None:
    """What was asked of the rollout, and the number of our server process; None when it is not ours."""
    return None if row is None else (Request(row[0]) if row[0] else None, int(row[1]))


def move(
    rollout_id: int,
    chunk: Chunk,
    cursor: Mapping[str, object],
    *,
    rows: int,
    done: float,
    speeds: tuple[float, float],
    complete: bool,
) -> sql.Composed:
    """The statement that says: a batch is done. `speeds` are pages and rows per second.

    `complete` says that it was the last one. Only who holds the chunk may send it, so its state is known.
    """
    return sql.SQL(_MOVE).format(
        cursor=sql.Literal(Jsonb(dict(cursor))),
        rows=sql.Literal(rows),
        done=sql.Literal(done),
        pages_per_second=sql.Literal(speeds[0]),
        rows_per_second=sql.Literal(speeds[1]),
        state=sql.Literal("done" if complete else "open"),
        rollout=sql.Literal(rollout_id),
        step=sql.Literal(chunk.step),
        number=sql.Literal(chunk.number),
    )


def release(conn: Conn, rollout_id: int, chunk: Chunk, worker: int, *, error: str | None = None) -> None:
    """Give a chunk back, or leave it to the runner when it cannot be done."""
    conn.execute(
        "UPDATE migsafe.chunk SET worker = NULL, error = %(error)s, "
        "state = CASE WHEN %(error)s::text IS NULL THEN state ELSE 'failed' END "
        "WHERE rollout_id = %(rollout)s AND step_id = %(step)s AND number = %(number)s "
        "AND worker = %(worker)s AND state = 'open'",
        {
            "error": error,
            "rollout": rollout_id,
            "step": chunk.step,
            "number": chunk.number,
            "worker": worker,
        },
    )


def note_method(conn: Conn, rollout_id: int, chunk: Chunk, method: str) -> bool:
    """Say how the chunk is gone through. False when another one of its relation says the same."""
    row = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM migsafe.chunk WHERE rollout_id = %s AND step_id = %s AND leaf = %s "
        "AND method = %s)",
        (rollout_id, chunk.step, chunk.leaf, method),
    ).fetchone()
    conn.execute(
        "UPDATE migsafe.chunk SET method = %s WHERE rollout_id = %s AND step_id = %s AND number = %s",
        (method, rollout_id, chunk.step, chunk.number),
    )
    return not (row and row[0])


def read_methods(conn: Conn, rollout_id: int) -> list[str]:
    """How relations are or were gone through, and why: `public.users: striped pages, 8 passes: ...`."""
    rows = conn.execute(
        "SELECT DISTINCT ON (detail ->> 'relation') concat(detail ->> 'relation', ': ', detail ->> 'method') "
        "FROM migsafe.audit WHERE rollout_id = %s AND event = 'method' "
        "ORDER BY detail ->> 'relation', id DESC",
        (rollout_id,),
    ).fetchall()
    return [str(text) for (text,) in rows]


def read_sums(conn: Conn, rollout_id: int) -> dict[str, Sums]:
    """The pass that each step is in, by step; nothing of those that have none, or in an older ledger."""
    if not exist(conn):
        return {}
    with conn.cursor(row_factory=class_row(Sums)) as cursor:
        return {sums.step: sums for sums in cursor.execute(_SUMS, (rollout_id,)).fetchall()}


def exist(conn: Conn) -> bool:
    """Whether the ledger has chunks: one of an older migsafe has not."""
    row = conn.execute("SELECT to_regclass('migsafe.chunk') IS NOT NULL").fetchone()
    return bool(row and row[0])
