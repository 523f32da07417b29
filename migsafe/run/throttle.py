"""Reasons to go slower."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Wait this long before the next batch, and why."""

    seconds: float
    reason: str


@dataclass(slots=True)
class RowBudget:
    """When a worker may go on that may do only so many rows per second; its share changes as others come."""

    _due: float = 0.0

    def after(self, *, rows: int, seconds: float, now: float, per_second: float) -> float:
        """How long to pause after a batch that took `seconds` and ended now. Unused time is not saved up."""
        self._due = max(self._due, now - seconds) + rows / per_second
        return max(0.0, self._due - now)
