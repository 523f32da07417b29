"""Whether the traffic of a plan keeps to the one invariant, at every stage that it goes through."""

from collections.abc import Iterator

from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage, Version
from migsafe.review.model import Problem
from migsafe.review.places import PlanPlaces

_BLUE_ONLY = frozenset({Stage.PLANNED, Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED, Stage.DARK})


def window_problems(plan: Plan, places: PlanPlaces) -> Iterator[Problem]:
    """Stages in which a version has traffic that does not work there; and windows that are none."""
    windows = (("blue", plan.compatibility.blue), ("green", plan.compatibility.green))
    for version, window in windows:
        if window.first.position > window.last.position:
            yield Problem(
                text=f"'{version}' works from {window.first} to {window.last}: that is never",
                line=places.line(key=f"compatibility.{version}"),
            )
    for stage, percent in _traffic(plan):
        violation = plan.compatibility.violation(stage, percent)
        if violation is not None:
            version = violation.split(maxsplit=1)[0]
            yield Problem(
                text=violation,
                line=places.line(key=f"compatibility.{version}"),
                advice="Going forward the schema comes before traffic: what a version needs stays while it "
                "has any.",
            )


def _traffic(plan: Plan) -> Iterator[tuple[Stage, int]]:
    """The stages that have steps or traffic, and the percentages of green in them."""
    last = {step.stage for step in plan.steps}
    stays = all(plan.compatibility.allows(Version.BLUE, stage) for stage in last)
    moves = plan.traffic is not None or not stays
    steps = plan.traffic.steps if plan.traffic else (100,)
    for stage in Stage:
        if stage.phase is not None and stage not in last:
            continue
        if stage in _BLUE_ONLY or not moves:
            yield stage, 0
        elif stage is Stage.CANARY:
            yield from ((stage, percent) for percent in steps)
        else:
            yield stage, 100
