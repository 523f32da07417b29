"""A plan in words: its stages, what each does, which locks it takes, and how to go back."""

from collections.abc import Iterator

from migsafe.plan.model import BackfillStep, DdlStep, IndexStep, Plan, Step, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.sql.names import format_name

_TRAFFIC = {
    Stage.DARK: "green reachable by tests only; blue has all traffic",
    Stage.CANARY: "traffic to green: {steps} %, with gates between; a failing gate moves all of it back",
    Stage.FULL: "green has all traffic; blue is kept running and its data current",
    Stage.SOAKED: "time with everything still reversible",
    Stage.FENCED: "proof that blue is gone",
}
_BACK = {
    Stage.EXPANDED: "drop the new shape",
    Stage.BACKFILLED: "drop the new shape",
    Stage.VERIFIED: "drop the new shape",
    Stage.DARK: "nothing to move",
    Stage.CANARY: "all traffic to blue, in one call",
    Stage.FULL: "all traffic to blue, in one call",
    Stage.SOAKED: "all traffic to blue, in one call",
    Stage.FENCED: "start blue again",
    Stage.TOMBSTONED: "rename back, in milliseconds",
    Stage.DROPPED: "impossible: point of no return",
}


def describe(plan: Plan) -> str:
    """The whole plan as lines of text for a terminal."""
    return "\n".join((f"plan {plan.name}", plan.summary, "", *_stages(plan), "", *_warnings(plan)))


def _stages(plan: Plan) -> Iterator[str]:
    for stage in Stage:
        steps = plan.steps_to(stage)
        if not steps and (stage not in _TRAFFIC or plan.traffic is None):
            continue
        yield f"{stage.value:<11} to go back: {_BACK[stage]}"
        if stage in _TRAFFIC and plan.traffic is not None:
            shares = ", ".join(str(step) for step in plan.traffic.steps)
            yield f"    {_TRAFFIC[stage].format(steps=shares)}"
        for step in steps:
            yield f"    {step.title}"
            yield f"        {_cost(step)}"


def _cost(step: Step) -> str:
    match step:
        case DdlStep(patient=True):
            return f"{_locks(step)}; as long as the table is big"
        case DdlStep():
            return f"{_locks(step)}; instant once granted"
        case IndexStep():
            return f"SHARE UPDATE EXCLUSIVE on {format_name(step.table)}; as long as the table is big"
        case BackfillStep():
            return "row locks, one small batch at a time"
        case VerifyStep():
            return f"reads only, {step.passes} clean passes in a row"
        case _:
            return ""


def _locks(step: DdlStep) -> str:
    return ", ".join(f"{lock.mode.label} on {format_name(lock.relation)}" for lock in step.locks) or "no lock"


def _warnings(plan: Plan) -> Iterator[str]:
    if plan.warnings:
        yield "Know before you start:"
        yield from (f"  - {warning}" for warning in plan.warnings)
