"""The point of no return for data: what going back would lose, and whether there is any of it yet."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from migsafe.plan.model import BackfillStep, Change, DdlStep, DownMap, Plan, Step
from migsafe.plan.stages import Stage
from migsafe.run.ledger.model import StepRow, StepState
from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class PointOfNoReturn:
    """What cannot be taken back once it has happened: of the structure, of the data, of the artifact."""

    kind: str
    passed: bool
    text: str


def data_point(plan: Plan, *, lost: int, rows: Iterable[StepRow]) -> PointOfNoReturn:
    """What cannot be had back. `lost` values could not be kept by sync; `rows` are the steps' records.

    Where the migration itself changes rows (UPDATE, DELETE, INSERT), that is its first batch, long before
    another version writes anything.
    """
    own = [change for change in plan.changes if change.changes_rows]
    changed = _changed(plan, own, {row.id: row for row in rows})
    down_map = max(
        (change.down_map for change in plan.changes if change not in own),
        key=list(DownMap).index,
        default=DownMap.TOTAL,
    )
    if lost:
        text = f"passed: sync noted {lost} values that the old shape could not keep"
    elif changed:
        text = f"passed: rows of {', '.join(changed)} are changed, and a revert does not bring that back"
    elif own:
        subjects = ", ".join(dict.fromkeys(str(change.subject) for change in own))
        text = f"the first batch of rows of {subjects}: a revert does not bring back what they were"
    elif down_map is DownMap.TOTAL:
        text = "none: the old shape can hold every value"
    else:
        text = "the first value of the new version that the old shape cannot hold"
    return PointOfNoReturn(kind="data", passed=bool(lost or changed), text=text)


def _changed(plan: Plan, own: Iterable[Change], rows: dict[str, StepRow]) -> tuple[str, ...]:
    """The tables whose rows the migration has changed already."""
    subjects = {change.subject for change in own}
    found: dict[str, None] = {}
    for step in plan.steps_to(Stage.BACKFILLED):
        row = rows.get(step.id)
        # A batch counts its rows; a statement does not.
        if row is None or not (row.rows or (isinstance(step, DdlStep) and row.state is StepState.DONE)):
            continue
        found |= dict.fromkeys(str(name) for name in _writes(step) if name in subjects)
    return tuple(found)


def _writes(step: Step) -> Iterator[Name]:
    match step:
        case BackfillStep(copy=None, table=table):
            yield table
        case BackfillStep(copy=copy) if copy is not None:
            yield copy.into
        case DdlStep(locks=locks):
            yield from (lock.relation for lock in locks)
