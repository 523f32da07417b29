"""A process that joins rollouts as a worker, through the ledger alone: `migsafe work`.

It does chunks of backfills and nothing else, so it needs no lease. If it `leads`, it also follows a runner
that died in the middle of a backfill, as far as the stage `backfilled`; all that comes after is for a person
or for another `migsafe run`.
"""

import time
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from migsafe.errors import ConnectionFailed, LeaseHeld
from migsafe.plan.model import BackfillStep, Plan
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import read_plan
from migsafe.run.connect import Conn, connect
from migsafe.run.events import Notice, Observer, Waiting, ignore
from migsafe.run.guest import Place, with_limits, work_on
from migsafe.run.lease import read_holder
from migsafe.run.ledger import chunks, workers
from migsafe.run.ledger.model import Rollout, State, StepState, StopRequested
from migsafe.run.ledger.rollouts import list_rollouts, read_rollout
from migsafe.run.ledger.steps import read_steps
from migsafe.run.process import is_surely_dead, this_process
from migsafe.run.reconnect import is_lost
from migsafe.run.runner import hold
from migsafe.run.settings import Settings

_OVER = (State.DONE, State.REVERTED, State.REVERTING, State.RETREATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """How it ended: whether all was done, and what this worker did of it."""

    done: bool  # False: there was nothing to do for the time that was given
    chunks: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A step that has chunks to do."""

    rollout: Rollout
    plan: Plan
    step: BackfillStep


def join(
    dsn: str,
    name: str | None,
    *,
    settings: Settings | None = None,
    observer: Observer = ignore,
    idle_seconds: float | None = None,
    leads: bool = False,
) -> Joined:
    """Work on the rollout of this name, or on all of the database, until there is nothing left to backfill.

    A rollout that has not begun, or is paused, is waited for; for ever, unless there is a limit.

    Raises:
        ConnectionFailed, RunError: There was no connection for as long as the settings say.
        LedgerMismatch: The ledger is newer than this program.
    """
    return _Guest(dsn, name, settings or Settings(), observer, idle_seconds, leads=leads).run()


class _Guest:
    """One process that joined."""

    def __init__(
        self,
        dsn: str,
        name: str | None,
        settings: Settings,
        observer: Observer,
        idle_seconds: float | None,
        *,
        leads: bool,
    ) -> None:
        self._dsn, self._name, self._settings, self._observer = dsn, name, settings, observer
        self._idle_seconds, self._leads = idle_seconds, leads
        self._chunks = self._rows = 0
        self._busy = time.monotonic()
        self._is_waiting = False
        self._lost_since: float | None = None

    def run(self) -> Joined:
        """Work until there is nothing left, or the patience is at an end."""
        while True:
            with self._connect() as conn:
                done = self._look(conn)
            if done or self._is_idle_for_too_long():
                return Joined(done=done, chunks=self._chunks, rows=self._rows)

    def _look(self, conn: Conn) -> bool:
        """Do what there is to do; True when nothing is left and nothing will come."""
        try:
            while not self._is_idle_for_too_long():
                found = self._rollouts(conn)
                orphan = self._orphan(conn, found) if self._leads else None
                if orphan is not None:
                    self._lead(conn, orphan)
                    continue
                task = next(filter(None, (_task(conn, rollout) for rollout in found)), None)
                if task is not None:
                    self._work_on(conn, task)
                elif found and all(_is_over(conn, rollout) for rollout in found):
                    return True
                else:
                    self._wait()
        except ConnectionFailed as error:
            self._look_again(error)
        except psycopg.Error as error:
            if not (conn.closed or is_lost(error)):
                raise
            self._look_again(error)
        return False

    def _look_again(self, error: Exception) -> None:
        """One of our connections was lost, or could not be made: begin anew, but not for ever."""
        self._lost_since = now = self._lost_since or time.monotonic()
        if time.monotonic() - now > self._settings.reconnect_seconds:
            raise error
        time.sleep(self._settings.join_poll)

    def _rollouts(self, conn: Conn) -> tuple[Rollout, ...]:
        if self._name is None:
            return list_rollouts(conn)
        found = read_rollout(conn, self._name)
        return () if found is None else (found,)

    def _wait(self) -> None:
        self._lost_since = None
        if not self._is_waiting:
            self._observer(Waiting(reason="nothing to do yet: waiting for chunks"))
            self._is_waiting = True
        time.sleep(self._settings.join_poll)

    def _is_idle_for_too_long(self) -> bool:
        limit = self._idle_seconds
        return limit is not None and time.monotonic() - self._busy > limit

    def _connect(self) -> Conn:
        """A connection, for which a server that is just starting again is waited for."""
        ends = time.monotonic() + self._settings.reconnect_seconds
        while True:
            try:
                return connect(self._dsn, timeout=self._settings.connect_timeout)
            except ConnectionFailed:
                if time.monotonic() > ends:
                    raise
            time.sleep(self._settings.join_poll)

    def _work_on(self, looking: Conn, task: _Task) -> None:
        """Take chunks of the step for as long as it has any, or may get new ones."""
        self._is_waiting = False
        before = 0

        def goes_on(so_far: int) -> bool:
            nonlocal before
            self._lost_since = None
            if so_far > before:
                before, self._busy = so_far, time.monotonic()
            if self._is_idle_for_too_long():
                return False
            rollout = read_rollout(looking, task.rollout.name)
            if rollout is None or _running_backfill(looking, rollout) != task.step.id:
                return False
            return not (self._leads and self._orphan(looking, (rollout,)))

        place = Place(
            dsn=self._dsn,
            rollout_id=task.rollout.id,
            plan=task.plan,
            step=task.step,
            settings=self._settings,
            observer=self._observer,
        )
        with suppress(StopRequested):
            taken, rows = work_on(place, goes_on)
            self._chunks += taken
            self._rows += rows

    def _orphan(self, conn: Conn, found: tuple[Rollout, ...]) -> Rollout | None:
        """A rollout whose runner died in a backfill without giving its lease back."""
        for rollout in found:
            holder = read_holder(conn, rollout.id)
            if holder is None or (holder.alive and not is_surely_dead(holder.process, here=this_process())):
                continue
            if _running_backfill(conn, rollout) is not None:
                return rollout
        return None

    def _lead(self, conn: Conn, rollout: Rollout) -> None:
        """Do what the runner that died would have done, at the pace that it was told."""
        plan = read_plan(rollout.plan, file="the ledger")
        settings = with_limits(self._settings, workers.read_limits(conn, rollout.id))
        self._observer(Notice(text=f"the runner of {rollout.name} is gone: leading its backfill from here"))
        try:
            with hold(plan, self._dsn, observer=self._observer, settings=settings, resumes=False) as runner:
                runner.advance(Stage.BACKFILLED)
        except (LeaseHeld, StopRequested):
            time.sleep(self._settings.join_poll)
            return
        self._busy = time.monotonic()
        self._observer(Notice(text=f"backfilled: go on with `migsafe run {rollout.name}`"))


def _task(conn: Conn, rollout: Rollout) -> _Task | None:
    """What there is to do for a worker, or soon will be."""
    step_id = _running_backfill(conn, rollout)
    if step_id is None or not chunks.exist(conn):
        return None
    plan = read_plan(rollout.plan, file="the ledger")
    step = next((step for step in plan.steps if step.id == step_id), None)
    if not isinstance(step, BackfillStep) or step_id not in chunks.read_sums(conn, rollout.id):
        return None
    return _Task(rollout=rollout, plan=plan, step=step)


def _running_backfill(conn: Conn, rollout: Rollout) -> str | None:
    """The backfill step that is being done now; None when there is none, or somebody asked to stop."""
    if rollout.request is not None or rollout.state not in (State.RUNNING, State.WAITING):
        return None
    rows = read_steps(conn, rollout.id)
    kinds = (row.id for row in rows if row.kind == BackfillStep.__name__ and row.state is StepState.RUNNING)
    return next(kinds, None)


def _is_over(conn: Conn, rollout: Rollout) -> bool:
    """Whether no worker is needed any more."""
    backfills = [row for row in read_steps(conn, rollout.id) if row.kind == BackfillStep.__name__]
    return rollout.state in _OVER or all(row.state is StepState.DONE for row in backfills)
