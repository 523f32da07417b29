"""How far the server is with CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY, and whom it waits for.

https://www.postgresql.org/docs/current/progress-reporting.html#CREATE-INDEX-PROGRESS-REPORTING
"""

from dataclasses import dataclass

from psycopg.rows import class_row

from migsafe.run.connect import Conn

# Where each phase begins, and how much of the whole it is: about what they take of a large table.
_PHASES = {
    "initializing": (0.0, 0.0),
    "waiting for writers before build": (0.0, 0.02),
    "building index": (0.02, 0.66),
    "building index: scanning table": (0.02, 0.4),
    "building index: sorting live tuples": (0.42, 0.06),
    "building index: loading tuples in tree": (0.48, 0.2),
    "waiting for writers before validation": (0.68, 0.02),
    "index validation: scanning index": (0.7, 0.08),
    "index validation: sorting tuples": (0.78, 0.02),
    "index validation: scanning table": (0.8, 0.15),
    "waiting for old snapshots": (0.95, 0.02),
    "waiting for readers before marking dead": (0.97, 0.02),
    "waiting for readers before dropping": (0.99, 0.01),
}
_QUERY = """
    SELECT p.pid, p.command, p.phase, coalesce(p.index_relid::regclass::text, '') AS index,
           p.relid::regclass::text AS "table", p.blocks_total, p.blocks_done, p.tuples_total, p.tuples_done,
           p.lockers_total, p.lockers_done,
           ARRAY (
               SELECT concat(
                          'pid ', b.pid,
                          ' (' || nullif(concat_ws(
                              ', ', nullif(a.application_name, ''), 'role ' || a.usename,
                              'transaction open for '
                              || extract(epoch FROM clock_timestamp() - a.xact_start)::int || ' s'
                          ), '') || ')'
                      )
               FROM unnest(pg_blocking_pids(p.pid)) AS b (pid) LEFT JOIN pg_stat_activity a ON a.pid = b.pid
               ORDER BY a.xact_start NULLS LAST LIMIT 5
           ) AS waits_for
    FROM pg_stat_progress_create_index p JOIN pg_stat_activity s ON s.pid = p.pid
    WHERE p.datname = current_database() AND (p.pid = %(pid)s OR s.application_name = %(name)s)
    ORDER BY p.pid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """What one server process is building. `waits_for` are those whose transactions must end first."""

    pid: int
    command: str
    phase: str
    index: str
    table: str
    blocks_total: int
    blocks_done: int
    tuples_total: int
    tuples_done: int
    lockers_total: int
    lockers_done: int
    waits_for: list[str]

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1, as far as can be told."""
        # The access method has its own words behind a colon, and other methods other ones.
        first, width = _PHASES.get(self.phase) or _PHASES.get(self.phase.partition(":")[0]) or (0.0, 0.0)
        counts = (
            (self.blocks_done, self.blocks_total),
            (self.tuples_done, self.tuples_total),
            (self.lockers_done, self.lockers_total),
        )
        return first + width * next((min(1.0, done / total) for done, total in counts if total), 0.0)

    @property
    def said(self) -> str:
        """For people: the phase, and whom it waits for."""
        return f"{self.phase}: {'; '.join(self.waits_for)}" if self.waits_for else self.phase


def read_builds(conn: Conn, *, pid: int = 0, name: str = "") -> tuple[Building, ...]:
    """What this process, or sessions of this name, build now."""
    with conn.cursor(row_factory=class_row(Building)) as cursor:
        return tuple(cursor.execute(_QUERY, {"pid": pid, "name": name}).fetchall())
