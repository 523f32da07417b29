"""The right to act on one rollout, and everything that may be done with it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import psycopg
from psycopg.pq import TransactionStatus

from migsafe.errors import ConnectionFailed, MigsafeError, RunError, StateRefused
from migsafe.plan.model import BackfillStep, DdlStep, IndexStep, Plan, Step, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl, pinning
from migsafe.run.backfill import run_backfill
from migsafe.run.connect import Conn, application_name, connect
from migsafe.run.events import Observer, StepFinished, StepStarted, Waiting, ignore
from migsafe.run.index import require_free_name, run_index, undo_index
from migsafe.run.lease import Heartbeat, release
from migsafe.run.ledger import rollouts, steps
from migsafe.run.ledger.install import install
from migsafe.run.ledger.model import Request, Rollout, State, StepState, StopRequested
from migsafe.run.order import before, stages_of
from migsafe.run.session import Session, inspect_server
from migsafe.run.settings import Settings
from migsafe.run.verify import run_verify

_SLICE_SECONDS = 0.25
_POINT_OF_NO_RETURN = Stage.DROPPED


@contextmanager
def hold(
    plan: Plan, dsn: str, *, observer: Observer = ignore, settings: Settings | None = None
) -> Iterator["Runner"]:
    """Connect, make the ledger current, pin the plan, and hold its lease until the block ends.

    A request to pause is taken back by this: whoever runs the rollout wants it to go on. Requests to
    retreat or to revert stay; answer them with `Runner.accept`.

    Raises:
        ConnectionFailed: The database cannot be reached.
        LeaseHeld: Somebody alive runs this rollout.
        LedgerMismatch: The ledger is newer than this program, or holds another plan of this name.
    """
    settings = settings or Settings()
    with ExitStack() as stack:
        conn = connect(dsn, timeout=settings.connect_timeout, application_name=application_name(plan.name))
        stack.callback(conn.close)
        install(conn)
        pinned = pinning.pin_and_acquire(conn, plan, settings)
        stack.callback(_give_back, conn, dsn, pinned)
        stack.enter_context(Heartbeat(dsn, pinned.rollout_id, pinned.token, settings).beating())
        yield Runner(
            Session(
                conn=conn,
                dsn=dsn,
                plan=plan,
                rollout_id=pinned.rollout_id,
                token=pinned.token,
                server=inspect_server(conn),
                settings=settings,
                observer=observer,
            )
        )


def _give_back(conn: Conn, dsn: str, pinned: pinning.Pinned) -> None:
    with suppress(psycopg.Error, ConnectionFailed):  # without a connection the lease expires by itself
        if conn.info.transaction_status is TransactionStatus.IDLE:
            release(conn, pinned.rollout_id, pinned.token)
            return
        conn.close()  # it was interrupted in the middle of something
        with connect(dsn, timeout=2.0) as fresh:
            release(fresh, pinned.rollout_id, pinned.token)


class Runner:
    """Acts on one rollout. Made by hold(); every method checks the lease in the transaction it commits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.plan = session.plan
        self.observer = session.observer

    @property
    def session(self) -> Session:
        """The connection and the lease, for gates that ask the database."""
        return self._session

    def rollout(self) -> Rollout:
        """The rollout as the ledger has it now."""
        found = rollouts.read_rollout(self._session.conn, self.plan.name)
        if found is None:
            raise RunError(f"the rollout '{self.plan.name}' is gone from the ledger")
        return found

    def advance(self, stage: Stage) -> None:
        """Run the schema steps that lead to this stage, from where they stand. Reached already: do nothing.

        Raises:
            StateRefused: This stage does not come next.
            RunError: A step failed; run it again to go on with it.
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
        for step in todo:
            self._run(step, reaches=stage if step is todo[-1] else None)
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
                f"before '{stage}'"
            )
        lower = before(self.plan, stage)
        for step in reversed(self.plan.steps_to(stage)):
            self._undo(step, falls_to=lower if self.rollout().stage is stage else None)
        if self.rollout().stage is stage:
            self.enter(lower)

    def _left_something(self, stage: Stage) -> bool:
        """Whether a step of this stage was done, not only tried."""
        rows = steps.read_steps(self._session.conn, self._session.rollout_id)
        return any(row.stage is stage and row.state is StepState.DONE for row in rows)

    def enter(self, stage: Stage) -> None:
        """Record a stage whose schema is there already: all steps up to it done, none of a later one begun.

        Raises:
            StateRefused: The schema is not that of this stage.
        """
        session = self._session
        order = {step.id: step.stage.position for step in self.plan.steps}
        for row in steps.read_steps(session.conn, session.rollout_id):
            reached = order[row.id] <= stage.position
            if (row.state is StepState.DONE) != reached or (
                not reached and row.state is not StepState.PENDING
            ):
                raise StateRefused(
                    f"the rollout '{self.plan.name}' cannot be in stage '{stage}': the step '{row.title}' "
                    f"is {row.state}"
                )
        if self.rollout().stage is stage:
            return
        with session.transaction():
            seconds = rollouts.set_stage(session.conn, session.rollout_id, stage)
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

    def check(self) -> None:
        """Look whether the work may go on; cheap enough to be asked often.

        Raises:
            StopRequested: Somebody asked us to stop, from another terminal.
            Fenced: Somebody took the rollout over.
        """
        self._session.check()

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
        with self._session.transaction():
            rollouts.add_audit(self._session.conn, self._session.rollout_id, event, detail)

    def _update(self, values: dict[str, object], event: str) -> None:
        with self._session.transaction():
            rollouts.update_rollout(self._session.conn, self._session.rollout_id, values)
            detail = {key: value for key, value in values.items() if value not in ("", None)}
            rollouts.add_audit(self._session.conn, self._session.rollout_id, event, detail)

    def _run(self, step: Step, *, reaches: Stage | None) -> None:
        session = self._session
        row = steps.read_step(session.conn, session.rollout_id, step.id)
        if row.state is StepState.DONE:
            return
        self.check()
        began = time.monotonic()
        with self._failures(step):
            if isinstance(step, IndexStep):
                require_free_name(session, step)
            with session.transaction():
                steps.start_step(session.conn, session.rollout_id, step.id)
            session.emit(StepStarted(step=step.id, title=step.title, resumed=row.attempts > 0))
            self._dispatch(step, reaches)
        done = steps.read_step(session.conn, session.rollout_id, step.id)
        changed = done.rows if isinstance(step, BackfillStep) else None
        session.emit(StepFinished(step=step.id, seconds=time.monotonic() - began, rows=changed))

    def _dispatch(self, step: Step, reaches: Stage | None) -> None:
        match step:
            case DdlStep():
                ddl.run_ddl(self._session, step, reaches)
            case IndexStep():
                run_index(self._session, step, reaches)
            case BackfillStep():
                run_backfill(self._session, step, reaches)
            case VerifyStep():
                run_verify(self._session, step, reaches)
            case _:
                raise RunError(f"'{step.title}' is a kind of step that this migsafe does not know")

    def _undo(self, step: Step, *, falls_to: Stage | None) -> None:
        session = self._session
        row = steps.read_step(session.conn, session.rollout_id, step.id)
        if row.state is StepState.PENDING:
            return
        self.check()
        with self._failures(step):
            if isinstance(step, IndexStep):
                undo_index(session, step, falls_to)
            elif step.undo and row.state is StepState.DONE:
                ddl.undo_ddl(session, step, falls_to)
            else:  # nothing of it is there, or what came before it takes it along
                with session.transaction():
                    seconds = ddl.forget(session, step, falls_to)
                ddl.report_stage(session, falls_to, seconds)

    @contextmanager
    def _failures(self, step: Step) -> Iterator[None]:
        """Record why a step failed, and say it in our words."""
        try:
            yield
        except StopRequested:
            raise
        except psycopg.Error as error:
            message = error.diag.message_primary or " ".join(str(error).split())
            if self._session.conn.closed or error.diag.sqlstate is None:
                raise RunError(
                    f"the connection to the database was lost during '{step.title}': {message}",
                    advice="What was done is in the ledger: run the same command again to go on.",
                ) from error
            self._record_failure(step, message)
            raise RunError(
                f"'{step.title}' failed: {message}",
                advice="Nothing of that statement was applied. Correct the cause, then run the same command "
                "again; or take everything back with `migsafe revert`.",
            ) from error
        except MigsafeError as error:
            self._record_failure(step, error.message)
            raise

    def _record_failure(self, step: Step, message: str) -> None:
        session = self._session
        with suppress(psycopg.Error, MigsafeError), session.transaction():
            steps.fail_step(session.conn, session.rollout_id, step.id, message)
