"""Blocked by us: nobody of the application waits for our statements longer than the budget.

A second connection looks ten times a second, while we are in a transaction, who waits for us. Somebody who
would have waited longer than the budget by the next look gets our statement cancelled, and the work is tried
again later. The time that was waited is added up in the ledger; waits between two looks are not seen.

What may take hours (VALIDATE, CONCURRENTLY) holds locks that let reads and writes through. It gives way to
them at once all the same, if they wait behind a third one who waits for us, but only if that lets them go on;
not to other DDL, VACUUM or index builds, which can wait; to a vacuum that prevents wraparound after a minute.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import psycopg

from migsafe.errors import ConnectionFailed
from migsafe.run.connect import APPLICATION_NAME, Conn, connect, is_pooled
from migsafe.run.events import GaveWay
from migsafe.run.ledger.blocked import Blocked, add_blocked
from migsafe.run.settings import Settings
from migsafe.run.totals import Totals
from migsafe.run.waits import Wait, held_up, only_ours, read_waits
from migsafe.run.watched import Backend, Watched

POLL_SECONDS = 0.1
_RECORD_SECONDS = 1.0
_AGAIN_SECONDS = 1.0  # between two attempts to connect
_FAREWELL_SECONDS = 2.0
_IDLE_LOOKS = 10


def must_give_way(
    waits: Sequence[Wait], wait: Wait, backend: Backend, *, seconds: float, settings: Settings
) -> bool:
    """Whether somebody who has waited so long for our process is not to wait until the next look."""
    soon = seconds + POLL_SECONDS
    if not backend.patient:
        return soon >= settings.blocked_budget
    if not only_ours(waits, wait, backend.pid):
        return False
    if wait.wraparound:
        return soon >= settings.blocked_vacuum_seconds
    return wait.is_traffic and soon >= settings.blocked_budget


class Account:
    """Adds up what is seen of the waiting, look by look."""

    def __init__(self) -> None:
        self.total = Blocked()
        self.unwritten = Blocked()
        self._seen: dict[int, float] = {}

    def see(self, waits: Sequence[tuple[Wait, float]]) -> None:
        """Take in who waits now, and for how many seconds for us."""
        before, self._seen = self._seen, {}
        for wait, seconds in waits:
            known = before.get(wait.pid)
            is_same = known is not None and seconds >= known
            self._seen[wait.pid] = seconds
            self._add(
                Blocked(
                    seconds=seconds - known if is_same and known is not None else seconds,
                    longest_seconds=seconds,
                    waits=0 if is_same else 1,
                    last_waiter=str(wait),
                )
            )

    def count_gave_way(self) -> None:
        """One more statement was cancelled."""
        self._add(Blocked(gave_way=1))

    def _add(self, more: Blocked) -> None:
        self.total, self.unwritten = (_sum(each, more) for each in (self.total, self.unwritten))


def _sum(one: Blocked, more: Blocked) -> Blocked:
    return replace(
        one,
        seconds=one.seconds + more.seconds,
        longest_seconds=max(one.longest_seconds, more.longest_seconds),
        waits=one.waits + more.waits,
        gave_way=one.gave_way + more.gave_way,
        last_waiter=more.last_waiter or one.last_waiter,
    )


class Seat:
    """A place at the server behind a pooler, kept while there is work.

    Sessions that wait for us fill the pool: then a look that had to queue up for a place would come too late.
    So a transaction stays open between two looks, a new one after each: it holds no snapshot and no locks.
    """

    def __init__(self, pooled: Conn | None = None) -> None:
        """Without a pooler there is nothing to keep."""
        self._conn = pooled
        self._is_taken, self._idle_looks = False, 0

    def take(self) -> None:
        """Begin, unless the place is taken already."""
        self._idle_looks = 0
        if self._conn is not None and not self._is_taken:
            self._conn.execute("BEGIN")
            self._is_taken = True

    def keep(self) -> None:
        """End the transaction and begin the next one, on the same place."""
        if self._conn is not None and self._is_taken:
            self._conn.execute("COMMIT AND CHAIN")

    def leave_when_idle(self) -> None:
        """Give the place back after a second without work."""
        self._idle_looks += 1
        if self._idle_looks >= _IDLE_LOOKS:
            self.leave()

    def leave(self) -> None:
        """Give the place back."""
        if self._conn is not None and self._is_taken:
            self._is_taken = False
            self._conn.execute("COMMIT")


class Guard:
    """Watches what one runner does, from a thread and a connection of its own, through lost connections.

    While it has no connection the work goes on: its own timeouts bound it.
    """

    def __init__(
        self,
        dsn: str,
        rollout_id: int,
        token: int | None,
        settings: Settings,
        watched: Watched,
        totals: Totals | None = None,
    ) -> None:
        self._dsn = settings.direct_dsn or dsn
        self._rollout_id, self._token = rollout_id, token
        self._settings, self._watched = settings, watched
        self._account, self._totals = Account(), totals or Totals()
        self._recorded_at = 0.0
        self._seat = Seat()
        self._stopped = threading.Event()
        # A daemon, and not waited for for ever: the process can always end.
        self._thread = threading.Thread(target=self._run, name="migsafe-guard", daemon=True)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch until the block ends."""
        self._thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            self._thread.join(_FAREWELL_SECONDS)

    def _run(self) -> None:
        conn: Conn | None = None
        while not self._stopped.wait(POLL_SECONDS):
            try:
                if not self._watched.has_stirred() and self._account.unwritten == Blocked():
                    self._seat.leave_when_idle()
                    continue
                conn = conn or self._connect()
                self._seat.take()
                self._look(conn)
                if time.monotonic() - self._recorded_at >= _RECORD_SECONDS:
                    self._record(conn)
                self._seat.keep()
            except (psycopg.Error, ConnectionFailed):
                if conn is not None:
                    conn.close()
                conn = None
                self._stopped.wait(_AGAIN_SECONDS)
        with contextlib.suppress(psycopg.Error, ConnectionFailed):
            self._seat.leave()
            if self._account.unwritten != Blocked():
                conn = conn or self._connect()
                self._record(conn)
        if conn is not None:
            conn.close()

    def _connect(self) -> Conn:
        conn = connect(
            self._dsn,
            timeout=self._settings.connect_timeout,
            application_name=f"{APPLICATION_NAME} guard",
        )
        self._seat = Seat(conn if is_pooled(conn) else None)
        return conn

    def _look(self, conn: Conn) -> None:
        at_work = self._watched.at_work()
        waits = read_waits(conn) if at_work else ()
        own = {backend.pid for backend in at_work.values()}
        seen: dict[int, tuple[Wait, float]] = {}
        for name, backend in at_work.items():
            behind = [
                (wait, min(wait.seconds, time.monotonic() - backend.since))
                for wait in held_up(waits, backend.pid)
                if wait.matters and wait.pid not in own
            ]
            seen |= {wait.pid: (wait, seconds) for wait, seconds in behind}
            late = [
                (wait, seconds)
                for wait, seconds in behind
                if must_give_way(waits, wait, backend, seconds=seconds, settings=self._settings)
            ]
            if late:
                self._give_way(conn, name, backend, late)
        self._account.see(tuple(seen.values()))
        self._totals.blocked = self._account.total

    def _give_way(self, conn: Conn, name: str, backend: Backend, late: Sequence[tuple[Wait, float]]) -> None:
        why = GaveWay(
            waiters=tuple(str(wait) for wait, _ in late),
            seconds=max(seconds for _, seconds in late),
            total_seconds=self._account.total.seconds,
        )

        def cancel() -> None:
            conn.execute("SELECT pg_cancel_backend(%s)", (backend.pid,))

        if self._watched.cancel(name, backend, cancel, why):
            self._account.count_gave_way()

    def _record(self, conn: Conn) -> None:
        self._recorded_at = time.monotonic()
        more = self._account.unwritten
        if more != Blocked():
            add_blocked(conn, self._rollout_id, self._token, more)
            self._account.unwritten = Blocked()


class Onlooker(Guard):
    """The same for work that no ledger knows of: gives way, and keeps no account."""

    def __init__(self, dsn: str, settings: Settings, watched: Watched) -> None:
        super().__init__(dsn, 0, None, settings, watched)

    def _record(self, conn: Conn) -> None:
        del conn
        self._account.unwritten = Blocked()
