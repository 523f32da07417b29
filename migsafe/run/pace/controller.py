"""From readings to a pace: pure, so that it can be tried with readings that no server gives on demand.

The pace is a share of full speed, 0 to 1. Each signal allows a share: all of it up to its soft limit, in
proportion less above it, nothing from the hard limit on. The smallest share counts. Going down is at once;
going up takes time, and a signal that has stopped everything must fall to the middle between its two limits
before it allows anything again, so that the pace does not flap.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migsafe.config.limits import Limit

LEAST_SHARE = 0.05  # of full speed, unless everything stands
RAMP_PER_SECOND = 0.2  # from a stop to full speed takes five seconds of good readings
LONGEST_PAUSE_SECONDS = 10.0  # between two batches, unless everything stands
_LEAST_WINDOW = 0.25


class Verdict(StrEnum):
    """What a signal does to the pace."""

    GO = "go"
    SLOW = "slow"
    STOP = "stop"
    SKIPPED = "skipped"  # it cannot be read, and is no reason to wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a signal said: its value, or why there is none. One without a value stops if it `holds`."""

    name: str
    limit: Limit
    value: float | None
    text: str = ""
    holds: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A reading, and the share of full speed that it allows."""

    reading: Reading
    verdict: Verdict
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceState:
    """The share of full speed there is now, and the signals that stand on stop."""

    share: float = 1.0
    stopped: frozenset[str] = frozenset()
    judged: tuple[Judged, ...] = field(default=())

    @property
    def worst(self) -> Judged | None:
        """The signal that slows down most; None when none does."""
        slowing = [each for each in self.judged if each.verdict in (Verdict.SLOW, Verdict.STOP)]
        return min(slowing, key=lambda each: each.share, default=None)


def judge(readings: Iterable[Reading], stopped: frozenset[str]) -> tuple[Judged, ...]:
    """What each reading allows, given which signals stand on stop."""
    return tuple(_judge(reading, reading.name in stopped) for reading in readings)


def step(state: PaceState, readings: Iterable[Reading], *, seconds: float) -> PaceState:
    """The pace after new readings, so many seconds after the last ones."""
    judged = judge(readings, state.stopped)
    allowed = min((each.share for each in judged), default=1.0)
    raised = max(LEAST_SHARE, state.share + RAMP_PER_SECOND * max(0.0, seconds))
    return PaceState(
        share=0.0 if allowed <= 0 else min(allowed, raised),
        stopped=frozenset(each.reading.name for each in judged if _stays_stopped(each, state.stopped)),
        judged=judged,
    )


def pause_after(state: PaceState, *, worked: float) -> float:
    """How long to pause after so many seconds of work; infinity while everything stands."""
    if state.share <= 0:
        return math.inf
    return min(LONGEST_PAUSE_SECONDS, worked * (1 / state.share - 1))


def batch_target(state: PaceState, seconds: float) -> float:
    """What a batch takes at most: smaller pieces at a slower pace, so that it is even."""
    return seconds * max(_LEAST_WINDOW, state.share)


def rows_due(due: float, now: float, *, rows: int, per_second: float) -> float:
    """When the next batch may begin, by the same clock: unused time is not saved up for later."""
    return max(due, now) + rows / per_second


def add_up(spent: Mapping[str, float], name: str, seconds: float) -> dict[str, float]:
    """The seconds that were waited, by reason."""
    return {**spent, name: spent.get(name, 0.0) + seconds}


def _stays_stopped(judged: Judged, before: frozenset[str]) -> bool:
    """Whether it must fall to the middle first; what was merely unreadable may go on wherever it is."""
    reading = judged.reading
    return judged.verdict is Verdict.STOP and (reading.value is not None or reading.name in before)


def _judge(reading: Reading, is_stopped: bool) -> Judged:  # noqa: FBT001 -- private, read next to its call
    limit, value = reading.limit, reading.value
    if value is None or math.isnan(value):
        verdict = Verdict.STOP if reading.holds else Verdict.SKIPPED
        return Judged(reading=reading, verdict=verdict, share=0.0 if reading.holds else 1.0)
    resumes_at = (limit.soft + limit.hard) / 2
    if value >= limit.hard or (is_stopped and value > resumes_at):
        return Judged(reading=reading, verdict=Verdict.STOP, share=0.0)
    if value <= limit.soft:
        return Judged(reading=reading, verdict=Verdict.GO, share=1.0)
    share = max(LEAST_SHARE, (limit.hard - value) / (limit.hard - limit.soft))
    return Judged(reading=reading, verdict=Verdict.SLOW, share=share)
