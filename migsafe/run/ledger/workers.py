"""The ledger's workers: who is at work on a rollout, and until when they are believed to be alive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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


def join(
    conn: Conn,
    rollout_id: int,
    process: Process,
    *,
    token: int | None,
    limits: Sequence[tuple[str, str]] = (),
    expiry_seconds: float,
) -> int:
    """Become a worker; returns its number.

    It rises, and its last bits are random: a standby that takes over may not have heard of the last numbers.
    """
    row = conn.execute(
        "INSERT INTO migsafe.worker (id, rollout_id, token, process, limits, expires_at) "
        "OVERRIDING SYSTEM VALUE VALUES (nextval(pg_get_serial_sequence('migsafe.worker', 'id')) * 1048576 "
        "+ floor(random() * 1048576)::int8, "
        "%s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s)) RETURNING id",
        (rollout_id, token, Jsonb(process.to_json()), Jsonb(list(limits)), expiry_seconds),
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


def count_working(conn: Conn, rollout_id: int) -> int:
    """How many workers alive are at work on chunks of the rollout."""
    row = conn.execute(
        "SELECT count(DISTINCT w.id) FROM migsafe.worker w JOIN migsafe.chunk c "
        "ON c.rollout_id = w.rollout_id AND c.worker = w.id AND c.state = 'open' "
        "WHERE w.rollout_id = %s AND w.expires_at > clock_timestamp()",
        (rollout_id,),
    ).fetchone()
    return int(row[0]) if row else 0


def read_limits(conn: Conn, rollout_id: int) -> list[tuple[str, str]]:
    """What the runner was told about the pace, names and values; also after it died."""
    row = conn.execute(
        "SELECT limits FROM migsafe.worker WHERE rollout_id = %s AND token IS NOT NULL "
        "ORDER BY id DESC LIMIT 1",
        (rollout_id,),
    ).fetchone()
    return [(str(name), str(value)) for name, value in row[0]] if row else []


def read_workers(conn: Conn, rollout_id: int) -> tuple[WorkerRow, ...]:
    """All workers of a rollout; none in the ledger of an older migsafe."""
    if not exist(conn):
        return ()
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_READ, (rollout_id,)).fetchall()
    return tuple(WorkerRow(**{**row, "process": Process(**row["process"])}) for row in rows)
