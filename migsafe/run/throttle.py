"""Reasons to go slower: each is asked after every batch and may ask for a pause."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What a batch was."""

    step: str
    rows: int
    seconds: float  # that it took
    total_rows: int  # of the step, in this run
    total_seconds: float  # since the step began in this run, pauses included


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait this long before the next batch, and why."""

    seconds: float
    reason: str


Throttle = Callable[[BatchReport], Pause | None]


def max_rows_per_second(limit: float) -> Throttle:
    """At most so many rows per second, on average since the step began."""

    def throttle(report: BatchReport) -> Pause | None:
        ahead = report.total_rows / limit - report.total_seconds
        return Pause(seconds=ahead, reason=f"at most {limit:g} rows/s") if ahead > 0.001 else None

    return throttle
