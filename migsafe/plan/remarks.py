"""What a plan file says in comments, for who reviews it; none of it counts when the plan is carried out."""

from collections.abc import Iterator
from textwrap import wrap

from migsafe.catalog.model import Catalog
from migsafe.plan.model import Change, DdlStep, DownMap, Plan, Step
from migsafe.plan.report.stage_table import step_locks
from migsafe.plan.report.ways_back import is_long, way_back
from migsafe.plan.stages import Stage, Version

_WIDTH = 106
_DOES = {
    Stage.EXPANDED: "what is added, and what is instant; each step is one transaction with short timeouts",
    Stage.BACKFILLED: "rows, in small batches that each commit; resumed after any interruption",
    Stage.VERIFIED: "proof that all is right, and what is as long as a table is big; reads and writes go on",
    Stage.TOMBSTONED: "what only the old version needs gets another name, or goes",
    Stage.DROPPED: "what is left of the old shape goes",
}
_DOWN = {
    DownMap.TOTAL: "total: the old shape holds all that the new version writes; going back loses nothing",
    DownMap.LOSSY: "lossy: what the new version writes may not fit the old shape; going back loses it "
    "(point of no return for data: the first such value)",
    DownMap.NONE: "none: the old shape holds nothing of what the new version writes; going back loses it "
    "(point of no return for data: its first write)",
}
_OF_ROWS = (
    "none: going back does not bring back what the rows were (point of no return for data: the first batch)"
)


def about_section(plan: Plan, stage: Stage) -> Iterator[str]:
    """The comment lines before the steps that lead to this stage."""
    yield from _wrapped(f"{stage.value}: {_DOES[stage]}.")
    if stage is Stage.DROPPED:
        yield from _wrapped("POINT OF NO RETURN for the structure: nothing brings back what is dropped.")
    else:
        yield from _wrapped(f"Going back from here: {way_back(plan, stage)}.")
    yield from _wrapped(f"Application: {_versions(plan, stage)}.")
    if stage is Stage.TOMBSTONED and not plan.compatibility.allows(Version.BLUE, stage):
        yield from _wrapped(
            "POINT OF NO RETURN for the artifact: keep what is needed to start blue until here; from here on "
            "it works again only after an undo."
        )


def _versions(plan: Plan, stage: Stage) -> str:
    """Which version must be where before the steps of this stage run."""
    blue = plan.compatibility.allows(Version.BLUE, stage)
    green = plan.compatibility.allows(Version.GREEN, stage)
    if blue and green:
        return "blue and green both work in this stage"
    if blue:
        return "blue serves; green must not have traffic yet"
    if green:
        return "green has all traffic, and no instance of blue is left, before the first of these steps"
    return "no version works in this stage"


def about_down_map(change: Change) -> str:
    """One sentence for the `down_map` of a change."""
    return f"Down-map {_OF_ROWS if change.changes_rows else _DOWN[change.down_map]}."


def about_step(step: Step, catalog: Catalog | None) -> Iterator[str]:
    """The comment lines at the head of a step: its strongest lock, for how long, and the way back."""
    yield from _wrapped(f"Takes {step_locks(step, catalog)}.")
    if step.stage is Stage.DROPPED:
        return
    if step.undo and is_long(step):
        yield from _wrapped("Its undo works as long as the table is big, while reads and writes go on.")
    elif not step.undo and isinstance(step, DdlStep) and not step.patient:
        yield from _wrapped("It has no undo: a revert leaves what it did.")


def _wrapped(text: str) -> Iterator[str]:
    yield from wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
