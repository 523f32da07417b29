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
class TableMeasured(Event):
    """How big a table is that a step goes through, as the server last counted it; None: it never did."""

    step: str
    relation: str
    rows_estimated: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDone(Event):
    """One batch of a backfill is committed. `seconds` are those of its transaction."""

    step: str
    relation: str
    rows: int
    seconds: float


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
class BlockedSoFar(Event):
    """What sessions of the application have waited for this process so far, all of them together."""

    seconds: float
    longest_seconds: float
    waits: int
    gave_way: int  # statements of ours that were cancelled for them
    budget_seconds: float  # what one of them may wait


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
class SignalRead:
    """One signal of the pace. Its unit is that of the signal; above `soft` it slows down, at `hard` it stops.

    The verdict is `go`, `slow`, `stop` or `skipped`; no value: it cannot be read.
    """

    name: str
    value: float | None
    soft: float
    hard: float
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceRead(Event):
    """The pace of a backfill or a verification, about once a second."""

    share: float  # of full speed, 0 to 1
    waiting_for: str | None
    batch_seconds: float  # what a batch may take now
    max_rows_per_second: float | None
    signals: tuple[SignalRead, ...]
    throttled_seconds: dict[str, float]  # that this process has waited so far, by signal


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
class RolloutOpened(Event):
    """This process begins to act on a rollout. What follows is about that one, until the next is opened.

    The role is `runner` (it holds the lease), `worker` (it joined) or `asker` (the runner was asked).
    """

    rollout: str
    rollout_id: int
    role: str
    stage: Stage
    stages: tuple[Stage, ...]  # of its plan, in order
    database: str
    server_address: str  # a host, or the folder of a socket
    server_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded(Event):
    """The command is done with the rollout. Not `ok`: a gate failed, or held for too long."""

    command: str
    stage: Stage | None
    state: str
    green_percent: int | None
    ok: bool
    reason: str
    seconds: float
    rows: int  # that this command changed
    throttled_seconds: float  # that it waited for signals and limits
    blocked_seconds: float  # that sessions of the application waited for it, all together


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Event):
    """The command ended with an error, or was interrupted (`Interrupted`). Running it again goes on."""

    command: str
    error: str  # the kind: LeaseHeld, LockTimeout, Quarantined ...
    message: str
    advice: str
    exit_code: int
    seconds: float


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
