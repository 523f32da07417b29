"""Who holds locks that a strong lock would have to wait for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import sql
from psycopg.rows import class_row

from migsafe.effects.model import Lock, LockMode
from migsafe.run.connect import APPLICATION_NAME, Conn

# https://www.postgresql.org/docs/current/explicit-locking.html#TABLE-LOCK-COMPATIBILITY
_CONFLICTS_FROM = {
    LockMode.ACCESS_SHARE: "ACCESS_EXCLUSIVE",
    LockMode.ROW_SHARE: "EXCLUSIVE ACCESS_EXCLUSIVE",
    LockMode.ROW_EXCLUSIVE: "SHARE SHARE_ROW_EXCLUSIVE EXCLUSIVE ACCESS_EXCLUSIVE",
    LockMode.SHARE_UPDATE_EXCLUSIVE: (
        "SHARE_UPDATE_EXCLUSIVE SHARE SHARE_ROW_EXCLUSIVE EXCLUSIVE ACCESS_EXCLUSIVE"
    ),
    LockMode.SHARE: "ROW_EXCLUSIVE SHARE_UPDATE_EXCLUSIVE SHARE_ROW_EXCLUSIVE EXCLUSIVE ACCESS_EXCLUSIVE",
    LockMode.SHARE_ROW_EXCLUSIVE: (
        "ROW_EXCLUSIVE SHARE_UPDATE_EXCLUSIVE SHARE SHARE_ROW_EXCLUSIVE EXCLUSIVE ACCESS_EXCLUSIVE"
    ),
    LockMode.EXCLUSIVE: (
        "ROW_SHARE ROW_EXCLUSIVE SHARE_UPDATE_EXCLUSIVE SHARE SHARE_ROW_EXCLUSIVE EXCLUSIVE ACCESS_EXCLUSIVE"
    ),
    LockMode.ACCESS_EXCLUSIVE: " ".join(mode.name for mode in LockMode),
}

# A vacuum holds its table for long and would end itself for us only after deadlock_timeout.
_WHO = sql.SQL("""
    SELECT {pid} AS pid, coalesce(a.application_name, '') AS application, coalesce(a.usename, '') AS role,
           coalesce(a.state, '') AS state,
           coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS transaction_seconds,
           coalesce(extract(epoch FROM clock_timestamp() - a.query_start), 0)::float8 AS query_seconds,
           coalesce(upper(split_part(ltrim(a.query), ' ', 1)), '') AS command,
           {what},
           coalesce(a.backend_type = 'autovacuum worker', false) AS autovacuum,
           coalesce(a.query LIKE '%%(to prevent wraparound)', false) AS wraparound,
           a.backend_start, a.xact_start,
           coalesce(r.rolsuper, true) AS superuser,
           coalesce(
               (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))
               AND (NOT r.rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)),
               false) AS may_signal
""")
_HELD = sql.SQL("""
    {}
    FROM pg_locks l
    JOIN unnest(%s::text[], %s::text[]) AS wanted (relation, mode)
      ON to_regclass(wanted.relation) = l.relation AND wanted.mode = l.mode
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN pg_roles r ON r.oid = a.usesysid
    WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY a.xact_start NULLS FIRST, l.pid
    LIMIT 50
""").format(_WHO.format(pid=sql.SQL("l.pid"), what=sql.SQL("l.relation::regclass::text AS relation, l.mode")))
_SNAPSHOTS = sql.SQL("""
    {}
    FROM pg_stat_activity a
    LEFT JOIN pg_roles r ON r.oid = a.usesysid
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
      AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
      AND a.xact_start < clock_timestamp() - make_interval(secs => %s)
    ORDER BY a.xact_start
    LIMIT 50
""").format(
    _WHO.format(
        pid=sql.SQL("a.pid"),
        what=sql.SQL("'this database'::text AS relation, 'an old snapshot'::text AS mode"),
    )
)


class Kind(StrEnum):
    """What a session that is in the way is."""

    PREPARED = "prepared"  # a transaction that was prepared and not committed
    WRAPAROUND = "wraparound"  # an autovacuum that prevents wraparound
    AUTOVACUUM = "autovacuum"
    MIGSAFE = "migsafe"
    DUMP = "pg_dump"
    IDLE = "idle-in-transaction"
    VACUUM = "vacuum"  # VACUUM, ANALYZE, CLUSTER or REINDEX, as somebody said
    ACTIVE = "active"
    UNKNOWN = "unknown"  # our role may not see what it does


_MAINTENANCE = frozenset({"VACUUM", "ANALYZE", "CLUSTER", "REINDEX"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A session that holds a conflicting lock now. Times are in seconds."""

    pid: int | None  # None for a prepared transaction
    application: str
    role: str
    state: str
    transaction_seconds: float
    query_seconds: float
    command: str
    relation: str
    mode: str
    autovacuum: bool
    wraparound: bool
    backend_start: datetime | None
    xact_start: datetime | None
    superuser: bool
    may_signal: bool  # whether our role may end it

    @property
    def kind(self) -> Kind:
        """What it is."""
        if self.pid is None:
            return Kind.PREPARED
        if self.autovacuum:
            return Kind.WRAPAROUND if self.wraparound else Kind.AUTOVACUUM
        if self.application == APPLICATION_NAME or self.application.startswith(
            (f"{APPLICATION_NAME}: ", f"{APPLICATION_NAME} ")
        ):
            return Kind.MIGSAFE
        if not self.state:
            return Kind.UNKNOWN
        if self.application.startswith(("pg_dump", "pg_basebackup")):
            return Kind.DUMP
        if self.state.startswith("idle in transaction"):
            return Kind.IDLE
        return Kind.VACUUM if self.command.rstrip("(;") in _MAINTENANCE else Kind.ACTIVE

    @property
    def gives_way(self) -> bool:
        """Whether PostgreSQL ends it for us when we wait longer than deadlock_timeout."""
        return self.autovacuum and not self.wraparound

    def __str__(self) -> str:
        """For people: who, doing what, for how long, holding what."""
        held = f"holds {self.mode} on {self.relation}"
        if self.pid is None:
            return f"a prepared transaction (see pg_prepared_xacts) {held}"
        if self.autovacuum:
            kind = "autovacuum to prevent wraparound (do not kill it)" if self.wraparound else "autovacuum"
            return f"pid {self.pid}, {kind}, for {self.transaction_seconds:.1f} s, {held}"
        who = ", ".join(part for part in (self.application, f"role {self.role}") if part)
        what = f"{self.state} after {self.command}" if self.state.startswith("idle") else self.command
        return (
            f"pid {self.pid} ({who}), {what}, transaction open for {self.transaction_seconds:.1f} s, {held}"
        )


def find_blockers(conn: Conn, locks: Iterable[Lock]) -> tuple[Blocker, ...]:
    """Who holds what conflicts with these locks, the oldest transaction first; each session once."""
    pairs = [(lock.relation.sql, held) for lock in locks for held in conflicting(lock.mode)]
    with conn.cursor(row_factory=class_row(Blocker)) as cursor:
        found = cursor.execute(_HELD, ([name for name, _ in pairs], [mode for _, mode in pairs])).fetchall()
    return _once(found)


def find_old_snapshots(conn: Conn, *, seconds: float = 1.0) -> tuple[Blocker, ...]:
    """Whose transactions what runs CONCURRENTLY has to wait for, on whatever table: those older than this.

    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    with conn.cursor(row_factory=class_row(Blocker)) as cursor:
        return tuple(cursor.execute(_SNAPSHOTS, (seconds,)).fetchall())


def conflicting(mode: LockMode) -> tuple[str, ...]:
    """The modes, as pg_locks names them, that this mode waits for."""
    names = _CONFLICTS_FROM[mode].split()
    return tuple(name.replace("_", " ").title().replace(" ", "") + "Lock" for name in names)


def _once(found: Sequence[Blocker]) -> tuple[Blocker, ...]:
    seen: dict[object, Blocker] = {}
    for blocker in found:
        seen.setdefault(blocker.pid if blocker.pid is not None else object(), blocker)
    return tuple(seen.values())
