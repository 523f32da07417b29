"""How big the next batch is, and how fast it goes."""

import math
from dataclasses import dataclass, field

_HALF_LIFE_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class WindowSize:
    """A number of pages that keeps a batch near, and mostly below, its target time."""

    pages: int
    most: int
    target_seconds: float
    last_seconds: float = 0.0

    def after(self, seconds: float) -> None:
        """Learn from a batch: grow at most twofold, shrink as far as it takes."""
        self.last_seconds = seconds
        factor = min(2.0, 0.7 * self.target_seconds / max(seconds, 1e-6))
        if factor > 1.2 or seconds > self.target_seconds:
            self.pages = max(1, min(self.most, int(self.pages * factor)))

    def halve(self) -> bool:
        """Make it smaller after a batch that could not be finished; False when it cannot get smaller."""
        smaller = max(1, self.pages // 2)
        changed = smaller < self.pages
        self.pages = smaller
        return changed


@dataclass(slots=True)
class Rate:
    """Something per second of working time, of which the last seconds count most."""

    _amount: float = field(default=0.0)
    _seconds: float = field(default=0.0)

    def add(self, amount: float, seconds: float) -> None:
        """Note what was done in this much time; time spent waiting on purpose is not to be counted."""
        kept = math.pow(0.5, seconds / _HALF_LIFE_SECONDS)
        self._amount = self._amount * kept + amount
        self._seconds = self._seconds * kept + seconds

    @property
    def per_second(self) -> float:
        """0 before anything was noted."""
        return self._amount / self._seconds if self._seconds > 0 else 0.0
