"""What a recipe makes of one operation, and how several become one plan."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from migsafe.catalog.model import Catalog
from migsafe.plan.model import Change, Plan, Step
from migsafe.plan.options import PlanOptions
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.sql.names import Name

# Both versions work with either shape; the new one waits until all of it is there and proven.
EITHER = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.DROPPED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a recipe works: the schema right before its operation, and what the person chose.

    `rollout` is the name under which the plan will run. `server_version` is server_version_num.
    """

    catalog: Catalog
    options: PlanOptions
    rollout: str
    server_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The safe form of one operation.

    `busy` are relations that are something else than the schema says while the rollout lasts: no later
    operation of the migration may touch them. `mends` says that the draft does what PostgreSQL would refuse
    to do in one statement, such as to give a column that a view reads another type.
    """

    change: Change
    steps: tuple[Step, ...]
    compatibility: Compatibility = EITHER
    warnings: tuple[str, ...] = ()
    busy: tuple[Name, ...] = ()
    mends: bool = False


def compose(drafts: Sequence[Draft], scene: Scene, migration: str) -> Plan:
    """One plan of all drafts: what leads to a stage runs in the order of the migration."""
    several = len(drafts) > 1
    numbered = [
        replace(step, id=f"{number}.{step.id}") if several else step
        for number, draft in enumerate(drafts, 1)
        for step in draft.steps
    ]
    options = scene.options
    chosen = {"new_column": options.new_column, "on_misfit": options.on_misfit}
    return Plan(
        name=scene.rollout,
        summary="; ".join(draft.change.summary for draft in drafts),
        changes=tuple(draft.change for draft in drafts),
        compatibility=_together([draft.compatibility for draft in drafts]),
        steps=tuple(step for stage in Stage for step in numbered if step.stage is stage),
        warnings=tuple(dict.fromkeys(warning for draft in drafts for warning in draft.warnings)),
        traffic=options.traffic,
        contract=options.contract,
        server_version=scene.server_version,
        migration=migration,
        choices={key: str(value) for key, value in chosen.items() if value is not None},
    )


def _together(parts: Sequence[Compatibility]) -> Compatibility:
    """A version works where it works with every change."""
    return Compatibility(
        blue=_narrowest([part.blue for part in parts]), green=_narrowest([part.green for part in parts])
    )


def _narrowest(windows: Sequence[Window]) -> Window:
    return Window(
        first=max((window.first for window in windows), key=lambda stage: stage.position),
        last=min((window.last for window in windows), key=lambda stage: stage.position),
    )
