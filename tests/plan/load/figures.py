"""What was measured, stage by stage. Threads write it, so every change is made under one lock."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_LISTED = 5


@dataclass(slots=True)
class Figures:
    """One stage, from the moment that work on it began. Times are in seconds."""

    statements: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)  # the first few, in words
    prepared_again: int = 0  # statements that a client had to prepare again, as the plan had warned
    slowest: float = 0.0  # statement of the application
    blocked: float = 0.0  # the longest time that one of them waited for us
    blocked_in: str = ""
    rows: int = 0  # compared between the two versions, or with what was acknowledged

    def cell(self) -> str:
        """Failed statements, the longest block in milliseconds, rows checked."""
        return f"{self.failed} {self.blocked * 1000:4.0f} {_short(self.rows):>5}"


def together(parts: Sequence[Figures]) -> Figures:
    """The figures of several stages as one."""
    longest = max(parts, key=lambda part: part.blocked)
    return Figures(
        statements=sum(part.statements for part in parts),
        failed=sum(part.failed for part in parts),
        failures=[failure for part in parts for failure in part.failures],
        prepared_again=sum(part.prepared_again for part in parts),
        slowest=max(part.slowest for part in parts),
        blocked=longest.blocked,
        blocked_in=longest.blocked_in,
        rows=sum(part.rows for part in parts),
    )


class Recorder:
    """Figures of all stages; `stage` is the one that they belong to now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.stage = ""
        self.by_stage: defaultdict[str, Figures] = defaultdict(Figures)

    def ran(self, seconds: float) -> None:
        with self._lock:
            figures = self.by_stage[self.stage]
            figures.statements += 1
            figures.slowest = max(figures.slowest, seconds)

    def failed(self, what: str) -> None:
        with self._lock:
            figures = self.by_stage[self.stage]
            figures.failed += 1
            if len(figures.failures) < _LISTED:
                figures.failures.append(f"{self.stage}: {what}")

    def prepared_again(self) -> None:
        with self._lock:
            self.by_stage[self.stage].prepared_again += 1

    def blocked(self, seconds: float, what: str) -> None:
        with self._lock:
            figures = self.by_stage[self.stage]
            if seconds > figures.blocked:
                figures.blocked, figures.blocked_in = seconds, what

    def compared(self, rows: int) -> None:
        with self._lock:
            self.by_stage[self.stage].rows += rows

    def failures(self) -> Iterator[str]:
        for figures in self.by_stage.values():
            yield from figures.failures


def _short(number: int) -> str:
    return str(number) if number < 10_000 else f"{number // 1000}k"
