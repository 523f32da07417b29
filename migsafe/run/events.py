"""What a rollout tells while it runs: plain data that any front end can show."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from migsafe.plan.stages import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReached(Event):
    """The rollout stands in this stage now, and the ledger says so."""

    stage: Stage
    seconds: float  # since the stage before


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    """A step begins, or goes on after an interruption."""

    step: str
    title: str
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """A step is done and recorded."""

    step: str
    seconds: float
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """How far a long step is. `fraction` is of the table read (0 to 1), rows are those changed.

    Of an index that is built, `phase` is what the server says, and it `waits_for` these sessions.
    """

    step: str
    fraction: float
    rows: int
    rows_per_second: float
    eta_seconds: float | None
    phase: str = ""
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRetry(Event):
    """A lock was not granted in time; who held it, and when the next attempt follows."""

    step: str
    attempt: int
    attempts: int
    wait_seconds: float
    blockers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InTheWay(Event):
    """Who holds, before a step asks for its locks, what would make it wait."""

    step: str
    blockers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """A session in the way was ended, as the kill policy says; or will be, after the next attempt."""

    session: str
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GaveWay(Event):
    """A statement of ours was cancelled, for it kept others waiting; it is tried again later."""

    waiters: tuple[str, ...]
    seconds: float  # that the longest of them waited
    total_seconds: float  # that all who waited for this run have waited so far


@dataclass(frozen=True, slots=True, kw_only=True)
class RowQuarantined(Event):
    """A row cannot be changed: it is left out and listed, and the work goes on."""

    step: str
    relation: str
    key: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Event):
    """Nothing happens for now, on purpose: what it waits for."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceChanged(Event):
    """A backfill goes slower, or at full pace again (share 1, no reason)."""

    share: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficMoved(Event):
    """The provider confirmed this share of green, in percent."""

    green_percent: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRead(Event):
    """A gate was asked: pass, hold, fail or error, and what it saw."""

    gate: str
    verdict: str
    reading: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """Something a person should know."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPassed(Notice):
    """Something that cannot be taken back has happened: which point of no return, and since when."""

    kind: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodChosen(Notice):
    """How the rows of a relation are gone through, and why."""

    step: str
    relation: str
    method: str


Observer = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An observer that does not look."""
    del event
