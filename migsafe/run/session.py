"""What every step needs while it runs: the connection, the lease, and who listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import sql

from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.run.connect import Conn
from migsafe.run.events import BlockedSoFar, Event, Observer, RolloutOpened
from migsafe.run.lease import taken_over
from migsafe.run.ledger.model import Request, StopRequested
from migsafe.run.order import stages_of
from migsafe.run.settings import Settings
from migsafe.run.totals import Totals
from migsafe.run.watched import MAIN, Watched

_KNOWS_TRANSACTION_TIMEOUT = 170000
_LOOK = """
    SELECT r.request, pg_backend_pid() FROM migsafe.lease l JOIN migsafe.rollout r ON r.id = l.rollout_id
    WHERE l.rollout_id = %s AND l.token = %s
"""
_FENCE = _LOOK + " FOR KEY SHARE OF l"
_LOOK_ONLY = "SELECT request, pg_backend_pid() FROM migsafe.rollout WHERE id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the ladder must know about the server."""

    deadlock_seconds: float
    checks_clients: bool  # whether client_connection_check_interval works on its platform
    waits_for_standbys: bool  # at commit


@dataclass(slots=True)
class Line:
    """The connection of a session. Another one takes its place when it is lost."""

    conn: Conn
    is_waited_for: bool = True  # whether somebody has the time to wait for another one

    def close(self) -> None:
        """Close the connection that there is now."""
        self.conn.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One hold on a rollout. Its connection is used by one thread only.

    Without a `token` it is that of a worker who joined: no lease is its own, and none of its transactions
    does more than chunks allow that are its own (`migsafe.run.claim`).
    """

    line: Line
    dsn: str
    plan: Plan
    rollout_id: int
    token: int | None
    server: Server
    settings: Settings
    observer: Observer
    watched: Watched = field(default_factory=Watched)
    totals: Totals = field(default_factory=Totals)
    seat: str = MAIN  # by which the guard knows this session

    @property
    def conn(self) -> Conn:
        """The connection as it is now."""
        return self.line.conn

    def emit(self, event: Event) -> None:
        """Tell the observer."""
        self.observer(event)

    def fence(self) -> Request | None:
        """Make sure, inside a transaction and until its end, that the lease is ours. Returns what was asked.

        From here on the guard may cancel what keeps others waiting, until `guarded` ends.

        Raises:
            Fenced: Somebody took the rollout over.
        """
        request, pid = self._look(_FENCE)
        self.watched.enter(self.seat, pid)
        return request

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """The part of a transaction that the guard may cancel, before it ends: fence() begins it."""
        try:
            yield
        finally:
            self.watched.leave(self.seat)

    def gave_way(self) -> bool:
        """Whether the statement that was cancelled just now was so by the guard. Told once."""
        event = self.watched.gave_way(self.seat)
        if event is not None:
            self.emit(event)
        return event is not None

    def tell_blocked(self) -> None:
        """Tell what others have waited for us, if it has become more since it was told."""
        blocked = self.totals.blocked
        if blocked != self.totals.told:
            self.totals.told = blocked
            self.emit(
                BlockedSoFar(
                    seconds=blocked.seconds,
                    longest_seconds=blocked.longest_seconds,
                    waits=blocked.waits,
                    gave_way=blocked.gave_way,
                    budget_seconds=self.settings.blocked_budget,
                )
            )

    def check(self) -> None:
        """Look, outside a transaction, whether the work may go on.

        Raises:
            Fenced: Somebody took the rollout over.
            StopRequested: Somebody asked us to stop.
        """
        asked, _ = self._look(_LOOK)
        if asked is not None:
            raise StopRequested(asked)

    @contextmanager
    def transaction(self, *, seconds: float = 10.0) -> Iterator[None]:
        """A transaction that holds the lease; each of its statements gets this many seconds."""
        with self.conn.transaction(), self.guarded():
            self.limit(lock_seconds=seconds, statement_seconds=seconds)
            self.fence()
            yield

    def limit(self, *, lock_seconds: float, statement_seconds: float | None) -> None:
        """Set the timeouts of the current transaction. None means no limit for a statement."""
        self.conn.execute(self.limits(lock_seconds=lock_seconds, statement_seconds=statement_seconds))

    def limits(self, *, lock_seconds: float, statement_seconds: float | None) -> sql.Composed:
        """The statements that set the timeouts of the current transaction.

        Should this process stop or die in the middle, the server ends the transaction: at once when the
        connection breaks, after two seconds when it just goes silent.
        """
        values: dict[str, int | str] = {
            "lock_timeout": _milliseconds(lock_seconds),
            "statement_timeout": 0 if statement_seconds is None else _milliseconds(statement_seconds),
            "idle_in_transaction_session_timeout": 2000,
            # Rows that a policy would hide from us are an error, never silently left out.
            # https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-ROW-SECURITY
            "row_security": "off",
        }
        if self.conn.info.server_version >= _KNOWS_TRANSACTION_TIMEOUT:
            values["transaction_timeout"] = 0  # a role's own would end what may take long
        if self.server.checks_clients:
            values["client_connection_check_interval"] = 1000
        return sql.SQL("; ").join(
            sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value))
            for name, value in values.items()
        )

    def _look(self, query: LiteralString) -> tuple[Request | None, int]:
        if self.token is None:
            row = self.conn.execute(_LOOK_ONLY, (self.rollout_id,)).fetchone()
        else:
            row = self.conn.execute(query, (self.rollout_id, self.token)).fetchone()
        if row is None:
            raise taken_over(self.plan.name)
        return Request(row[0]) if row[0] else None, int(row[1])


def opened(conn: Conn, plan: Plan, rollout_id: int, *, role: str, stage: Stage) -> RolloutOpened:
    """The event that says which rollout all that follows is about."""
    return RolloutOpened(
        rollout=plan.name,
        rollout_id=rollout_id,
        role=role,
        stage=stage,
        stages=stages_of(plan),
        database=conn.info.dbname,
        server_address=conn.info.host,
        server_port=conn.info.port,
    )


def inspect_server(conn: Conn) -> Server:
    """Ask the server for what the ladder must know."""
    row = conn.execute(
        "SELECT extract(epoch FROM current_setting('deadlock_timeout')::interval)::float8, "
        "current_setting('synchronous_standby_names') <> ''"
    ).fetchone()
    try:
        with conn.transaction():
            conn.execute("SET LOCAL client_connection_check_interval = 1000")
        checks = True
    except psycopg.errors.InvalidParameterValue:  # not on every platform
        checks = False
    return Server(
        deadlock_seconds=float(row[0]) if row else 1.0,
        checks_clients=checks,
        waits_for_standbys=bool(row and row[1]),
    )


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would mean no limit
