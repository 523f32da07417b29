"""The ledger's workers: who is at work on a rollout, and until when they are believed to be alive."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from migsafe.run.connect import Conn
from migsafe.run.ledger.chunks import exist
from migsafe.run.process import Process, is_surely_dead

_READ = """
    SELECT w.id, w.token IS NOT NULL AS leads, w.process, w.joined_at,
           extract(epoch FROM clock_timestamp() - w.beat_at)::float8 AS silent_seconds,
           w.expires_at > clock_timestamp() AS alive, c.step_id AS step, c.number AS chunk,
           c.leaf::oid::regclass::text AS relation, c.first, c.last, c.method,
           coalesce(c.rows_per_second, 0) AS rows_per_second
    FROM migsafe.worker w
    LEFT JOIN migsafe.chunk c ON c.rollout_id = w.rollout_id AND c.worker = w.id AND c.state = 'open'
    WHERE w.rollout_id = %s ORDER BY w.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A worker, by the server's clock, and the chunk that it is at work on, if there is one."""

    id: int
    process: Process
    leads: bool  # it belongs to the process that holds the lease
    joined_at: datetime
    silent_seconds: float
    alive: bool  # it beat within its time; it may be dead for less than that
    step: str | None
    chunk: int | None
    relation: str | None
    first: int | None
    last: int | None
    method: str | None
    rows_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """How many workers alive are at work on chunks of a rollout, and what they may do together."""

    working: int
    rows_per_second: float | None


def join(
    conn: Conn,
    rollout_id: int,
    process: Process,
    *,
    token: int | None,
    rows_per_second: float | None,
    expiry_seconds: float,
) -> int:
    """Become a worker; returns its number."""
    row = conn.execute(
        "INSERT INTO migsafe.worker (rollout_id, token, process, rows_per_second, expires_at) "
        "VALUES (%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s)) RETURNING id",
        (rollout_id, token, Jsonb(process.to_json()), rows_per_second, expiry_seconds),
    ).fetchone()
    if row is None:
        msg = "an INSERT returned no row"
        raise LookupError(msg)
    return int(row[0])


def leave(conn: Conn, worker: int) -> None:
    """A worker goes; what it was at work on is free."""
    conn.execute("DELETE FROM migsafe.worker WHERE id = %s", (worker,))


def beat(conn: Conn, worker: int, expiry_seconds: float) -> bool:
    """Give a sign of life. False when the worker was taken off the list."""
    return bool(
        conn.execute(
            "UPDATE migsafe.worker SET beat_at = clock_timestamp(), "
            "expires_at = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
            (expiry_seconds, worker),
        ).rowcount
    )


def beat_leading(conn: Conn, rollout_id: int, token: int, expiry_seconds: float) -> None:
    """Give a sign of life for all workers of the process that holds the lease."""
    conn.execute(
        "UPDATE migsafe.worker SET beat_at = clock_timestamp(), "
        "expires_at = clock_timestamp() + make_interval(secs => %s) WHERE rollout_id = %s AND token = %s",
        (expiry_seconds, rollout_id, token),
    )


def dismiss_leading(conn: Conn, rollout_id: int) -> None:
    """Take all workers of former runners off the list: by the lease there is one runner only."""
    conn.execute("DELETE FROM migsafe.worker WHERE rollout_id = %s AND token IS NOT NULL", (rollout_id,))


def dismiss_dead(conn: Conn, rollout_id: int, here: Process) -> None:
    """Take off the list who is surely dead, as this machine can tell, or was silent for an hour."""
    rows = conn.execute("SELECT id, process FROM migsafe.worker WHERE rollout_id = %s", (rollout_id,))
    dead = [number for number, found in rows.fetchall() if is_surely_dead(Process(**found), here=here)]
    conn.execute(
        "DELETE FROM migsafe.worker WHERE rollout_id = %s "
        "AND (id = ANY (%s) OR expires_at < clock_timestamp() - interval '1 hour')",
        (rollout_id, dead),
    )


def read_crew(conn: Conn, rollout_id: int) -> Crew:
    """Who is at work now."""
    row: Any = conn.execute(
        "SELECT count(DISTINCT w.id) FILTER (WHERE c.number > 0 AND w.expires_at > clock_timestamp()), "
        "max(w.rows_per_second) FILTER (WHERE w.token IS NOT NULL) FROM migsafe.worker w "
        "LEFT JOIN migsafe.chunk c ON c.rollout_id = w.rollout_id AND c.worker = w.id AND c.state = 'open' "
        "WHERE w.rollout_id = %s",
        (rollout_id,),
    ).fetchone()
    return Crew(working=int(row[0]), rows_per_second=row[1])


def read_workers(conn: Conn, rollout_id: int) -> tuple[WorkerRow, ...]:
    """All workers of a rollout; none in the ledger of an older migsafe."""
    if not exist(conn):
        return ()
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_READ, (rollout_id,)).fetchall()
    return tuple(WorkerRow(**{**row, "process": Process(**row["process"])}) for row in rows)
