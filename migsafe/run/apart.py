"""An undo whose statements commit one by one: some take as long as the table is big, or are CONCURRENTLY."""

from migsafe.catalog.model import Catalog
from migsafe.effects.predict import DEFAULT_SERVER_VERSION, effects_of
from migsafe.plan.model import Step
from migsafe.plan.stages import Stage
from migsafe.run import ddl, outside
from migsafe.run.ladder import Climb, Deadline, climb
from migsafe.run.ledger import rollouts, steps
from migsafe.run.session import Session
from migsafe.run.way_back import is_about_something
from migsafe.sql.operations import Operation, OtherStatement, ValidateConstraint
from migsafe.sql.script import read_script


def undo_apart(session: Session, step: Step, falls_to: Stage | None) -> None:
    """Take the step back statement by statement, from the first one, whatever an earlier attempt did.

    From here on it counts as begun and not done: going forward again would do all of it once more.

    Raises:
        LockTimeout: The locks of a statement were not free; those before it stay done.
        psycopg.Error: A statement failed; those before it stay done.
        StopRequested: Somebody asked us to stop.
    """
    with session.transaction():
        steps.start_step(session.conn, session.rollout_id, step.id)
        if falls_to is not None:
            rollouts.set_stage(session.conn, session.rollout_id, falls_to)
    for statement in step.undo:
        if is_about_something(session, statement):
            _run(session, step, statement)
    with session.transaction():
        ddl.forget(session, step, None)
    ddl.report_stage(session, falls_to, None)


def _run(session: Session, step: Step, statement: str) -> None:
    operations = read_script(statement).statements[0].operations
    version = session.plan.server_version or DEFAULT_SERVER_VERSION
    if any(effects_of(each, Catalog(), version).needs_no_transaction for each in operations):
        outside.wait_for_earlier(session, (statement,), f"takes '{step.title}' back")
        outside.run(session, statement)
        return

    def work(deadline: Deadline) -> None:
        ddl.execute(session, (statement,), deadline, patient=_takes_long(operations))

    climb(session, Climb(step=step.id, title=step.title, locks=ddl.work_locks(session, step)), work)


def _takes_long(operations: tuple[Operation, ...]) -> bool:
    """Whether it reads the whole table while it holds a weak lock only."""
    return any(
        isinstance(each, ValidateConstraint)
        or (isinstance(each, OtherStatement) and each.tag.startswith("REFRESH MATERIALIZED VIEW"))
        for each in operations
    )
