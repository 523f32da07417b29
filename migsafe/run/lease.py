"""The right to act on a rollout: a row with a fencing token, kept alive by a heartbeat.

A token that is no longer the row's means that somebody else took over. Every transaction of a runner
checks its token first, so a runner that lost its lease, by a long stop for example, can commit nothing.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

from migsafe.errors import ConnectionFailed, Fenced, LeaseHeld
from migsafe.run.connect import APPLICATION_NAME, Conn, brief, connect
from migsafe.run.ledger import workers
from migsafe.run.process import Process, is_surely_dead
from migsafe.run.settings import Settings

_TAKEOVER_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease, by the server's clock."""

    process: Process
    acquired_at: datetime
    beat_at: datetime
    silent_seconds: float
    alive: bool  # it beat within its time; it may be dead for less than that


def read_holder(conn: Conn, rollout_id: int) -> Holder | None:
    """Who holds the lease of this rollout; None when nobody does."""
    row = conn.execute(
        "SELECT holder, acquired_at, beat_at, extract(epoch FROM clock_timestamp() - beat_at)::float8, "
        # A beat further ahead than a lease lasts is by a clock that was set back since, or that of another
        # server, before a failover: who lives has beaten again.
        "expires_at > clock_timestamp() AND beat_at < clock_timestamp() + (expires_at - beat_at) "
        "FROM migsafe.lease WHERE rollout_id = %s",
        (rollout_id,),
    ).fetchone()
    if row is None or row[0] is None:
        return None
    return Holder(
        process=Process(**row[0]), acquired_at=row[1], beat_at=row[2], silent_seconds=row[3], alive=row[4]
    )


def acquire(conn: Conn, rollout_id: int, *, name: str, here: Process, settings: Settings) -> int:
    """Take the lease and return the new token. The caller's transaction must follow at once with a commit.

    A transaction that the former holder left behind on the server is waited for, and ended after a moment
    if need be.

    Raises:
        LeaseHeld: Somebody else has it who is alive, or may be.
    """
    former = read_holder(conn, rollout_id)
    _require_free(former, name, here)
    _lock_row(conn, rollout_id, name)
    _require_free(read_holder(conn, rollout_id), name, here)
    row = conn.execute(
        # Never given twice, also where a standby took over that had not heard of the last one.
        "UPDATE migsafe.lease SET token = token + 1 + floor(random() * 2 ^ 32)::int8, holder = %s, "
        "acquired_at = clock_timestamp(), "
        "beat_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => %s) "
        "WHERE rollout_id = %s RETURNING token",
        (Jsonb(here.to_json()), settings.lease_expiry, rollout_id),
    ).fetchone()
    if row is None:
        msg = f"rollout {rollout_id} has no lease row"
        raise LookupError(msg)
    return int(row[0])


def confirm(conn: Conn, rollout_id: int, token: int, *, name: str, settings: Settings) -> None:
    """Make sure, on a new connection, that the lease is still ours, and keep it alive.

    What the connection before left at work is waited for, and ended after a moment if need be.

    Raises:
        Fenced: Somebody took it over.
        LeaseHeld: What was left at work did not end.
    """
    _lock_row(conn, rollout_id, name)
    if not beat(conn, rollout_id, token, settings):
        raise taken_over(name)


def beat(conn: Conn, rollout_id: int, token: int, settings: Settings) -> bool:
    """Give a sign of life. False when the lease is no longer ours."""
    found: Any = conn.execute(
        "UPDATE migsafe.lease SET beat_at = clock_timestamp(), "
        "expires_at = clock_timestamp() + make_interval(secs => %s) WHERE rollout_id = %s AND token = %s",
        (settings.lease_expiry, rollout_id, token),
    )
    return bool(found.rowcount)


def taken_over(name: str) -> Fenced:
    """What to raise when the lease is no longer ours."""
    return Fenced(
        f"another runner took over the rollout '{name}'",
        advice="Nothing of ours was applied after that. Watch it with `migsafe status`.",
    )


def release(conn: Conn, rollout_id: int, token: int) -> None:
    """Give the lease back, if it is still ours."""
    with brief(conn, lock_seconds=5.0):
        conn.execute(
            "UPDATE migsafe.lease SET holder = NULL, expires_at = clock_timestamp() "
            "WHERE rollout_id = %s AND token = %s",
            (rollout_id, token),
        )


def _require_free(holder: Holder | None, name: str, here: Process) -> None:
    if holder is None or not holder.alive or is_surely_dead(holder.process, here=here):
        return
    raise LeaseHeld(
        f"the rollout '{name}' is being run by {holder.process}, since {_clock(holder.acquired_at)} "
        f"(last sign of life {holder.silent_seconds:.0f} s ago)",
        advice=f"Watch it with `migsafe status {name}`, or stop it with `migsafe pause {name}`. "
        "If that process is gone, its right expires by itself within seconds: run this again.",
    )


def _lock_row(conn: Conn, rollout_id: int, name: str) -> None:
    ends = time.monotonic() + _TAKEOVER_SECONDS
    while True:
        try:
            with conn.transaction():  # a savepoint
                conn.execute("SET LOCAL lock_timeout = '2s'")
                conn.execute("SELECT 1 FROM migsafe.lease WHERE rollout_id = %s FOR UPDATE", (rollout_id,))
                return
        except errors.LockNotAvailable as error:
            if time.monotonic() > ends:
                raise LeaseHeld(
                    f"a transaction of the former runner of '{name}' is still at work on the server",
                    advice="Look for 'migsafe: ...' in pg_stat_activity; run this again when it ended.",
                ) from error
            _end_leftovers(conn)


def _end_leftovers(conn: Conn) -> None:
    """End transactions of this rollout's former runner, which lost its right: same role and name as ours."""
    with contextlib.suppress(errors.InsufficientPrivilege), conn.transaction():
        conn.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
            "WHERE l.relation = 'migsafe.lease'::regclass AND l.mode = 'RowShareLock' AND l.granted "
            "AND a.pid <> pg_backend_pid() AND a.usename = current_user "
            "AND a.application_name = current_setting('application_name') "
            "AND a.xact_start < clock_timestamp() - interval '1 second'"
        )


def _clock(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds")


def heart_of_lease(dsn: str, rollout_id: int, token: int, settings: Settings) -> "Heartbeat":
    """A heartbeat for a lease, and for all workers that belong to its holder."""

    def give(conn: Conn) -> bool:
        if not beat(conn, rollout_id, token, settings):
            return False
        workers.beat_leading(conn, rollout_id, token, settings.lease_expiry)
        return True

    return Heartbeat(dsn, settings, give)


class Heartbeat:
    """Gives signs of life from a thread and a connection of its own, through lost connections.

    `give` gives one, and says False when it is of no use any more.
    """

    def __init__(self, dsn: str, settings: Settings, give: Callable[[Conn], bool]) -> None:
        self._dsn, self._settings, self._give = dsn, settings, give
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="migsafe-heartbeat", daemon=True)

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Beat until the block ends."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join()

    @property
    def is_beating(self) -> bool:
        """Whether it still is of use."""
        return self._thread.is_alive()

    def _run(self) -> None:
        conn: Conn | None = None
        while not self._stopped.wait(self._settings.lease_beat):
            try:
                conn = conn or self._connect()
                if not self._beat(conn):
                    break  # taken over: the next transaction sees it as well
            except (psycopg.Error, ConnectionFailed):
                if conn is not None:
                    conn.close()
                conn = None
        if conn is not None:
            conn.close()

    def _connect(self) -> Conn:
        return connect(
            self._dsn,
            timeout=self._settings.connect_timeout,
            application_name=f"{APPLICATION_NAME} heartbeat",
        )

    def _beat(self, conn: Conn) -> bool:
        with brief(conn, lock_seconds=5.0):
            return self._give(conn)
