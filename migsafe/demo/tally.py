"""What the load counted: requests, failures, who answered, how long it took."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

EXAMPLES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The load's own summary; times in milliseconds.

    `crossed` counts the reads that one version answered rightly after the other had written.
    """

    requests: int = 0
    failed: int = 0
    crossed: int = 0
    inserted: int = 0
    by_version: Mapping[str, int] = field(default_factory=dict)
    failed_by_version: Mapping[str, int] = field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    examples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def report_from(data: Mapping[str, object]) -> Report:
    """The report that `to_json` made."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return Report(**values)  # type: ignore[arg-type]  # written by our own child process a moment ago


class Tally:
    """Counts from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: list[float] = []
        self._answered: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._crossed = 0
        self._inserted = 0
        self._examples: list[str] = []

    def request(self, version: str, seconds: float) -> None:
        """One request was sent, whatever came of it; `version` answered."""
        with self._lock:
            self._seconds.append(seconds)
            self._answered[version] += 1

    def failure(self, version: str, what: str) -> None:
        """The request that was counted just now failed: no answer, a wrong status or a wrong value."""
        with self._lock:
            self._failed[version] += 1
            if len(self._examples) < EXAMPLES:
                self._examples.append(f"{version}: {what}")

    def crossed(self) -> None:
        """One version read rightly what the other wrote."""
        with self._lock:
            self._crossed += 1

    def inserted(self) -> None:
        """A new row was confirmed."""
        with self._lock:
            self._inserted += 1

    def report(self, *, with_times: bool) -> Report:
        """Where the counts stand; percentiles cost a sort."""
        with self._lock:
            times = sorted(self._seconds) if with_times else []
            return Report(
                requests=len(self._seconds),
                failed=self._failed.total(),
                crossed=self._crossed,
                inserted=self._inserted,
                by_version=dict(self._answered),
                failed_by_version=dict(self._failed),
                p50_ms=percentile(times, 50),
                p99_ms=percentile(times, 99),
                max_ms=percentile(times, 100),
                examples=tuple(self._examples),
            )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The value at this percentile of ordered seconds, in milliseconds; 0 for none (nearest rank)."""
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * percent // 100))
    return round(ordered[rank - 1] * 1000, 2)
