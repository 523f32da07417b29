"""Where a rollout stands, for people and for scripts: read from the ledger, without its lease."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from migsafe.errors import UsageError
from migsafe.plan.model import Plan, VerifyStep
from migsafe.plan.stages import Stage, Version
from migsafe.plan.toml.file import read_plan
from migsafe.run.connect import Conn
from migsafe.run.data_point import PointOfNoReturn, data_point
from migsafe.run.lease import Holder, read_holder
from migsafe.run.ledger.model import AuditLine, Request, Rollout, State, StepRow, StepState
from migsafe.run.ledger.rollouts import (
    UNREPRESENTABLE,
    count_sync_events,
    list_rollouts,
    read_audit,
    read_rollout,
)
from migsafe.run.ledger.steps import read_steps
from migsafe.run.ledger.workers import WorkerRow, read_workers
from migsafe.run.order import stages_of

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatus:
    """One step. `fraction` (0 to 1) is known for a step that goes through a table, and for one that is done.

    Speed and the time that is left are known while somebody works on it, as of its last batch.
    """

    id: str
    title: str
    stage: Stage
    kind: str
    state: StepState
    rows: int
    attempts: int
    error: str | None
    seconds: float | None
    fraction: float | None
    rows_per_second: float | None
    eta_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the last look at all rows of a step found, or the one that goes on now (`at` is None).

    `during` says when it was: "verify", "traffic" or "contract". Up to a hundred mismatches have their keys.
    """

    step: str
    title: str
    during: str
    at: str | None
    clean: bool
    mismatched: int
    mismatches: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything there is to say about one rollout."""

    name: str
    stage: Stage
    stages: tuple[Stage, ...]
    state: State
    request: Request | None
    reason: str
    green_percent: int
    intended_green_percent: int
    stage_at: datetime
    updated_at: datetime
    allowed: tuple[Version, ...]  # versions that may receive traffic now
    steps: tuple[StepStatus, ...]
    holder: Holder | None
    workers: tuple[WorkerRow, ...]
    sync_events: dict[str, int]
    points_of_no_return: tuple[PointOfNoReturn, ...]
    verification: tuple[Verified, ...]
    audit: tuple[AuditLine, ...]

    def to_json(self) -> dict[str, Any]:
        """The form of `migsafe status --format json`."""
        return {"format_version": FORMAT_VERSION, **_jsonable(asdict(self))}


def read_status(conn: Conn, name: str, *, audit_lines: int = 10) -> Status:
    """The rollout of this name as it is now.

    Raises:
        UsageError: The ledger does not know it.
        LedgerMismatch: The ledger is newer than this program.
    """
    found = read_rollout(conn, name)
    if found is None:
        known = ", ".join(rollout.name for rollout in list_rollouts(conn)) or "none"
        raise UsageError(f"no rollout named '{name}' in this database", advice=f"Known here: {known}.")
    plan = read_plan(found.plan, file=f"the ledger's plan of '{name}'")
    events = count_sync_events(conn, name)
    rows = read_steps(conn, found.id)
    holder = read_holder(conn, found.id)
    at_work = holder is not None and holder.alive
    return Status(
        name=name,
        stage=found.stage,
        stages=stages_of(plan),
        state=found.state,
        request=found.request,
        reason=found.reason,
        green_percent=found.green_percent,
        intended_green_percent=found.intended_green_percent,
        stage_at=found.stage_at,
        updated_at=found.updated_at,
        allowed=tuple(version for version in Version if plan.compatibility.allows(version, found.stage)),
        steps=tuple(step_status(row, at_work=at_work) for row in rows),
        holder=holder,
        workers=read_workers(conn, found.id),
        sync_events=events,
        points_of_no_return=_points(plan, found, events, rows),
        verification=verified(rows),
        audit=read_audit(conn, found.id, last=audit_lines),
    )


def step_status(row: StepRow, *, at_work: bool) -> StepStatus:
    """One step, as its row tells; `at_work` says that somebody alive holds the lease."""
    end = row.finished_at or (row.updated_at if row.started_at else None)
    moving = row.progress if (at_work or row.workers) and row.state is StepState.RUNNING else None
    fraction = row.progress.fraction if row.progress else None
    return StepStatus(
        id=row.id,
        title=row.title,
        stage=row.stage,
        kind=row.kind,
        state=row.state,
        rows=row.rows,
        attempts=row.attempts,
        error=row.error,
        seconds=(end - row.started_at).total_seconds() if end and row.started_at else None,
        fraction=1.0 if row.state is StepState.DONE else fraction,
        rows_per_second=moving.rows_per_second if moving and moving.per_second > 0 else None,
        eta_seconds=moving.eta_seconds if moving else None,
    )


def verified(rows: Sequence[StepRow]) -> tuple[Verified, ...]:
    """What the proofs of the plan found last; nothing of those that have not begun."""
    return tuple(_verified(row) for row in rows if row.kind == VerifyStep.__name__ and row.cursor)


def _verified(row: StepRow) -> Verified:
    cursor = dict(row.cursor or {})
    own_end = row.finished_at.isoformat() if row.finished_at else None
    last = cursor.get("again") or {"why": "verify", "at": own_end, "clean": own_end is not None, **cursor}
    return Verified(
        step=row.id,
        title=row.title,
        during=last["why"],
        at=last.get("at"),
        clean=bool(last.get("clean")) and not last.get("mismatched"),
        mismatched=last.get("mismatched", 0),
        mismatches=tuple(last.get("mismatches", ())),
    )


def _points(
    plan: Plan, found: Rollout, events: dict[str, int], rows: Sequence[StepRow]
) -> tuple[PointOfNoReturn, ...]:
    points = [
        PointOfNoReturn(
            kind="structural",
            passed=found.stage is Stage.DROPPED,
            text="dropped: the old shape is gone for good",
        ),
        data_point(plan, lost=events.get(UNREPRESENTABLE, 0), rows=rows),
    ]
    if plan.application_change:
        points.append(
            PointOfNoReturn(
                kind="artifact",
                passed=not plan.compatibility.allows(Version.BLUE, found.stage),
                text="the old version of the application cannot run on this stage of the schema",
            )
        )
    return tuple(points)


def _jsonable(value: Any) -> Any:
    match value:
        case dict():
            return {key: _jsonable(item) for key, item in value.items()}
        case list() | tuple():
            return [_jsonable(item) for item in value]
        case datetime():
            return value.isoformat()
        case _:
            return value
