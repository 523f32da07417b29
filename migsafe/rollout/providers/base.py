"""What every traffic provider does, and the counters that gates compare."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from migsafe.errors import TrafficError


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How the provider splits traffic now. `token` stands for exactly this state, to compare and swap."""

    green_percent: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What one version did since its proxy started: numbers that only grow.

    `failures` are requests that ended in a 5xx status, also one the proxy made up because the version
    did not answer. `latency_ms` is a cumulative histogram: upper bound -> requests not slower than that.
    """

    requests: int
    failures: int
    latency_ms: Mapping[float, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The counters of both versions, read together."""

    blue: Counters
    green: Counters

    def since(self, before: "Statistics") -> "Statistics | None":
        """What happened since `before`; None when a counter went back, as after a restart of the proxy."""
        blue, green = _difference(self.blue, before.blue), _difference(self.green, before.green)
        return Statistics(blue=blue, green=green) if blue and green else None


class Provider(Protocol):
    """An adapter that moves traffic. Nothing of its state is remembered: after a crash, read.

    Every method raises TrafficError when the other side does not do, or does not answer, what was asked.
    """

    def read(self) -> Split:
        """The split as it is now."""

    def set(self, green_percent: int, token: str | None) -> None:
        """Move to this share of green, 0 to 100, in one call.

        With a token only when nothing changed since the `read` that gave it. None means "whatever it
        is now": going back to blue does not wait for anybody.
        """

    def verify(self, green_percent: int, *, timeout_seconds: float) -> None:
        """Return as soon as the split is known to be in force."""

    def statistics(self) -> Statistics | None:
        """The counters of both versions; None when this provider has none."""


def checked_percent(green_percent: int) -> int:
    """The share, when it is one.

    Raises:
        TrafficError: It is not within 0 to 100. Many a proxy takes such a number without a word.
    """
    if not 0 <= green_percent <= 100:
        raise TrafficError(f"a share of traffic must be 0 to 100 percent, not {green_percent}")
    return green_percent


def _difference(after: Counters, before: Counters) -> Counters | None:
    latency = {bound: count - before.latency_ms.get(bound, 0) for bound, count in after.latency_ms.items()}
    requests, failures = after.requests - before.requests, after.failures - before.failures
    if min(requests, failures, *latency.values(), 0) < 0:
        return None
    return Counters(requests=requests, failures=failures, latency_ms=latency)
