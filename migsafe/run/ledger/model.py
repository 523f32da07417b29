"""What the ledger holds about a rollout, as data."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from migsafe.plan.stages import Stage


class State(StrEnum):
    """What is going on with a rollout, beside the stage it stands in."""

    RUNNING = "running"
    WAITING = "waiting"  # for time or for a gate
    PAUSED = "paused"  # both tracks held, as asked
    FAILED = "failed"  # stopped by an error; running it again goes on
    RETREATING = "retreating"  # traffic goes back
    REVERTING = "reverting"  # traffic, then schema go back
    RETREATED = "retreated"  # all traffic on blue, schema as it was
    REVERTED = "reverted"  # everything taken back
    DONE = "done"


class Request(StrEnum):
    """What somebody asked a running rollout to do, from another terminal."""

    PAUSE = "pause"
    RETREAT = "retreat"
    REVERT = "revert"
    UNDO = "undo"


class StepState(StrEnum):
    """How far a step is."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


class StopRequested(Exception):
    """Somebody asked the runner to stop between two pieces of work: control flow, not a failure."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"{request} was requested")
        self.request = request


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One row of the ledger. `begun` is the furthest stage of which a step has left its mark, reached or not.

    Going all the way back means: undo() from `furthest` down to the first stage.
    """

    id: int
    name: str
    plan: str
    fingerprint: str
    stage: Stage
    state: State
    request: Request | None
    reason: str
    green_percent: int
    intended_green_percent: int
    created_at: datetime
    stage_at: datetime
    updated_at: datetime
    begun: Stage | None

    @property
    def furthest(self) -> Stage:
        """The furthest stage that left something behind: the one reached, or one that broke off."""
        begun = self.begun or Stage.PLANNED
        return begun if begun.position > self.stage.position else self.stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a step that goes through a table was when its last batch began.

    `done` and `total` are pages, weighted by the work they are; speeds leave out pauses, and are 0 while
    they are not known.
    """

    done: float
    total: float
    per_second: float
    rows_per_second: float

    @property
    def fraction(self) -> float:
        """Of the whole work, 0 to 1."""
        return 1.0 if self.total <= 0 else min(1.0, self.done / self.total)

    @property
    def eta_seconds(self) -> float | None:
        """Until the work is done, at this speed; None while that is not known."""
        remaining = max(0.0, self.total - self.done)
        if self.per_second > 0:
            return remaining / self.per_second
        return 0.0 if remaining == 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step's record."""

    id: str
    stage: Stage
    kind: str
    title: str
    state: StepState
    cursor: dict[str, Any] | None
    progress: Progress | None
    rows: int
    attempts: int
    error: str | None
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    workers: int = 0  # that are at work on its chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One line of the audit trail."""

    at: datetime
    event: str
    detail: dict[str, Any]
    actor: str
