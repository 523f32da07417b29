"""The workers of the process that holds the lease: its main thread, and threads with own connections.

Threads, not processes: the server does the work, and Python waits for it most of the time.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg

from migsafe.errors import ConnectionFailed
from migsafe.plan.model import BackfillStep
from migsafe.run.connect import application_name, connect
from migsafe.run.events import Event
from migsafe.run.ledger import chunks, workers
from migsafe.run.ledger.model import StopRequested
from migsafe.run.pace.limits import with_run_settings
from migsafe.run.pace.pacer import Pacer
from migsafe.run.process import this_process
from migsafe.run.reconnect import wait_for_connection
from migsafe.run.session import Line, Session
from migsafe.run.worker import Worker

_IDLE_SECONDS = 0.1


class Crew:
    """The main thread's own worker, and its helpers."""

    def __init__(self, session: Session, step: BackfillStep, numbers: list[int]) -> None:
        self._observer = session.observer
        self.session, self._step = replace(session, observer=self.emit), step
        self._stopped = threading.Event()
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self.number, *self._others = numbers

    @contextmanager
    def working(self, pacer: Pacer) -> Iterator[None]:
        """Let the helpers work until the block ends."""
        threads = [
            threading.Thread(
                target=self._help, args=(number, pacer), name=f"migsafe-worker-{number}", daemon=True
            )
            for number in self._others
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def emit(self, event: Event) -> None:
        """Tell the observer, one thread at a time."""
        with self._lock:
            self._observer(event)

    def check(self) -> None:
        """Raise what made a helper fail."""
        if self._failure is not None:
            raise self._failure

    def _help(self, number: int, pacer: Pacer) -> None:
        try:
            conn = connect(
                self.session.dsn,
                timeout=self.session.settings.connect_timeout,
                application_name=application_name(self.session.plan.name),
            )
            line = Line(conn)
            try:
                session = replace(self.session, line=line, seat=f"worker {number}")
                self._work(Worker(session, self._step, number, pacer.beside(session)))
            finally:
                line.close()
        except _Stopped:
            pass
        except StopRequested:
            pass  # the main thread is told the same, and answers
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            self._failure = error

    def _work(self, worker: Worker) -> None:
        worker.tell = self._stop_if_asked
        while not self._stopped.is_set():
            try:
                if not worker.work():
                    self._stopped.wait(_IDLE_SECONDS)
            except psycopg.Error as error:
                if self._stopped.is_set():
                    return
                wait_for_connection(worker.session, error)

    def _stop_if_asked(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


class _Stopped(Exception):
    """The main thread is done, or failed: control flow between two batches."""


@contextmanager
def crew(session: Session, step: BackfillStep) -> Iterator[Crew]:
    """The crew of this process, entered in the ledger; those of former runners are taken off it.

    Raises:
        Fenced: Somebody took the rollout over.
    """
    settings, here = session.settings, this_process()
    pace = with_run_settings(
        settings.pace, batch_seconds=settings.batch_seconds, rows=settings.max_rows_per_second
    )
    with session.transaction():
        workers.dismiss_leading(session.conn, session.rollout_id)
        workers.dismiss_dead(session.conn, session.rollout_id, here)
        chunks.reopen(session.conn, session.rollout_id, step.id)
        numbers = [
            workers.join(
                session.conn,
                session.rollout_id,
                here,
                token=session.token,
                limits=[(given.name, given.value) for given in pace.given],
                expiry_seconds=settings.lease_expiry,
            )
            for _ in range(max(1, settings.workers))
        ]
    made = Crew(session, step, numbers)
    try:
        yield made
    finally:
        # Without a connection they expire by themselves, or the next runner takes them off.
        with suppress(psycopg.Error, ConnectionFailed):
            for number in numbers:
                workers.leave(session.conn, number)


def wait_for_others(session: Session, tell: Callable[[], None]) -> None:
    """Nothing is left to take, but others are still at work: give them a moment."""
    tell()
    time.sleep(_IDLE_SECONDS)
    session.check()
    with session.conn.transaction():
        session.limit(lock_seconds=5.0, statement_seconds=5.0)
        workers.dismiss_dead(session.conn, session.rollout_id, this_process())
