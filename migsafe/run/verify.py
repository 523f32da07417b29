"""Proof that no row differs: reads the table page by page, several times, each row within one snapshot.

Each window is a transaction of its own, so that no old snapshot holds back the table's pruning and
vacuum. A row is compared with itself, so the application's writes are no disturbance.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from psycopg import errors, sql
from psycopg.types.json import Jsonb

from migsafe.errors import RunError, VerificationFailed
from migsafe.plan.model import VerifyStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl
from migsafe.run.cursor import Cursor
from migsafe.run.ledger import rollouts, steps
from migsafe.run.ledger.quarantine import read_quarantine
from migsafe.run.pace.pacer import Pacer, pacing
from migsafe.run.pace.window import WindowSize
from migsafe.run.pages import Leaf, called_as, is_there, read_leaves, window
from migsafe.run.progress import Meter
from migsafe.run.quarantine import Key
from migsafe.run.session import Session

_LISTED = 10
_KEPT = 100
_LOOK_ON_SECONDS = 10.0  # for more of them, after the first rows were found
_STATEMENT_SECONDS = 5.0
_LAST_RESORT_SECONDS = 60.0
_ATTEMPTS = 30


def run_verify(session: Session, step: VerifyStep, reaches: Stage | None) -> None:
    """Read the whole table until it was found right as often as the plan says.

    Raises:
        VerificationFailed: Some rows are not right; ten are listed, up to a hundred kept in the ledger.
        StopRequested: Somebody asked us to stop; the reading goes on where it was.
    """
    row = steps.read_step(session.conn, session.rollout_id, step.id)
    afresh = row.cursor is None or "mismatches" in row.cursor
    cursor = Cursor() if afresh else Cursor.from_json(row.cursor)
    with pacing(session, step.table) as pacer:
        reading = _Reading(session, step, cursor, pacer)
        while reading.cursor.sweep < step.passes:
            reading.read_table()
            if reading.wrong:
                raise _record(session, step, reading.wrong[:_KEPT])
    with session.transaction():
        seconds = ddl.finish(session, step, reaches)
    reading.meter.finish()
    ddl.report_stage(session, reaches, seconds)


class _Reading:
    """One run of the step."""

    def __init__(self, session: Session, step: VerifyStep, cursor: Cursor, pacer: Pacer) -> None:
        self.session, self.step, self.cursor, self.pacer = session, step, cursor, pacer
        self.meter = Meter(session, step.id, 0)
        self.wrong: list[dict[str, Any]] = []
        self._first_wrong_at = 0.0
        self._recorded: Cursor | None = (
            None  # before the first wrong row: should we be killed, it is met again
        )
        self._waived = _waived(session)
        self.size = WindowSize(
            pages=session.settings.window_pages,
            most=session.settings.sweep_pages,
            target_seconds=session.settings.batch_seconds,
        )

    def read_table(self) -> None:
        """One pass, from the cursor on."""
        leaves = read_leaves(self.session.conn, self.step.table)
        self.meter.plan_reading(sum(leaf.pages for leaf in leaves), self.step.passes, self.cursor.sweep)
        for leaf in leaves:
            cursor = self.cursor.within(leaf.oid)
            self.meter.skip(cursor.first if cursor else leaf.pages)
            if cursor is None:
                continue
            self.cursor = cursor
            try:
                while self.cursor.first < leaf.pages and not self._has_enough():
                    self._read_window(leaf)
            except errors.UndefinedTable:
                if is_there(self.session.conn, leaf):
                    raise
        self.cursor = self.cursor.next_sweep()

    def _read_window(self, leaf: Leaf) -> None:
        self.session.check()
        began = time.monotonic()
        first = self.cursor.first
        mismatches = self._read(leaf)
        if mismatches and not self.wrong:
            self._first_wrong_at = began
        self.wrong += mismatches
        seconds = time.monotonic() - began
        self.size.after(seconds)
        self.meter.add(pages=self.cursor.first - first, rows=0, seconds=seconds)
        self.pacer.pause(rows=0, worked=seconds)
        self.size.target_seconds = self.pacer.batch_seconds

    def _has_enough(self) -> bool:
        """Whether it is time to say which rows are wrong."""
        if not self.wrong:
            return False
        return len(self.wrong) >= _KEPT or time.monotonic() - self._first_wrong_at > _LOOK_ON_SECONDS

    def _read(self, leaf: Leaf) -> list[dict[str, Any]]:
        """Read one window, a smaller one when it takes too long; returns what was wrong in it."""
        session, first = self.session, self.cursor.first
        for _ in range(_ATTEMPTS):
            end = min(leaf.pages, first + self.size.pages)
            limit = _STATEMENT_SECONDS if self.size.pages > 1 else _LAST_RESORT_SECONDS
            moved = replace(self.cursor, first=end, end=end)
            began = time.monotonic()
            try:
                with session.transaction(seconds=limit):
                    query = _query(self.step, leaf, first, end, self._waived.get(str(leaf.name), ()))
                    found = session.conn.execute(query).fetchall()
                    if found and self._recorded is None:
                        self._recorded = self.cursor
                    steps.move_cursor(
                        session.conn,
                        session.rollout_id,
                        self.step.id,
                        (self._recorded or moved).to_json(),
                        progress=self.meter.progress,
                    )
                self.cursor = moved
                of = {} if leaf.name == self.step.table else {"relation": str(leaf.name)}
                return [row[0] | of for row in found]
            except errors.QueryCanceled:
                gave_way = session.gave_way()
                if not gave_way and time.monotonic() - began < limit * 0.9:
                    raise
                self.size.halve()
                if gave_way:
                    session.check()
            except errors.LockNotAvailable:
                session.check()  # somebody else's DDL holds the table
        raise RunError(
            f"pages from {first} of {leaf.name} could not be read in {_ATTEMPTS} attempts",
            advice="The table is locked, or one page takes over a minute to compare. Run it again to go on.",
        )


def _waived(session: Session) -> dict[str, list[dict[str, Any]]]:
    """The keys of the rows that may stay as they are, by relation."""
    waived: dict[str, list[dict[str, Any]]] = {}
    for row in read_quarantine(session.conn, session.rollout_id):
        if row.waived_at is not None:
            waived.setdefault(row.relation, []).append(row.key)
    return waived


def _query(
    step: VerifyStep, leaf: Leaf, first: int, end: int, waived: Sequence[dict[str, Any]]
) -> sql.Composed:
    columns: list[sql.Composable] = [
        sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(name)) for name in step.key
    ]
    columns.append(sql.SQL("'ctid', ctid::text"))
    return sql.SQL("SELECT jsonb_build_object({}) FROM {} WHERE {} AND {} LIMIT {}").format(
        sql.SQL(", ").join(columns),
        called_as(leaf, step.table),
        window(first, end),
        _unless(step.mismatch, waived),
        sql.Literal(_KEPT),
    )


def _unless(mismatch: str, waived: Sequence[dict[str, Any]]) -> sql.Composable:
    """The mismatch, not even evaluated for rows of these keys: it may fail on them."""
    condition: sql.Composable = sql.SQL("({})").format(
        sql.SQL(mismatch)  # the plan's own SQL, which a person has reviewed
    )
    for columns in {tuple(sorted(key)) for key in waived}:
        keys = [Jsonb(key) for key in waived if tuple(sorted(key)) == columns]
        key = Key(() if columns == ("ctid",) else columns, ())
        condition = sql.SQL("CASE WHEN {} = ANY ({}::jsonb[]) THEN false ELSE {} END").format(
            key.as_json, sql.Literal(keys), condition
        )
    return condition


def _record(session: Session, step: VerifyStep, mismatches: list[dict[str, Any]]) -> VerificationFailed:
    with session.transaction():
        cursor = {"mismatches": mismatches}
        steps.move_cursor(session.conn, session.rollout_id, step.id, cursor)
        detail = {"step": step.id, "rows": mismatches}
        rollouts.add_audit(session.conn, session.rollout_id, "verification failed", detail)
    listed = mismatches[:_LISTED]
    rows = "\n".join("  " + ", ".join(f"{key} = {value}" for key, value in row.items()) for row in listed)
    if len(mismatches) > _LISTED:
        rows += f"\n  and {len(mismatches) - _LISTED} more (the ledger keeps them: migsafe.step, cursor)"
    return VerificationFailed(
        f"'{step.title}': {len(mismatches)} rows of {step.table} are not right (there may be more):\n{rows}",
        advice="Find out who writes them past the sync trigger, correct them, and run it again.",
    )
