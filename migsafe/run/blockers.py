"""Who holds locks that a strong lock would have to wait for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from migsafe.effects.model import Lock, LockMode
from migsafe.run.connect import Conn

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
_QUERY = """
    SELECT l.pid, coalesce(a.application_name, '') AS application, coalesce(a.usename, '') AS role,
           coalesce(a.state, '') AS state,
           coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8 AS transaction_seconds,
           coalesce(extract(epoch FROM clock_timestamp() - a.query_start), 0)::float8 AS query_seconds,
           coalesce(upper(split_part(ltrim(a.query), ' ', 1)), '') AS command,
           l.relation::regclass::text AS relation,
           l.mode,
           coalesce(a.backend_type = 'autovacuum worker', false) AS autovacuum,
           coalesce(a.query LIKE '%%(to prevent wraparound)', false) AS wraparound
    FROM pg_locks l
    JOIN unnest(%s::text[], %s::text[]) AS wanted (relation, mode)
      ON to_regclass(wanted.relation) = l.relation AND wanted.mode = l.mode
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY a.xact_start NULLS FIRST, l.pid
    LIMIT 50
"""


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
        found = cursor.execute(_QUERY, ([name for name, _ in pairs], [mode for _, mode in pairs])).fetchall()
    return _once(found)


def conflicting(mode: LockMode) -> tuple[str, ...]:
    """The modes, as pg_locks names them, that this mode waits for."""
    names = _CONFLICTS_FROM[mode].split()
    return tuple(name.replace("_", " ").title().replace(" ", "") + "Lock" for name in names)


def _once(found: Sequence[Blocker]) -> tuple[Blocker, ...]:
    seen: dict[object, Blocker] = {}
    for blocker in found:
        seen.setdefault(blocker.pid if blocker.pid is not None else object(), blocker)
    return tuple(seen.values())
