"""What a step stands on must still be there: a standby that took over may lack what was committed last.

Ledger and data are lost together, so the ledger of the new server says what there is. It may say that steps
are to be done again which this process has seen done.
"""

from collections.abc import Iterable

from migsafe.errors import RunError
from migsafe.plan.model import Plan, Step
from migsafe.run.ledger.model import StepState
from migsafe.run.ledger.steps import read_steps
from migsafe.run.session import Session


def require_earlier_done(session: Session, step: Step) -> None:
    """Make sure that all steps before this one are done.

    Raises:
        RunError: One is not.
    """
    ids = [each.id for each in session.plan.steps if _place(session.plan, each) < _place(session.plan, step)]
    _require(session, ids, StepState.DONE)


def require_later_undone(session: Session, step: Step) -> None:
    """Make sure that all steps after this one are taken back, or never began.

    Raises:
        RunError: One is not.
    """
    ids = [each.id for each in session.plan.steps if _place(session.plan, each) > _place(session.plan, step)]
    _require(session, ids, StepState.PENDING)


def _place(plan: Plan, step: Step) -> tuple[int, int]:
    return step.stage.position, plan.steps.index(step)


def _require(session: Session, ids: Iterable[str], state: StepState) -> None:
    wanted = set(ids)
    for row in read_steps(session.conn, session.rollout_id):
        if row.id in wanted and row.state is not state:
            raise RunError(
                f"the ledger has gone back: '{row.title}' was {state} and is {row.state} now, as when a "
                "standby takes over that had not received the last commits",
                advice="Nothing is done twice: run the same command again, it goes on from what there is.",
            )
