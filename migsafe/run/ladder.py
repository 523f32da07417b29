"""Strong locks without a queue behind us: short attempts, each with one deadline for all it does.

A waiting ACCESS EXCLUSIVE lock stops everybody who comes after it. So an attempt gives up soon, and
sooner than deadlock_timeout: in a deadlock with the application it is we who go, before the server
looks for a victim.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from psycopg import errors, sql
from psycopg.pq import TransactionStatus

from migsafe.effects.model import Lock
from migsafe.errors import LockTimeout
from migsafe.run.blockers import Blocker, find_blockers
from migsafe.run.ender import Policy
from migsafe.run.events import InTheWay, LockRetry
from migsafe.run.reconnect import persist
from migsafe.run.session import Session
from migsafe.run.watched import MAIN

Result = TypeVar("Result")

_GROWTH = 1.25
_POLL_SECONDS = 0.1
_RETRYABLE = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


class OutOfTimeError(Exception):
    """The deadline of an attempt passed between two of its statements."""


class Deadline:
    """The time that one attempt has for all its locks and statements together."""

    def __init__(self, session: Session, seconds: float) -> None:
        self._session, self._seconds = session, seconds
        self._patient = False
        self._ends = time.monotonic() + seconds

    def apply(self, *, patient: bool = False) -> None:
        """Give the next statement what remains; a patient one may work for as long as it takes.

        Raises:
            OutOfTimeError: Nothing remains.
        """
        remaining = self._ends - time.monotonic()
        if remaining <= 0:
            raise OutOfTimeError
        self._patient = patient
        self._session.watched.be_patient(MAIN, patient=patient)
        self._session.limit(lock_seconds=remaining, statement_seconds=None if patient else remaining)

    def restart(self) -> None:
        """Begin again, after a statement that could take as long as it liked."""
        self._ends = time.monotonic() + self._seconds

    def caused(self, error: errors.QueryCanceled) -> bool:
        """Whether the statement was cancelled because its time was over, and not by a person."""
        del error
        return not self._patient and time.monotonic() >= self._ends - 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """What an attempt is for, and which locks it will ask for."""

    step: str
    title: str
    locks: Sequence[Lock]


def climb(session: Session, what: Climb, work: Callable[[Deadline], Result]) -> Result:
    """Do the work in one transaction that holds the lease, trying again while its locks are not free.

    Raises:
        LockTimeout: The last attempt failed as well; nothing was changed.
        StopRequested: Somebody asked us to stop between two attempts.
    """
    settings = session.settings
    seconds, pause, over_vacuum = settings.lock_first, settings.retry_first, False
    blockers: tuple[Blocker, ...] = ()
    policy = Policy(session, what.step)
    _look_first(session, what)
    for attempt in range(1, settings.lock_attempts + 1):
        wait = pause if attempt > 1 else 0.0
        persist(session, partial(_wait_for_gap, session, what, wait))
        try:
            return _attempt(session, what, work, seconds=seconds, over_vacuum=over_vacuum)
        except (*_RETRYABLE, OutOfTimeError):
            blockers = persist(session, lambda: find_blockers(session.conn, what.locks)) or blockers
        persist(session, partial(policy.apply, blockers))
        over_vacuum = bool(blockers) and all(blocker.gives_way for blocker in blockers)
        seconds = min(seconds * _GROWTH, settings.lock_last, session.server.deadlock_seconds * 0.8)
        pause = min(pause * 2, settings.retry_last)
        session.emit(
            LockRetry(
                step=what.step,
                attempt=attempt,
                attempts=settings.lock_attempts,
                wait_seconds=pause,
                blockers=tuple(map(str, blockers)),
            )
        )
    raise _gave_up(session, what, blockers)


def _look_first(session: Session, what: Climb) -> None:
    """Tell who would make us wait, before anybody has to wait behind us."""
    blockers = persist(session, lambda: find_blockers(session.conn, what.locks))
    old = tuple(str(blocker) for blocker in blockers if blocker.transaction_seconds > _POLL_SECONDS)
    if old:
        session.emit(InTheWay(step=what.step, blockers=old))


def _attempt(
    session: Session,
    what: Climb,
    work: Callable[[Deadline], Result],
    *,
    seconds: float,
    over_vacuum: bool,
) -> Result:
    deadline = Deadline(session, min(seconds, session.server.deadlock_seconds * 0.8))
    try:
        with session.conn.transaction(), session.guarded():
            deadline.apply()
            session.fence()
            if over_vacuum:
                _push_vacuum_aside(session, what.locks)
                deadline.restart()
            return work(deadline)
    except errors.QueryCanceled as error:
        if session.gave_way() or deadline.caused(error):
            raise OutOfTimeError from error
        raise
    finally:
        end_transaction(session)


def end_transaction(session: Session) -> None:
    """Leave no transaction open: what little time an attempt had left may have cancelled its own ROLLBACK.

    The server has aborted it then, and with that taken back the timeouts that held for it.
    """
    open_ones = (TransactionStatus.INTRANS, TransactionStatus.INERROR)
    if session.conn.info.transaction_status in open_ones:
        session.conn.rollback()


def _push_vacuum_aside(session: Session, locks: Sequence[Lock]) -> None:
    """Wait for one lock until PostgreSQL cancels the autovacuum that holds it, just after deadlock_timeout.

    The weakest lock that a vacuum is in the way of: nobody's reads and writes queue up behind it meanwhile.
    We hold no other table while we wait, so this cannot be a deadlock with the application.
    https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
    """
    seconds = session.server.deadlock_seconds + 0.3
    strongest = max(locks, key=lambda lock: lock.mode)
    session.limit(lock_seconds=seconds, statement_seconds=seconds)
    session.conn.execute(
        sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(
            sql.SQL(strongest.relation.sql),  # quoted by Name
        )
    )


def _wait_for_gap(session: Session, what: Climb, seconds: float) -> None:
    """Wait, at least for a moment and at most for about this long, until nobody holds what we need."""
    session.check()
    jittered = seconds * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret about a pause
    ends = time.monotonic() + jittered
    least = time.monotonic() + min(jittered, _POLL_SECONDS)
    while (now := time.monotonic()) < ends:
        if now >= least and not any(
            blocker.transaction_seconds > _POLL_SECONDS for blocker in find_blockers(session.conn, what.locks)
        ):
            return
        time.sleep(min(_POLL_SECONDS, ends - now))
        session.check()


def _gave_up(session: Session, what: Climb, blockers: Sequence[Blocker]) -> LockTimeout:
    tables = ", ".join(sorted({str(lock.relation) for lock in what.locks}))
    held = "\n".join(f"  {blocker}" for blocker in blockers) or "  (nobody any more when we looked)"
    return LockTimeout(
        f"'{what.title}' did not get its locks on {tables} in {session.settings.lock_attempts} attempts; "
        f"nothing of it was applied. Held by:\n{held}",
        advice="End those transactions or wait for them, then run the same command again: it goes on here.",
    )
