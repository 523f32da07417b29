"""How far replicas are behind in replaying, in seconds, without writing a heartbeat.

The server's `replay_lag` stands still while a replica replays nothing, so it is only a lower bound. We keep
where the WAL was at each reading: a replica is as far behind as it is long ago that the WAL passed what the
replica has replayed. https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from migsafe.run.pace.measure import NEEDS_MONITOR, Ask, Clock, Measured, clock

KNOWN_AFTER_SECONDS = 10.0  # a replica that was there for less is not missed
FORGOTTEN_AFTER_SECONDS = 300.0  # one that is gone for longer was taken away
_MOST_POSITIONS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One replica as the server sees it: what it has replayed, in bytes, and the server's idea of its lag."""

    name: str
    replayed: float
    lag_seconds: float


@dataclass(slots=True, kw_only=True)
class _Seen:
    first: float
    last: float
    lag: float


class LagTracker:
    """Lags from positions over time. Pure but for what it remembers."""

    def __init__(self) -> None:
        self._positions: deque[tuple[float, float]] = deque(maxlen=_MOST_POSITIONS)
        self._seen: dict[str, _Seen] = {}

    def lags(self, now: float, position: float, replicas: Iterable[Replica]) -> dict[str, float]:
        """Seconds behind, by name. A replica that has vanished falls behind until it is forgotten."""
        if not self._positions or position > self._positions[-1][1]:
            self._positions.append((now, position))
        found: dict[str, float] = {}
        for replica in replicas:
            lag = self._lag(now, replica)
            found[replica.name] = max(lag, found.get(replica.name, 0.0))
            seen = self._seen.setdefault(replica.name, _Seen(first=now, last=now, lag=lag))
            seen.last, seen.lag = now, found[replica.name]
        return found | self._vanished(now, found)

    def _lag(self, now: float, replica: Replica) -> float:
        """Since when the WAL is further than this replica; at once when it was so when we first looked."""
        if replica.replayed >= self._positions[-1][1]:
            return 0.0
        passed = next(at for at, position in self._positions if position > replica.replayed)
        return max(now - passed, replica.lag_seconds)

    def _vanished(self, now: float, found: dict[str, float]) -> dict[str, float]:
        missing = {name: seen for name, seen in self._seen.items() if name not in found}
        for name, seen in missing.items():
            was_there = seen.last - seen.first >= KNOWN_AFTER_SECONDS
            if not was_there or now - seen.last > FORGOTTEN_AFTER_SECONDS:
                del self._seen[name]
        return {
            f"{name} (not connected)": seen.lag + now - seen.last
            for name, seen in missing.items()
            if name in self._seen
        }


class ReplicaLag:
    """Seconds that the slowest streaming replica is behind; 0 without one."""

    name = "replica-lag"

    def __init__(self, query: sql.Composable, ignored: tuple[str, ...] = (), now: Clock = clock) -> None:
        self._query, self._ignored, self._now = query, ignored, now
        self._tracker = LagTracker()

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        rows = ask(self._query)
        if rows[0][4]:
            return Measured(value=None, text=NEEDS_MONITOR, available=False)
        replicas = [
            Replica(name=name, replayed=replayed, lag_seconds=lag)
            for _, name, replayed, lag, _ in rows
            if name is not None and replayed is not None and name.partition(" at ")[0] not in self._ignored
        ]
        lags = self._tracker.lags(self._now(), rows[0][0], replicas)
        if not lags:
            return Measured(value=0.0, text="no replica")
        slowest = max(lags, key=lambda name: lags[name])
        text = slowest if len(lags) == 1 else f"{slowest}, of {len(lags)}"
        return Measured(value=lags[slowest], text=text)

    def close(self) -> None:
        """See `Signal`."""
