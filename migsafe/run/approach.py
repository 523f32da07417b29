"""Who is in the way of a rollout's next step, before it begins."""

from migsafe.errors import PlanError
from migsafe.plan.model import DdlStep, IndexStep
from migsafe.plan.toml.file import read_plan
from migsafe.run.blockers import Blocker, find_blockers, find_old_snapshots
from migsafe.run.connect import Conn
from migsafe.run.ddl import step_locks
from migsafe.run.ledger.model import Rollout, State, StepState
from migsafe.run.ledger.steps import read_steps


def sessions_in_the_way(conn: Conn, rollout: Rollout) -> tuple[Blocker, ...]:
    """Whom the next step that is not done would wait for; nobody when it takes no strong locks."""
    if rollout.state in (State.DONE, State.REVERTED):
        return ()
    try:
        plan = read_plan(rollout.plan, file="the ledger")
    except PlanError:
        return ()
    todo = {row.id for row in read_steps(conn, rollout.id) if row.state is not StepState.DONE}
    following = next((step for step in plan.steps if step.id in todo), None)
    match following:
        case DdlStep():
            return find_blockers(conn, step_locks(plan, following))
        case IndexStep():
            return find_old_snapshots(conn)
        case _:
            return ()
