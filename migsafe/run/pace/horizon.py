"""How long dead rows have been kept from being removed: by transactions, and by queries on replicas."""

from psycopg import sql

from migsafe.run.pace.measure import NEEDS_MONITOR, Ask, Clock, Measured, clock


class OldestXmin:
    """Seconds since what holds back the horizon longest began; of replicas and slots, since we see it."""

    name = "oldest-xmin"

    def __init__(self, query: sql.Composable, now: Clock = clock) -> None:
        self._query, self._now = query, now
        self._first_seen: dict[tuple[str, str], float] = {}

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        rows = ask(self._query)
        if rows[0][3]:
            return Measured(value=None, text=NEEDS_MONITOR, available=False)
        now = self._now()
        standing = {(who, xmin) for _, who, xmin, _ in rows if xmin is not None}
        self._first_seen = {key: self._first_seen.get(key, now) for key in standing}
        ages = [(seconds, who) for seconds, who, xmin, _ in rows if who is not None and xmin is None]
        ages += [(now - seen, who) for (who, _), seen in self._first_seen.items()]
        if not ages:
            return Measured(value=0.0, text="no transaction")
        seconds, who = max(ages)
        return Measured(value=max(0.0, seconds), text=who)

    def close(self) -> None:
        """See `Signal`."""
