"""How each database of a fleet came out of a command, and how all of it did."""

from dataclasses import dataclass
from enum import StrEnum
from signal import Signals

from migsafe.fleet.child import EXIT_INTERRUPTED, Ended
from migsafe.plan.stages import Stage

ADVICE = "Correct the cause, then run the same command again: what is done is not repeated."


class Result(StrEnum):
    """What became of a database."""

    WAS_DONE = "was_done"  # it was there before
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # between two pieces of work; it goes on there
    NOT_BEGUN = "not_begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One database. `stage` is None where nobody knows it."""

    name: str
    result: Result
    wave: int = 0  # from 1 on; 0: in none
    stage: Stage | None = None
    state: str = ""
    error: str = ""
    advice: str = ""
    rows: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All databases in the order of the waves, and why it ended early, if it did."""

    outcomes: tuple[Outcome, ...]
    waves: tuple[tuple[str, ...], ...]
    seconds: float
    stopped_by: str = ""  # empty: it went through to the end
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether all databases are where they should be."""
        return all(each.result in (Result.DONE, Result.WAS_DONE) for each in self.outcomes)

    @property
    def has_failed(self) -> bool:
        """Whether a database failed."""
        return any(each.result is Result.FAILED for each in self.outcomes)

    def of(self, *results: Result) -> tuple[Outcome, ...]:
        """The outcomes of these kinds."""
        return tuple(each for each in self.outcomes if each.result in results)


def outcome_of_run(name: str, ended: Ended, target: Stage, *, wave: int, seconds: float) -> Outcome:
    """What a run to a stage came to."""
    document = ended.document or {}
    stage = Stage(document["stage"]) if "stage" in document else None
    result, error, advice = _judge(ended, stage, target)
    return Outcome(
        name=name,
        result=result,
        wave=wave,
        stage=stage,
        state=str(document.get("state", "")),
        error=error,
        advice=advice,
        rows=int(document.get("rows", 0)),
        seconds=round(seconds, 3),
    )


def _judge(ended: Ended, stage: Stage | None, target: Stage) -> tuple[Result, str, str]:
    document = ended.document or {}
    over = document.get("state") == "done"
    if ended.code == 0 and stage is not None and (stage.position >= target.position or over):
        return Result.DONE, "", ""
    if ended.code == EXIT_INTERRUPTED:
        return Result.STOPPED, "interrupted", ""
    if ended.code == 0 and document:
        return Result.STOPPED, f"{document.get('state')}: {document.get('reason') or 'asked for'}", ""
    if ended.code < 0:
        return Result.FAILED, f"its process was ended by {_signal(-ended.code)}", ADVICE
    reason = str(document.get("reason", "")) or ended.error
    return Result.FAILED, reason or f"its process ended with exit code {ended.code}", ended.advice or ADVICE


def _signal(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
