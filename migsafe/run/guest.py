"""Works on the chunks of one backfill beside its runner, with a place in the ledger's list of workers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from migsafe.config.limits import NAMES
from migsafe.config.pace import Given
from migsafe.plan.model import BackfillStep, Plan
from migsafe.run.connect import application_name, connect
from migsafe.run.events import Notice, Observer
from migsafe.run.guard import Guard
from migsafe.run.lease import Heartbeat
from migsafe.run.ledger import workers
from migsafe.run.ledger.model import StopRequested
from migsafe.run.order import before
from migsafe.run.pace.pacer import pacing
from migsafe.run.process import this_process
from migsafe.run.reconnect import wait_for_connection
from migsafe.run.session import Line, Session, inspect_server, opened
from migsafe.run.settings import Settings
from migsafe.run.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which step of which rollout is worked on, and where."""

    dsn: str
    rollout_id: int
    plan: Plan
    step: BackfillStep
    settings: Settings
    observer: Observer


def work_on(place: Place, goes_on: Callable[[int], bool]) -> tuple[int, int]:
    """Take chunks for as long as it `goes_on`, which is asked before each with how many there were so far.

    Returns how many chunks this worker was at work on, and how many rows it changed. A request to stop, and
    a lost connection before the work began, end it as well.

    Raises:
        ConnectionFailed, RunError: There was no connection for as long as the settings say.
    """
    with _joined(place) as (session, number, heart), pacing(session, place.step.table) as pacer:
        worker = Worker(session, place.step, number, pacer)
        while heart.is_beating and goes_on(worker.chunks):
            try:
                if not worker.work():
                    _wait(session)
            except StopRequested:
                break
            except psycopg.Error as error:
                wait_for_connection(session, error)
        return worker.chunks, worker.rows


@contextmanager
def _joined(place: Place) -> Iterator[tuple[Session, int, Heartbeat]]:
    """A session of our own, the number in the list of workers, and what keeps it alive."""
    settings, rollout_id = place.settings, place.rollout_id
    name = application_name(place.plan.name)
    line = Line(connect(place.dsn, timeout=settings.connect_timeout, application_name=name))
    try:
        number = workers.join(
            line.conn, rollout_id, this_process(), token=None, expiry_seconds=settings.lease_expiry
        )
        heart = Heartbeat(place.dsn, settings, lambda conn: workers.beat(conn, number, settings.lease_expiry))
        session = Session(
            line=line,
            dsn=place.dsn,
            plan=place.plan,
            rollout_id=rollout_id,
            token=None,
            server=inspect_server(line.conn),
            settings=with_limits(settings, workers.read_limits(line.conn, rollout_id)),
            observer=place.observer,
        )
        standing = before(place.plan, place.step.stage)
        guard = Guard(place.dsn, rollout_id, None, session.settings, session.watched, session.totals)
        place.observer(opened(line.conn, place.plan, rollout_id, role="worker", stage=standing))
        place.observer(Notice(text=f"joined {place.plan.name}: {place.step.title}"))
        with heart.beating(), guard.watching():
            yield session, number, heart
        session.tell_blocked()
        if not line.conn.closed:
            workers.leave(line.conn, number)
    finally:
        line.close()


def with_limits(settings: Settings, limits: list[tuple[str, str]]) -> Settings:
    """The settings with what the runner was told about the pace of all; its own signals stay its own."""
    ours = {*NAMES, *(signal.name for signal in settings.pace.custom)}
    given = tuple(
        Given(name=name, value=value, source="the runner") for name, value in limits if name in ours
    )
    return replace(settings, pace=replace(settings.pace, given=(*settings.pace.given, *given)))


def _wait(session: Session) -> None:
    """There is no chunk to take: look who died, and look again in a moment."""
    with session.conn.transaction():
        session.limit(lock_seconds=5.0, statement_seconds=5.0)
        workers.dismiss_dead(session.conn, session.rollout_id, this_process())
    time.sleep(session.settings.join_poll)
