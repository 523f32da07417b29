"""The signals that the server itself gives, each from a query in sql/."""

from importlib.resources import files

from psycopg import sql

from migsafe.run.pace.horizon import OldestXmin
from migsafe.run.pace.measure import NEEDS_MONITOR, Ask, Clock, Measured, Signal, clock
from migsafe.run.pace.replicas import ReplicaLag
from migsafe.sql.names import Name

_QUERIES = {
    "slot-wal": "slot_wal",
    "archive-queue": "archive_queue",
    "vacuum": "vacuum",
    "active-sessions": "active_sessions",
    "lock-waiters": "lock_waiters",
}


def query(name: str) -> sql.SQL:
    """The query in sql/ of this name."""
    return sql.SQL(files("migsafe.run.pace").joinpath("sql", f"{name}.sql").read_text())


class QuerySignal:
    """One query with one row: value, text, ceiling, and whether rights are missing."""

    def __init__(self, name: str, query: sql.Composable) -> None:
        self.name = name
        self._query = query

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        ((value, text, ceiling, denied),) = ask(self._query)
        if denied:
            return Measured(value=None, text=NEEDS_MONITOR, available=False)
        return Measured(value=value, text=text, ceiling=ceiling)

    def close(self) -> None:
        """See `Signal`."""


class WalRate:
    """Bytes of WAL per second between two readings; the first one says nothing yet."""

    name = "wal-rate"

    def __init__(self, now: Clock = clock) -> None:
        self._now = now
        self._query = query("wal_position")
        self._last: tuple[float, float] | None = None

    def read(self, ask: Ask) -> Measured:
        """See `Signal`."""
        ((position,),) = ask(self._query)
        now, last = self._now(), self._last
        self._last = (now, position)
        if last is None or now <= last[0]:
            return Measured(value=0.0, text="first reading")
        return Measured(value=max(0.0, position - last[1]) / (now - last[0]), text="of the whole server")

    def close(self) -> None:
        """See `Signal`."""


def server_signals(table: Name, ignored_replicas: tuple[str, ...] = ()) -> tuple[Signal, ...]:
    """All of them, for a backfill of this table; some replicas may be late on purpose."""
    simple = [
        QuerySignal(
            name, query(file).format(table=sql.Literal(table.sql)) if name == "vacuum" else query(file)
        )
        for name, file in _QUERIES.items()
    ]
    return (
        ReplicaLag(query("replicas"), ignored_replicas),
        WalRate(),
        OldestXmin(query("oldest_xmin")),
        *simple,
    )
