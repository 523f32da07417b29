"""What every traffic provider does, and the counters that gates compare."""

import time
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


def require_settable(provider: Provider, green_percent: int, token: str | None) -> None:
    """Make sure that this share may be set: it is one, and nobody moved the traffic since `token` was read.

    For interfaces that cannot compare and swap by themselves.

    Raises:
        TrafficError: The share is not within 0 to 100 (many a proxy takes such a number without a word),
            or the split is no longer the one that the token stands for.
    """
    if not 0 <= green_percent <= 100:
        raise TrafficError(f"a share of traffic must be 0 to 100 percent, not {green_percent}")
    if token is not None and (now := provider.read()).token != token:
        raise TrafficError(
            f"the split changed since it was read: now {now.green_percent} % green",
            advice="somebody else moves this traffic; run again to go on from what is there",
        )


def wait_until_read(
    provider: Provider, green_percent: int, *, timeout_seconds: float, every_seconds: float
) -> None:
    """Read the split again and again until it is this one.

    Raises:
        TrafficError: It is not, after that time.
    """
    deadline = time.monotonic() + timeout_seconds
    while (split := provider.read()).green_percent != green_percent:
        if time.monotonic() > deadline:
            raise TrafficError(
                f"the provider still says {split.green_percent} % green instead of {green_percent} % "
                f"after {timeout_seconds:g} s"
            )
        time.sleep(every_seconds)


def require_timeout(seconds: float) -> None:
    """Refuse a time within which nothing can answer, for the `__post_init__` of options."""
    if seconds <= 0:
        raise ValueError("timeout_seconds must be above 0")


def _difference(after: Counters, before: Counters) -> Counters | None:
    latency = {bound: count - before.latency_ms.get(bound, 0) for bound, count in after.latency_ms.items()}
    requests, failures = after.requests - before.requests, after.failures - before.failures
    if min(requests, failures, *latency.values(), 0) < 0:
        return None
    return Counters(requests=requests, failures=failures, latency_ms=latency)
