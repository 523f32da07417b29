"""The stages of a plan as rows: what exists, who may run, reads and writes, the locks, the way back."""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Catalog
from migsafe.effects.model import Lock, LockMode
from migsafe.plan.model import (
    BackfillStep,
    ColumnChange,
    ConcurrentStep,
    DdlStep,
    IndexStep,
    Plan,
    Step,
    VerifyStep,
)
from migsafe.plan.report.estimate import estimate
from migsafe.plan.report.shape_words import SYNC_OFF, SYNC_ON, shape_words
from migsafe.plan.report.ways_back import way_back
from migsafe.plan.stages import TRAFFIC_STAGES, Stage, Version
from migsafe.sql.names import format_name


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One stage. `schema` is what its steps change; `reads` and `writes` are by version if they differ."""

    stage: Stage
    schema: tuple[str, ...]
    may_run: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    locks: tuple[str, ...]
    rollback: str


def stage_rows(plan: Plan, catalog: Catalog | None = None) -> tuple[StageRow, ...]:
    """The stages that the plan goes through, in order. With sizes in `catalog`, how long steps may take."""
    rows: list[StageRow] = []
    synced = False
    for stage in _stages(plan):
        words = tuple(dict.fromkeys(word for step in plan.steps_to(stage) for word in shape_words(step)))
        synced = (synced or SYNC_ON in words) and not (SYNC_OFF in words and SYNC_ON not in words)
        allowed = [version for version in Version if plan.compatibility.allows(version, stage)]
        rows.append(
            StageRow(
                stage=stage,
                schema=words,
                may_run=tuple(version.value for version in allowed),
                reads=tuple(_shapes(plan, stage, allowed, synced=False)),
                writes=tuple(_shapes(plan, stage, allowed, synced=synced)),
                locks=tuple(dict.fromkeys(step_locks(step, catalog) for step in plan.steps_to(stage))),
                rollback=way_back(plan, stage),
            )
        )
    return tuple(rows)


def _stages(plan: Plan) -> Iterator[Stage]:
    steps = {step.stage for step in plan.steps}
    traffic = set(TRAFFIC_STAGES) if plan.traffic else {Stage.FULL} if plan.application_change else set()
    for stage in Stage:
        if stage is Stage.PLANNED or stage in steps or stage in traffic:
            yield stage


def step_locks(step: Step, catalog: Catalog | None = None) -> str:
    """The strongest lock of a step, on what, and for how long."""
    band = estimate(step, catalog)
    long = f"about {band}" if band else "as long as the table is big"
    match step:
        case DdlStep(locks=()):
            return "no table"
        case DdlStep(locks=locks, patient=patient):
            return f"{_strongest(locks)}, {long if patient else 'instant'}"
        case IndexStep(table=table) | ConcurrentStep(table=table):
            return f"{LockMode.SHARE_UPDATE_EXCLUSIVE.label} on {format_name(table)}, {long}"
        case BackfillStep():
            return f"rows of one batch at a time{f', about {band}' if band else ''}"
        case VerifyStep():
            return f"reads only{f', about {band}' if band else ''}"
        case _:
            return ""


def _strongest(locks: tuple[Lock, ...]) -> str:
    mode = max(lock.mode for lock in locks)
    names = ", ".join(format_name(lock.relation) for lock in locks if lock.mode is mode)
    return f"{mode.label} on {names}"


def _shapes(plan: Plan, stage: Stage, allowed: list[Version], *, synced: bool) -> Iterator[str]:
    """Which shape each version uses; one line for both where it is the same."""
    lines = {version: _shape(plan, stage, version, synced=synced) for version in allowed}
    if len(set(lines.values())) == 1 and len(lines) > 1:
        yield f"both: {next(iter(lines.values()))}"
    else:
        yield from (f"{version}: {line}" for version, line in lines.items())


def _shape(plan: Plan, stage: Stage, version: Version, *, synced: bool) -> str:
    columns = [change.column for change in plan.changes if change.column is not None]
    if not columns:
        new = version is Version.GREEN and plan.application_change
        return "the new shape" if new else "as before"
    parts = []
    for column in columns:
        mine, other = _names(column, stage, version)
        parts.append(f"{mine}, copied to {other}" if synced and other else mine)
    return "; ".join(parts)


def _names(column: ColumnChange, stage: Stage, version: Version) -> tuple[str, str]:
    """The column that a version uses, and the one that it is copied to."""
    if column.old == column.new:  # one name, and both versions see the type that it has by now
        swapped = stage.position >= Stage.VERIFIED.position
        types = (column.new_type, column.old_type) if swapped else (column.old_type, column.new_type)
        return f"{column.old} ({types[0]})", f"the {types[1]} one"
    tombstone = stage.position >= Stage.TOMBSTONED.position
    if version is Version.BLUE:
        return column.old, column.new
    return column.new, "the tombstone" if tombstone else column.old
