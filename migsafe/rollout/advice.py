"""What an operator does next, in one sentence."""

from collections.abc import Iterable

from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.run.data_point import data_point
from migsafe.run.ledger.model import State, StepRow
from migsafe.run.order import stages_of, up_to


def points_of_no_return(plan: Plan, stage: Stage, lost: int, rows: Iterable[StepRow]) -> dict[str, str]:
    """The three of them: which are passed, and what would pass the others; see `data_point`."""
    passed = "passed: the old shape is gone"
    structure = passed if stage is Stage.DROPPED else "the drop of the old shape (stage 'dropped')"
    data = data_point(plan, lost=lost, rows=rows).text
    return {"structure": structure, "data": data, "artifact": "when blue cannot be started any more"}


def next_step(plan: Plan, place: str, stage: Stage, state: State) -> str:
    """The next command; `place` is how the user names the plan."""
    if state in (State.RETREATED, State.FAILED):
        return (
            f"correct the cause, then `migsafe run {place}`; or take all of it back: `migsafe revert {place}`"
        )
    if state is State.REVERTED:
        return f"nothing is left of it; `migsafe run {place}` starts again"
    if stage is stages_of(plan)[-1]:
        return "nothing: it is done"
    if state is State.PAUSED:
        return f"`migsafe resume {place}`"
    if stage is Stage.TOMBSTONED:
        return f"when nobody misses the old shape: `migsafe contract {place} --drop`"
    if plan.traffic is None and stage is up_to(plan, Stage.VERIFIED):
        return _without_traffic(plan, place)
    if stage in (Stage.SOAKED, Stage.FENCED):
        return f"stop the old version, then `migsafe contract {place}`"
    return f"`migsafe run {place}`"


def going_back(plan: Plan, stage: Stage) -> str:
    """What going back means from this stage."""
    if stage is Stage.DROPPED:
        return "no way back: the old shape is gone (restore from a backup)"
    if stage is Stage.TOMBSTONED:
        return (
            "undo: rename the old shape back, traffic stays; "
            "revert: rename the old shape back, then traffic, then schema"
        )
    if plan.traffic and stage.position >= Stage.CANARY.position:
        return "retreat: all traffic to blue in one call, schema stays; revert: then the schema too"
    return "revert: drop the new shape" if stage is not Stage.PLANNED else "nothing to take back"


def _without_traffic(plan: Plan, place: str) -> str:
    if plan.application_change:
        return (
            f"deploy the new version; when the old one is gone: `migsafe contract {place} --old-version-gone`"
        )
    return f"when nobody misses the old shape: `migsafe contract {place}`"
