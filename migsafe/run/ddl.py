"""A DDL step: its statements, its ledger row and the stage it reaches, in one transaction."""

from collections.abc import Callable, Sequence

from migsafe.effects.model import Lock, LockMode
from migsafe.plan.model import DdlStep, Plan, Step
from migsafe.plan.stages import Stage
from migsafe.run.events import StageReached
from migsafe.run.ladder import Climb, Deadline, climb
from migsafe.run.ledger import rollouts, steps
from migsafe.run.session import Session
from migsafe.run.way_back import is_about_something


def run_ddl(session: Session, step: DdlStep, reaches: Stage | None) -> None:
    """Apply the step.

    Raises:
        LockTimeout: Its locks were not free; nothing was applied.
        psycopg.Error: A statement failed; nothing was applied.
    """

    def work(deadline: Deadline) -> float | None:
        execute(session, step.sql, deadline, patient=step.patient)
        return finish(session, step, reaches)

    climb_and_report(session, step, reaches, work_locks(session, step), work)


def undo_ddl(session: Session, step: Step, falls_to: Stage | None) -> None:
    """Take the step back with its own undo statements; the ledger then shows it as never begun.

    Raises:
        LockTimeout: Its locks were not free; nothing was taken back.
        psycopg.Error: A statement failed; nothing was taken back.
    """

    def work(deadline: Deadline) -> float | None:
        there = [statement for statement in step.undo if is_about_something(session, statement)]
        execute(session, there, deadline, patient=False)
        return forget(session, step, falls_to)

    climb_and_report(session, step, falls_to, work_locks(session, step), work)


def climb_and_report(
    session: Session,
    step: Step,
    stage: Stage | None,
    locks: Sequence[Lock],
    work: Callable[[Deadline], float | None],
) -> None:
    """Climb, and tell about the stage once it is committed."""
    seconds = climb(session, Climb(step=step.id, title=step.title, locks=locks), work)
    report_stage(session, stage, seconds)


def finish(session: Session, step: Step, reaches: Stage | None) -> float | None:
    """Record, in the current transaction, that the step is done, and the stage that it reaches."""
    steps.finish_step(session.conn, session.rollout_id, step.id)
    rollouts.add_audit(session.conn, session.rollout_id, "step done", {"step": step.id})
    return None if reaches is None else rollouts.set_stage(session.conn, session.rollout_id, reaches)


def forget(session: Session, step: Step, falls_to: Stage | None) -> float | None:
    """Record, in the current transaction, that the step is taken back, and the stage that is left."""
    steps.reset_step(session.conn, session.rollout_id, step.id)
    rollouts.add_audit(session.conn, session.rollout_id, "step undone", {"step": step.id})
    return None if falls_to is None else rollouts.set_stage(session.conn, session.rollout_id, falls_to)


def report_stage(session: Session, stage: Stage | None, seconds: float | None) -> None:
    """Tell about a stage that was just committed."""
    if stage is not None:
        session.emit(StageReached(stage=stage, seconds=seconds or 0.0))


def work_locks(session: Session, step: Step) -> tuple[Lock, ...]:
    """The locks that the step says it takes, else the strongest one on all that the plan changes."""
    return step_locks(session.plan, step)


def step_locks(plan: Plan, step: Step) -> tuple[Lock, ...]:
    """The same, of any plan."""
    if isinstance(step, DdlStep) and step.locks:
        return step.locks
    return tuple(Lock(subject, LockMode.ACCESS_EXCLUSIVE) for subject in plan.subjects)


def execute(session: Session, statements: Sequence[str], deadline: Deadline, *, patient: bool) -> None:
    """Run the statements in this transaction, within the deadline; patient ones for as long as it takes."""
    for statement in statements:
        deadline.apply(patient=patient)
        session.conn.execute(statement.encode())
        if patient:
            deadline.restart()
    deadline.apply()
