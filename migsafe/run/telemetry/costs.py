"""What a command has cost so far: seconds that it waited for signals, and that others waited for it."""

from typing import Any

from migsafe.run.events import BatchDone, BlockedSoFar, Event, PaceRead, RolloutOpened


class Costs:
    """Adds up over all rollouts that one process opens, one after the other; each counts from zero."""

    def __init__(self) -> None:
        self.throttled: dict[str, float] = {}
        self.blocked_seconds = 0.0
        self.longest_blocked_seconds = 0.0
        self.waits = 0
        self.rows = 0
        self._former: dict[str, float] = {}
        self._former_seconds, self._former_waits = 0.0, 0

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case RolloutOpened():
                self._former = dict(self.throttled)
                self._former_seconds, self._former_waits = self.blocked_seconds, self.waits
            case PaceRead(throttled_seconds=now):
                names = {*self._former, *now}
                self.throttled = {name: self._former.get(name, 0.0) + now.get(name, 0.0) for name in names}
            case BlockedSoFar(seconds=seconds, waits=waits, longest_seconds=longest):
                self.blocked_seconds = self._former_seconds + seconds
                self.waits = self._former_waits + waits
                self.longest_blocked_seconds = max(self.longest_blocked_seconds, longest)
            case BatchDone(rows=rows):
                self.rows += rows
            case _:
                pass

    def document(self) -> dict[str, Any]:
        """The sums, for JSON."""
        return {
            "throttled_seconds": round(sum(self.throttled.values()), 3),
            "throttled_by": {name: round(self.throttled[name], 3) for name in sorted(self.throttled)},
            "blocked_seconds": round(self.blocked_seconds, 3),
            "longest_blocked_seconds": round(self.longest_blocked_seconds, 3),
            "blocked_waits": self.waits,
        }
