"""Sees one step through: recorded as begun, worked on through lost connections, done or failed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import errors

from migsafe.errors import MigsafeError, RunError
from migsafe.plan.model import BackfillStep, ConcurrentStep, DdlStep, IndexStep, Step, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl
from migsafe.run.apart import undo_apart
from migsafe.run.backfill import run_backfill
from migsafe.run.concurrent import run_concurrent
from migsafe.run.events import StepFinished, StepStarted
from migsafe.run.index import require_free_name, run_index, undo_index
from migsafe.run.intact import operations_of, require_intact
from migsafe.run.ledger import steps
from migsafe.run.ledger.model import StepRow, StepState, StopRequested
from migsafe.run.reconnect import persist, wait_for_connection
from migsafe.run.session import Session
from migsafe.run.verify import run_verify
from migsafe.run.way_back import require_old_columns
from migsafe.sql.operations import DropColumn

_LOSSES = 3  # of the connection, one after the other and without any progress: then it is no accident
_SERVER_ENDS = (errors.AdminShutdown, errors.CrashShutdown)


def run_step(session: Session, step: Step, reaches: Stage | None) -> None:
    """Do the step, or what is left of it, and record the stage that it reaches.

    Raises:
        RunError: It failed; run it again to go on with it.
        StopRequested: Somebody asked us to stop.
    """
    row = _read(session, step)
    if row.state is StepState.DONE:
        return
    persist(session, session.check)
    began = time.monotonic()
    with _failures(session, step):
        persist(session, lambda: require_intact(session))
        if isinstance(step, IndexStep):
            persist(session, lambda: require_free_name(session, step))
        persist(session, lambda: _start(session, row))
        session.emit(StepStarted(step=step.id, title=step.title, resumed=row.attempts > 0))
        _see_through(
            session,
            step,
            lambda: _work(session, step, reaches),
            ends=StepState.DONE,
            stage=reaches,
            may_repeat=not isinstance(step, DdlStep),
        )
    changed = _read(session, step).rows if isinstance(step, BackfillStep) else None
    session.emit(StepFinished(step=step.id, seconds=time.monotonic() - began, rows=changed))
    session.tell_blocked()


def undo_step(session: Session, step: Step, falls_to: Stage | None) -> None:
    """Take the step back, if it was begun, and record the stage that is left then.

    Raises:
        RunError: It could not be taken back; run it again to go on.
        StopRequested: Somebody asked us to stop.
    """
    row = _read(session, step)
    if row.state is StepState.PENDING:
        return
    persist(session, session.check)
    has_statements = bool(step.undo) and (step.undo_apart or row.state is StepState.DONE)

    def work() -> None:
        if isinstance(step, IndexStep):
            undo_index(session, step, falls_to)
        elif has_statements and step.undo_apart:
            undo_apart(session, step, falls_to)
        elif has_statements:
            ddl.undo_ddl(session, step, falls_to)
        else:  # nothing of it is there, or what came before it takes it along
            with session.transaction():
                seconds = ddl.forget(session, step, falls_to)
            ddl.report_stage(session, falls_to, seconds)

    with _failures(session, step):
        if DropColumn in map(type, operations_of(step.undo)):
            persist(session, lambda: require_old_columns(session))
        _see_through(
            session,
            step,
            work,
            ends=StepState.PENDING,
            stage=falls_to,
            may_repeat=isinstance(step, IndexStep) or step.undo_apart or not has_statements,
        )


def _read(session: Session, step: Step) -> StepRow:
    return persist(session, lambda: steps.read_step(session.conn, session.rollout_id, step.id))


def _start(session: Session, row: StepRow) -> None:
    """Count the attempt once, however often this is repeated."""
    with session.transaction():
        if steps.read_step(session.conn, session.rollout_id, row.id).attempts == row.attempts:
            steps.start_step(session.conn, session.rollout_id, row.id)


def _work(session: Session, step: Step, reaches: Stage | None) -> None:
    match step:
        case DdlStep():
            ddl.run_ddl(session, step, reaches)
        case IndexStep():
            run_index(session, step, reaches)
        case ConcurrentStep():
            run_concurrent(session, step, reaches)
        case BackfillStep():
            run_backfill(session, step, reaches)
        case VerifyStep():
            run_verify(session, step, reaches)
        case _:
            raise RunError(f"'{step.title}' is a kind of step that this migsafe does not know")


def _see_through(
    session: Session,
    step: Step,
    work: Callable[[], None],
    *,
    ends: StepState,
    stage: Stage | None,
    may_repeat: bool,
) -> None:
    """Work on the step until the ledger has it in the state `ends`.

    After a lost connection the ledger says what was committed, and the work goes on from there. DDL is
    not sent a second time: when it was not committed, a person looks first.
    """
    mark, losses = None, 0
    while True:
        try:
            return work()
        except psycopg.Error as error:
            wait_for_connection(session, error)
            row = _read(session, step)
            if row.state is ends:
                ddl.report_stage(session, stage, None)
                return None
            losses = losses + 1 if row.updated_at == mark else 1
            mark = row.updated_at
            if losses >= _LOSSES or not may_repeat:
                raise


@contextmanager
def _failures(session: Session, step: Step) -> Iterator[None]:
    """Record why a step failed, and say it in our words."""
    try:
        yield
    except StopRequested:
        raise
    except psycopg.Error as error:
        message = _said(error)
        _record_failure(session, step, message)
        if session.conn.closed or error.diag.sqlstate is None or isinstance(error, _SERVER_ENDS):
            raise RunError(
                f"the connection to the database was lost during '{step.title}': {message}",
                advice="What was done is in the ledger: run the same command again to go on.",
            ) from error
        raise RunError(
            f"'{step.title}' failed: {message}",
            advice="Nothing of that statement was applied. Correct the cause, then run the same command "
            "again; or take everything back with `migsafe revert`.",
        ) from error
    except MigsafeError as error:
        _record_failure(session, step, error.message)
        raise


def _said(error: psycopg.Error) -> str:
    detail = f" ({' '.join(error.diag.message_detail.split())})" if error.diag.message_detail else ""
    return (error.diag.message_primary or " ".join(str(error).split())) + detail


def _record_failure(session: Session, step: Step, message: str) -> None:
    with suppress(psycopg.Error, MigsafeError), session.transaction():
        steps.fail_step(session.conn, session.rollout_id, step.id, message)
