"""A plan in words: its stages, what each does, which locks it takes, and how to go back."""

from collections.abc import Iterator

from migsafe.catalog.model import Catalog
from migsafe.plan.model import Plan
from migsafe.plan.report.stage_table import step_locks
from migsafe.plan.report.ways_back import way_back
from migsafe.plan.stages import Stage

_TRAFFIC = {
    Stage.DARK: "green reachable by tests only; blue has all traffic",
    Stage.CANARY: "traffic to green: {steps} %, with gates between; a failing gate moves all of it back",
    Stage.FULL: "green has all traffic; blue is kept running and its data current",
    Stage.SOAKED: "time with everything still reversible",
    Stage.FENCED: "proof that blue is gone",
}


def describe(plan: Plan, catalog: Catalog | None = None) -> str:
    """The whole plan as lines of text for a terminal; `catalog` may know sizes."""
    stages = _stages(plan, catalog)
    return "\n".join((f"plan {plan.name}", plan.summary, "", *stages, "", *_warnings(plan)))


def _stages(plan: Plan, catalog: Catalog | None) -> Iterator[str]:
    for stage in Stage:
        steps = plan.steps_to(stage)
        if not steps and (stage not in _TRAFFIC or plan.traffic is None):
            continue
        yield f"{stage.value:<11} to go back: {way_back(plan, stage)}"
        if stage in _TRAFFIC and plan.traffic is not None:
            shares = ", ".join(str(step) for step in plan.traffic.steps)
            yield f"    {_TRAFFIC[stage].format(steps=shares)}"
        for step in steps:
            yield f"    {step.title}"
            yield f"        {step_locks(step, catalog)}"


def _warnings(plan: Plan) -> Iterator[str]:
    if plan.warnings:
        yield "Know before you start:"
        yield from (f"  - {warning}" for warning in plan.warnings)
