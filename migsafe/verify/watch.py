"""Watches, from other connections, a statement that cannot run in a transaction.

Such a statement holds each lock only for a moment. So a gatekeeper for every table takes SHARE UPDATE
EXCLUSIVE first: whatever the statement asks for has to wait, and is seen in pg_locks; then that one
gatekeeper goes. Two more, with ROW EXCLUSIVE and ACCESS SHARE, make a stronger request that comes later
wait too. The same goes for the transactions that CONCURRENTLY waits for.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from threading import Thread
from typing import Any

import psycopg
from psycopg import sql as pgsql

from migsafe.effects.model import LockMode
from migsafe.sql.names import Name
from migsafe.verify.model import Observed
from migsafe.verify.observe import (
    TABLES,
    Connection,
    Notices,
    Relation,
    failed,
    query,
    relations,
    summed_up,
)

_MODES = (LockMode.SHARE_UPDATE_EXCLUSIVE, LockMode.ROW_EXCLUSIVE, LockMode.ACCESS_SHARE)
_LOCKABLE = frozenset("rpm")
_LOCK = pgsql.SQL("LOCK TABLE ONLY {} IN {} MODE")
# LOCK TABLE knows no materialized views: these take the same locks on one.
_LOCK_VIEW = {
    LockMode.SHARE_UPDATE_EXCLUSIVE: pgsql.SQL("COMMENT ON MATERIALIZED VIEW {} IS NULL"),
    LockMode.ACCESS_SHARE: pgsql.SQL("SELECT FROM {} LIMIT 0"),
}
STATISTICS_SECONDS = 10.0
_POLL_SECONDS = 0.002


def watch(
    connect: Callable[[], Connection],
    statement: str,
    *,
    gates: Iterable[Name] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Observed:
    """Runs a statement outside a transaction and sees what it does; what it did stays.

    `connect` gives new autocommit connections to one database that nobody else uses. `gates` are the
    tables to watch closely, None for all of them: there are three connections for each. `settings` are
    those of the session that the statement belongs to.
    """
    with ExitStack() as stack:
        observer = stack.enter_context(connect())
        before = relations(observer)
        wanted = None if gates is None else set(gates)
        scanned_before, marked_before = _scans(observer)
        gatekeepers = {
            keeper.info.backend_pid: keeper
            for found in before.values()
            if found.kind in _LOCKABLE and (wanted is None or found.name in wanted)
            for keeper in _gatekeepers(stack, connect, found)
        }
        runner = _Runner(stack.enter_context(connect()), statement, settings or {})
        held = _follow(observer, runner, gatekeepers)
        if runner.error is not None:
            return failed(runner.error)
        for keeper in gatekeepers.values():
            keeper.rollback()
        runner.connection.execute(query("mark"))
        runner.connection.close()
        scanned = _scanned_since(observer, scanned_before, marked_before)
        on_tables = {oid: mode for oid, mode in held.items() if oid in before and before[oid].kind in TABLES}
        return summed_up(before, relations(observer), on_tables, scanned, runner.notices, runner.seconds)


def _gatekeepers(
    stack: ExitStack, connect: Callable[[], Connection], found: Relation
) -> Iterable[Connection]:
    for mode in _MODES:
        template = _LOCK_VIEW.get(mode) if found.kind == "m" else _LOCK
        if template is None:
            continue
        keeper = stack.enter_context(connect())
        keeper.autocommit = False
        name = pgsql.Identifier(found.name.schema or "", found.name.name)
        keeper.execute(template.format(name, pgsql.SQL(mode.label)))
        yield keeper


class _Runner:
    """The statement in a thread of its own."""

    def __init__(self, connection: Connection, statement: str, settings: Mapping[str, str]) -> None:
        self.connection = connection
        self.pid = connection.info.backend_pid
        self.notices = Notices()
        self.error: psycopg.Error | None = None
        self.seconds = 0.0
        self._statement = statement
        for name, value in {**settings, "client_min_messages": "debug1"}.items():
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
        connection.add_notice_handler(self.notices.hear)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        start = time.perf_counter()
        try:
            self.connection.execute(self._statement.encode())
        except psycopg.Error as error:
            self.error = error
        self.seconds = time.perf_counter() - start


def _follow(observer: Connection, runner: _Runner, gatekeepers: dict[int, Connection]) -> dict[int, LockMode]:
    """The strongest lock the statement held or asked for on each relation while it ran."""
    held: dict[int, LockMode] = {}
    pid: dict[str, Any] = {"pid": runner.pid}
    while runner.running:
        blockers = {blocker for (blocker,) in observer.execute(query("blockers"), pid).fetchall()}
        for oid, rank in observer.execute(query("locks"), pid).fetchall():
            held[oid] = max(LockMode(rank), held.get(oid, LockMode.ACCESS_SHARE))
        for blocker in blockers & gatekeepers.keys():
            with suppress(psycopg.Error):
                gatekeepers[blocker].rollback()
        if not blockers:
            time.sleep(_POLL_SECONDS)
    return held


def _scans(observer: Connection) -> tuple[dict[int, int], int]:
    observer.execute("SELECT pg_catalog.pg_stat_clear_snapshot()")
    counts = dict(observer.execute(query("all_scans")).fetchall())
    marked = observer.execute(query("marked")).fetchone()
    return counts, marked[0] if marked else 0


def _scanned_since(observer: Connection, before: dict[int, int], marked_before: int) -> set[int]:
    """The tables read in full since then. The server counts when the connection is closed, or soon after.

    Raises:
        TimeoutError: The server does not count (track_counts is off).
    """
    deadline = time.monotonic() + STATISTICS_SECONDS
    marked = marked_before
    while marked == marked_before:
        if time.monotonic() > deadline:
            raise TimeoutError("the server counts no scans; is track_counts off?")
        time.sleep(0.02)
        _, marked = _scans(observer)
    time.sleep(0.02)  # the counts of one backend may come in several parcels
    counts, _ = _scans(observer)
    return {oid for oid, count in counts.items() if count > before.get(oid, 0)}
