"""Gate `canary`: the new version against the old one, over the time of a step, by the proxy's own numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from migsafe.plan.model import Options
from migsafe.rollout.gates.base import Reading, Situation, Verdict
from migsafe.rollout.machine import Question
from migsafe.rollout.options import typed_options
from migsafe.rollout.providers.base import Counters


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryOptions:
    """How much worse green may be.

    `max_error_percent`: green's failed requests in percent, minus those of blue.
    `max_latency_ratio`: green's latency at `latency_quantile`, divided by blue's; differences below
    `latency_slack_ms` never count, so that 1 ms against 2 ms is not "twice as slow".
    `min_requests`: with fewer of green in the step so far, the gate holds.
    """

    max_error_percent: float = 1.0
    max_latency_ratio: float = 2.0
    latency_quantile: float = 0.99
    latency_slack_ms: float = 25.0
    min_requests: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.max_error_percent <= 100:
            raise ValueError("option 'max_error_percent' must be 0 to 100")
        if self.max_latency_ratio < 1:
            raise ValueError("option 'max_latency_ratio' must be 1 or more")
        if not 0 < self.latency_quantile < 1:
            raise ValueError("option 'latency_quantile' must be between 0 and 1, as in 0.99")
        if self.latency_slack_ms < 0 or self.min_requests < 1:
            raise ValueError("options 'latency_slack_ms' and 'min_requests' must not be below 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Baseline:
    error_percent: float
    latency_ms: float | None


class CanaryGate:
    """See `Gate`. Remembers blue's last numbers: at 100 % green there are no new ones."""

    questions = frozenset({Question.WATCH, Question.SOAK})

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self._options = typed_options(CanaryOptions, options, where=f"gate '{name}'")
        self._baseline = _Baseline(error_percent=0.0, latency_ms=None)

    def read(self, situation: Situation) -> Reading:
        """Compare what both did since the step began."""
        interval = situation.interval
        if situation.trouble:
            return Reading(verdict=Verdict.ERROR, text=situation.trouble)
        if interval is None:
            return Reading(verdict=Verdict.HOLD, text="no statistics of this step yet")
        if interval.blue.requests >= self._options.min_requests:
            self._baseline = self._measure(interval.blue)
        green = interval.green
        if green.requests < self._options.min_requests:
            text = f"{green.requests} requests of green, {self._options.min_requests} are needed"
            return Reading(verdict=Verdict.HOLD, text=text)
        return self._compare(self._measure(green), green.requests)

    def close(self) -> None:
        """Nothing is held between two readings."""

    def _compare(self, green: _Baseline, requests: int) -> Reading:
        blue = self._baseline
        text = f"{requests} requests, {green.error_percent:.2f} % failed (blue {blue.error_percent:.2f} %)"
        if green.error_percent - blue.error_percent > self._options.max_error_percent:
            return Reading(verdict=Verdict.FAIL, text=text)
        if green.latency_ms is None or blue.latency_ms is None:
            return Reading(verdict=Verdict.PASS, text=text)
        quantile = f"p{100 * self._options.latency_quantile:g}"
        text += f", {quantile} {green.latency_ms:.0f} ms (blue {blue.latency_ms:.0f} ms)"
        slower = green.latency_ms - blue.latency_ms > self._options.latency_slack_ms
        if slower and green.latency_ms > blue.latency_ms * self._options.max_latency_ratio:
            return Reading(verdict=Verdict.FAIL, text=text)
        return Reading(verdict=Verdict.PASS, text=text)

    def _measure(self, counters: Counters) -> _Baseline:
        return _Baseline(
            error_percent=100 * counters.failures / counters.requests,
            latency_ms=quantile(
                counters.latency_ms, self._options.latency_quantile, at_least=self._options.min_requests
            ),
        )


def quantile(histogram: Mapping[float, int], fraction: float, *, at_least: int = 1) -> float | None:
    """The latency in ms that this fraction of requests did not exceed, linear within a bucket.

    None with fewer observations than `at_least`: proxies merge histograms later than they count.
    What lies above the last bound counts as that bound.
    """
    bounds = sorted(histogram)
    total = histogram[bounds[-1]] if bounds else 0
    if total < at_least:
        return None
    wanted = math.ceil(fraction * total)
    below, low = 0, 0.0
    for bound in bounds:
        if histogram[bound] >= wanted:
            share = (wanted - below) / (histogram[bound] - below)
            return low + share * (bound - low)
        below, low = histogram[bound], bound
    return bounds[-1]
