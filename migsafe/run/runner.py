"""The right to act on one rollout, and everything that may be done with it."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from migsafe.errors import ConnectionFailed, RunError, StateRefused
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.run import ddl, pinning
from migsafe.run.again import Patrol, prove_again
from migsafe.run.connect import application_name, connect
from migsafe.run.events import Observer, Waiting, ignore
from migsafe.run.execute import run_step, undo_step
from migsafe.run.guard import Guard
from migsafe.run.intact import require_intact
from migsafe.run.lease import heart_of_lease, release
from migsafe.run.ledger import rollouts, steps
from migsafe.run.ledger.install import install
from migsafe.run.ledger.model import Request, Rollout, State, StepRow, StepState
from migsafe.run.order import before, stages_of
from migsafe.run.reconnect import LOST, Loss, lose, persist
from migsafe.run.session import Line, Session, inspect_server, opened
from migsafe.run.settings import Settings
from migsafe.run.way_back import require_way_back

_SLICE_SECONDS = 0.25
_POINT_OF_NO_RETURN = Stage.DROPPED

Result = TypeVar("Result")


@contextmanager
def hold(
    plan: Plan,
    dsn: str,
    *,
    observer: Observer = ignore,
    settings: Settings | None = None,
    resumes: bool = True,
) -> Iterator["Runner"]:
    """Connect, make the ledger current, pin the plan, and hold its lease until the block ends.

    A request to pause is taken back by this: whoever runs the rollout wants it to go on, unless it `resumes`
    nothing and only follows a runner that died. Other requests stay; answer them with `Runner.accept`, or put
    them aside.

    Raises:
        ConnectionFailed: The database cannot be reached.
        LeaseHeld: Somebody alive runs this rollout.
        LedgerMismatch: The ledger is newer than this program, or holds another plan of this name.
    """
    settings = settings or Settings()
    with ExitStack() as stack:
        line = Line(
            connect(dsn, timeout=settings.connect_timeout, application_name=application_name(plan.name))
        )
        stack.callback(line.close)
        install(line.conn)
        pinned = pinning.pin_and_acquire(line.conn, plan, settings, resumes=resumes)
        stack.callback(_give_back, line, dsn, pinned)
        stack.enter_context(heart_of_lease(dsn, pinned.rollout_id, pinned.token, settings).beating())
        session = Session(
            line=line,
            dsn=dsn,
            plan=plan,
            rollout_id=pinned.rollout_id,
            token=pinned.token,
            server=inspect_server(line.conn),
            settings=settings,
            observer=observer,
        )
        guard = Guard(dsn, pinned.rollout_id, pinned.token, settings, session.watched, session.totals)
        stack.callback(session.tell_blocked)
        stack.enter_context(guard.watching())
        runner = Runner(session, left_over=pinned.left_over)
        session.emit(opened(line.conn, plan, pinned.rollout_id, role="runner", stage=runner.rollout().stage))
        yield runner


def _give_back(line: Line, dsn: str, pinned: pinning.Pinned) -> None:
    with suppress(psycopg.Error, ConnectionFailed):  # without a connection the lease expires by itself
        if line.conn.info.transaction_status is TransactionStatus.IDLE:
            release(line.conn, pinned.rollout_id, pinned.token)
            return
        line.conn.close()  # it was lost, or interrupted in the middle of something
        with connect(dsn, timeout=2.0) as fresh:
            release(fresh, pinned.rollout_id, pinned.token)


class Runner:
    """Acts on one rollout. Made by hold(); every method checks the lease in the transaction it commits.

    A connection that is lost meanwhile is made again, for as long as the settings say; what had been
    committed by then is read from the ledger. When that fails, all of them raise RunError.
    """

    def __init__(self, session: Session, *, left_over: Request | None = None) -> None:
        self._session = session
        self.left_over = left_over  # what was asked before this runner came, and not answered by then
        self.plan = session.plan
        self.observer = session.observer
        self._loss: Loss | None = None
        self._patrol = Patrol(session)

    @property
    def session(self) -> Session:
        """The connection and the lease, for gates that ask the database."""
        return self._session

    def rollout(self) -> Rollout:
        """The rollout as the ledger has it now."""
        found = self._persist(lambda: rollouts.read_rollout(self._session.conn, self.plan.name))
        if found is None:
            raise RunError(f"the rollout '{self.plan.name}' is gone from the ledger")
        return found

    def in_stage(self) -> timedelta:
        """How long the rollout has been in its stage, by the server's clock."""
        row = self._persist(lambda: self._session.conn.execute("SELECT clock_timestamp()").fetchone())
        now: datetime = row[0] if row else datetime.now(UTC)
        return now - self.rollout().stage_at

    def data_point_passed_at(self) -> datetime | None:
        """When a value was first written that the old shape cannot hold; None while there is none."""
        return self._persist(lambda: rollouts.first_unrepresentable(self._session.conn, self.plan.name))

    def require_intact(self) -> None:
        """Make sure that the versions see each other's writes.

        Raises:
            StateRefused: A trigger that sees to it was dropped or disabled by somebody.
        """
        self._persist(lambda: require_intact(self._session))

    def advance(self, stage: Stage) -> None:
        """Run the schema steps that lead to this stage, from where they stand. Reached already: do nothing.

        Raises:
            StateRefused: This stage does not come next.
            RunError: A step failed; run it again to go on with it.
            VerificationFailed: Before the old shape is taken away: rows are not right.
            StopRequested: Somebody asked us to stop.
        """
        current = self.rollout().stage
        if current is stage:
            return
        if stage not in stages_of(self.plan) or before(self.plan, stage) is not current:
            raise StateRefused(
                f"the rollout '{self.plan.name}' stands in stage '{current}': '{stage}' does not come next",
                advice=f"The stages of this plan: {', '.join(stages_of(self.plan))}.",
            )
        todo = self.plan.steps_to(stage)
        if stage is Stage.TOMBSTONED and not self._left_something(stage):
            self.require_intact()  # which says more than rows that differ
            self._persist(lambda: prove_again(self._session))
        for step in todo:
            run_step(self._session, step, reaches=stage if step is todo[-1] else None)
        if self.rollout().stage is not stage:
            self.enter(stage)

    def undo(self, stage: Stage) -> None:
        """Take back what was done of this stage, newest first; the rollout then stands in the stage before.

        The lower stage is recorded with the first thing taken back. It also works for a stage that was
        begun and never reached (`Rollout.furthest` names it), and goes on after a crash.

        Raises:
            StateRefused: A later stage must be taken back first, or this one cannot be.
            RunError: A step could not be taken back; run it again to go on.
        """
        furthest = self.rollout().furthest
        if stage is _POINT_OF_NO_RETURN and self._left_something(stage):
            raise StateRefused(
                f"the rollout '{self.plan.name}' has dropped the old shape: that cannot be taken back",
                advice="Restore from a backup, or write a new migration that goes back.",
            )
        if furthest.position > stage.position:
            raise StateRefused(
                f"the rollout '{self.plan.name}' has come as far as '{furthest}': that must be taken back "
                f"before '{stage}'",
                advice="`migsafe revert` takes all of it back, newest first.",
            )
        self._persist(lambda: require_way_back(self._session))
        lower = before(self.plan, stage)
        for step in reversed(self.plan.steps_to(stage)):
            undo_step(self._session, step, falls_to=lower if self.rollout().stage is stage else None)
        if self.rollout().stage is stage:
            self.enter(lower)

    def patrol(self) -> None:
        """While traffic runs: read one window of what must still be equal, if it is time to.

        A lost connection is for `look` to see: nobody waits for it here.

        Raises:
            VerificationFailed: At the end of a pass: rows are not right.
        """
        with suppress(psycopg.Error):
            self._patrol.look()

    def _left_something(self, stage: Stage) -> bool:
        """Whether a step of this stage was done, not only tried."""
        return any(row.stage is stage and row.state is StepState.DONE for row in self._steps())

    def enter(self, stage: Stage) -> None:
        """Record a stage whose schema is there already: all steps up to it done, none of a later one begun.

        Raises:
            StateRefused: The schema is not that of this stage.
        """
        session = self._session
        order = {step.id: step.stage.position for step in self.plan.steps}
        for row in self._steps():
            reached = order[row.id] <= stage.position
            if (row.state is StepState.DONE) != reached or (
                not reached and row.state is not StepState.PENDING
            ):
                raise StateRefused(
                    f"the rollout '{self.plan.name}' cannot be in stage '{stage}': the step '{row.title}' "
                    f"is {row.state}",
                    advice="`migsafe run` goes on with it, `migsafe revert` takes it back.",
                )
        if self.rollout().stage is stage:
            return
        seconds = 0.0

        def write() -> None:
            nonlocal seconds
            seconds = rollouts.set_stage(session.conn, session.rollout_id, stage)

        self._commit(write, is_there=lambda: self.rollout().stage is stage)
        ddl.report_stage(session, stage, seconds)

    def intend_traffic(self, green_percent: int) -> None:
        """Record the share of green that the provider is about to be asked for."""
        self._update({"intended_green_percent": green_percent}, "traffic intended")

    def confirm_traffic(self, green_percent: int) -> None:
        """Record the share of green that the provider confirmed."""
        self._update({"green_percent": green_percent}, "traffic confirmed")

    def set_state(self, state: State, reason: str = "") -> None:
        """Record what is going on, and why."""
        self._update({"state": state, "reason": reason}, "state")

    def accept(self, request: Request, state: State, reason: str = "") -> None:
        """Answer a request: it is cleared, and the state says what is done about it, in one transaction."""
        self._update({"state": state, "reason": reason, "request": None}, f"{request} accepted")

    def put_aside(self, request: Request, reason: str) -> None:
        """Clear a request that is not done, in this state or by this command."""
        self._append(
            f"{request} put aside",
            {"reason": reason},
            lambda: rollouts.update_rollout(self._session.conn, self._session.rollout_id, {"request": None}),
        )

    def check(self) -> None:
        """Look whether the work may go on; cheap enough to be asked often.

        Raises:
            StopRequested: Somebody asked us to stop, from another terminal.
            Fenced: Somebody took the rollout over.
        """
        self._persist(self._session.check)

    def look(self) -> bool:
        """Like check(), for who has other things to watch: False while the connection is lost, at once.

        Ask again soon: each time it tries to connect.

        Raises:
            StopRequested: Somebody asked us to stop, from another terminal.
            Fenced: Somebody took the rollout over.
            RunError: The connection has been lost for too long.
        """
        if self._loss is None or not self._session.conn.closed:
            self._loss = None
            try:
                self._session.check()
            except psycopg.Error as error:
                self._loss = lose(self._session, error)
            else:
                return True
        return self._loss.is_repaired()

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """In this block a lost connection is an error at once (psycopg.Error): something is more urgent."""
        line = self._session.line
        former, line.is_waited_for = line.is_waited_for, False
        try:
            yield
        finally:
            line.is_waited_for = former

    def wait(self, seconds: float, reason: str) -> None:
        """Sleep, ready to stop at any time.

        Raises:
            StopRequested: Somebody asked us to stop, from another terminal.
            Fenced: Somebody took the rollout over.
        """
        self.observer(Waiting(reason=reason, seconds=seconds))
        ends = time.monotonic() + seconds
        self.check()
        while (remaining := ends - time.monotonic()) > 0:
            time.sleep(min(_SLICE_SECONDS, remaining))
            self.check()

    def audit(self, event: str, detail: Mapping[str, object]) -> None:
        """Append a line to the audit trail."""
        self._append(event, detail, lambda: None)

    def _update(self, values: dict[str, object], event: str) -> None:
        detail = {key: value for key, value in values.items() if value not in ("", None)}
        session = self._session
        self._append(event, detail, lambda: rollouts.update_rollout(session.conn, session.rollout_id, values))

    def _append(self, event: str, detail: Mapping[str, object], write: Callable[[], None]) -> None:
        """Write something, and the line about it."""
        session = self._session

        def both() -> None:
            write()
            rollouts.add_audit(session.conn, session.rollout_id, event, detail)

        def is_there() -> bool:
            lines = rollouts.read_audit(session.conn, session.rollout_id, last=10)
            last = next((line for line in reversed(lines) if line.event != LOST), None)
            return last is not None and (last.event, last.detail) == (event, json.loads(json.dumps(detail)))

        self._commit(both, is_there=is_there)

    def _commit(self, write: Callable[[], None], *, is_there: Callable[[], bool]) -> None:
        """Commit it once: after a lost connection `is_there` asks the ledger whether it was."""
        tried = False

        def work() -> None:
            nonlocal tried
            if tried and is_there():
                return
            tried = True
            with self._session.transaction():
                write()

        self._persist(work)

    def _steps(self) -> tuple[StepRow, ...]:
        session = self._session
        return self._persist(lambda: steps.read_steps(session.conn, session.rollout_id))

    def _persist(self, work: Callable[[], Result]) -> Result:
        return persist(self._session, work)
