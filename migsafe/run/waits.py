"""Who waits for whom: the sessions that a process of ours holds up, themselves or through others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from migsafe.run.connect import APPLICATION_NAME, Conn

_TRAFFIC = frozenset({"AccessShareLock", "RowShareLock", "RowExclusiveLock"})

# Only while somebody waits does this ask for blockers, which stops the lock manager for a moment. What a
# role may not see of others' sessions is hidden in pg_stat_activity; pg_locks hides nothing. An ordinary
# autovacuum skips a table that is locked, so one that waits for its table is there to prevent wraparound.
# https://www.postgresql.org/docs/current/view-pg-locks.html
_QUERY = """
    WITH asked AS MATERIALIZED (
        SELECT pid, locktype, mode, waitstart FROM pg_locks WHERE NOT granted
        ORDER BY waitstart NULLS LAST LIMIT 50
    )
    SELECT l.pid, pg_blocking_pids(l.pid) AS blockers,
           greatest(0, coalesce(extract(epoch FROM clock_timestamp() - l.waitstart), 0))::float8 AS seconds,
           l.locktype, l.mode,
           coalesce(a.application_name, '') AS application, coalesce(a.usename, '') AS role,
           a.usesysid IS NULL AS of_server,
           l.pid IN (SELECT h.pid FROM pg_locks h WHERE h.relation = to_regclass('migsafe.lease')) AS fenced,
           a.usesysid IS NULL AND coalesce(
               CASE WHEN a.query = '<insufficient privilege>' THEN l.mode = 'ShareUpdateExclusiveLock'
                    ELSE a.query LIKE '%(to prevent wraparound)' END,
               false) AS wraparound
    FROM asked l LEFT JOIN pg_stat_activity a USING (pid)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A process that waits for a lock, and the processes that hold it or are before it in the queue."""

    pid: int
    blockers: Sequence[int]
    seconds: float
    locktype: str
    mode: str
    application: str
    role: str
    fenced: bool  # in a transaction that has checked its lease
    of_server: bool  # not a client's session: autovacuum, for example
    wraparound: bool

    @property
    def is_ours(self) -> bool:
        """Whether it is a session of migsafe: those have deadlines of their own.

        The name alone says it only of DDL: behind a pooler the application may get a connection that was ours
        and still has its name.
        """
        return self.fenced or (not self.is_traffic and self._has_our_name)

    @property
    def _has_our_name(self) -> bool:
        return self.application == APPLICATION_NAME or self.application.startswith(
            (f"{APPLICATION_NAME}: ", f"{APPLICATION_NAME} heartbeat", f"{APPLICATION_NAME} guard")
        )

    @property
    def matters(self) -> bool:
        """Whether its waiting counts: the application's does, and a vacuum's that prevents wraparound."""
        return self.wraparound if self.of_server else not self.is_ours

    @property
    def is_traffic(self) -> bool:
        """Whether it wants to read or write rows, as against DDL, VACUUM and builds of indexes."""
        if self.wraparound:
            return False
        return self.mode in _TRAFFIC if self.locktype == "relation" else self.locktype != "virtualxid"

    def __str__(self) -> str:
        """For people: who it is."""
        if self.wraparound:
            return f"pid {self.pid} (autovacuum to prevent wraparound)"
        who = ", ".join(part for part in (self.application, f"role {self.role}" if self.role else "") if part)
        return f"pid {self.pid} ({who})" if who else f"pid {self.pid}"


def read_waits(conn: Conn) -> tuple[Wait, ...]:
    """Whoever waits for a lock now: the fifty who have waited longest."""
    with conn.cursor(row_factory=class_row(Wait)) as cursor:
        return tuple(cursor.execute(_QUERY).fetchall())


def held_up(waits: Iterable[Wait], ours: int) -> tuple[Wait, ...]:
    """Those that wait for our process, or for somebody who waits for it."""
    by_pid = {wait.pid: wait for wait in waits}
    behind: set[int] = set()
    grown = True
    while grown:
        more = {
            pid
            for pid, wait in by_pid.items()
            if pid != ours and pid not in behind and (ours in wait.blockers or behind & set(wait.blockers))
        }
        behind |= more
        grown = bool(more)
    return tuple(wait for pid, wait in by_pid.items() if pid in behind)


def only_ours(waits: Iterable[Wait], wait: Wait, ours: int) -> bool:
    """Whether this one could go on if our process were gone: nobody else is at the root of its waiting."""
    by_pid = {each.pid: each for each in waits}
    seen: set[int] = set()
    todo = list(wait.blockers)
    while todo:
        pid = todo.pop()
        if pid == ours or pid in seen:
            continue
        seen.add(pid)
        if pid not in by_pid:
            return False
        todo.extend(by_pid[pid].blockers)
    return True
