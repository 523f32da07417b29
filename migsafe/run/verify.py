"""Proof that no row differs: reads the table page by page, several times, each row within one snapshot.

Each window is a transaction of its own, so that no old snapshot holds back the table's pruning and
vacuum. A row is compared with itself, so the application's writes are no disturbance.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from psycopg import errors, sql
from psycopg.types.json import Jsonb

from migsafe.errors import RunError, VerificationFailed
from migsafe.plan.model import VerifyStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl
from migsafe.run.cursor import Cursor
from migsafe.run.events import Notice
from migsafe.run.ledger import rollouts, steps
from migsafe.run.ledger.model import Progress
from migsafe.run.ledger.quarantine import read_quarantine
from migsafe.run.ledger.rollouts import UNREPRESENTABLE
from migsafe.run.pace.pacer import Pacer, pacing
from migsafe.run.pace.window import WindowSize
from migsafe.run.pages import Leaf, called_as, is_there, read_leaves, window
from migsafe.run.progress import Meter
from migsafe.run.quarantine import Key
from migsafe.run.session import Session

_NOT_NOTED = sql.SQL(
    "NOT EXISTS (SELECT FROM migsafe.sync_event AS migsafe_noted WHERE migsafe_noted.rollout = {rollout} "
    "AND migsafe_noted.kind = {kind} AND migsafe_noted.detail = {key}::text)"
)
LISTED = 10
_KEPT = 100
_RECHECK_SECONDS = 0.05
_STATEMENT_SECONDS = 5.0
_LAST_RESORT_SECONDS = 60.0
_ATTEMPTS = 30
_BRIEF_SECONDS, _BRIEF_ATTEMPTS = 0.5, 2  # the second one is for what was not right in the first


@dataclass(frozen=True, slots=True)
class Mismatches:
    """How many rows are not right, and the keys of up to a hundred of them."""

    count: int = 0
    listed: tuple[dict[str, Any], ...] = ()

    def plus(self, more: "Mismatches") -> "Mismatches":
        """Both together."""
        return Mismatches(self.count + more.count, (*self.listed, *more.listed)[:_KEPT])

    def to_json(self) -> dict[str, Any]:
        """For the ledger."""
        return {"mismatched": self.count, "mismatches": list(self.listed)} if self.count else {}

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> "Mismatches":
        """From the ledger."""
        return Mismatches(found.get("mismatched", 0), tuple(found.get("mismatches", ())))


def run_verify(session: Session, step: VerifyStep, reaches: Stage | None) -> None:
    """Read the whole table until it was found right as often as the plan says.

    Raises:
        VerificationFailed: Some rows are not right; all are counted, ten listed, up to a hundred kept.
        StopRequested: Somebody asked us to stop; the reading goes on where it was.
    """
    reading = Reading(session, step, steps.read_step(session.conn, session.rollout_id, step.id).cursor)
    with pacing(session, step.table) as pacer:
        while reading.cursor.sweep < step.passes:
            reading.read_table(pacer)
            if reading.wrong.count:
                reading.record({})
                raise reading.failure()
    with session.transaction():
        seconds = ddl.finish(session, step, reaches)
    reading.meter.finish()
    ddl.report_stage(session, reaches, seconds)


class Reading:
    """Passes over the table, from where they stand in the ledger; `write` puts them there.

    `except_noted` leaves out what sync noted as beyond the old shape. One that `is_brief` leaves to the next
    look a window that is locked or takes long.
    """

    def __init__(
        self,
        session: Session,
        step: VerifyStep,
        begun: Mapping[str, Any] | None,
        *,
        write: "Write | None" = None,
        except_noted: bool = False,
        is_brief: bool = False,
    ) -> None:
        begun = dict(begun or {})
        goes_on = "leaf" in begun
        self.wrong = Mismatches.from_json(begun) if goes_on else Mismatches()
        fields = {name: begun[name] for name in begun if name not in ("mismatched", "mismatches")}
        self.session, self.step = session, step
        self.cursor = Cursor.from_json(fields) if goes_on else Cursor()
        self.meter = Meter(session, step.id, 0)
        self.size = WindowSize(
            pages=session.settings.window_pages,
            most=session.settings.sweep_pages,
            target_seconds=session.settings.batch_seconds,
        )
        self._waived = _waived(session)
        self._write = write or self._write_cursor
        self._except_noted, self._is_brief = except_noted, is_brief
        self._leaves: tuple[Leaf, ...] = ()

    def read_table(self, pacer: Pacer) -> None:
        """One pass, from the cursor on."""
        while not self.read_window():
            pacer.pause(rows=0, worked=self.size.last_seconds)
            self.size.target_seconds = pacer.batch_seconds

    def read_window(self) -> bool:
        """Read the next window; True when that was the end of a pass."""
        if not self._leaves:
            self._leaves = read_leaves(self.session.conn, self.step.table)
            self._plan()
        for leaf in self._leaves:
            cursor = self.cursor.within(leaf.oid)
            if cursor is None or cursor.first >= leaf.pages:
                continue
            self.cursor = cursor
            try:
                self._window(leaf)
            except errors.UndefinedTable:
                if is_there(self.session.conn, leaf):
                    raise
                self.cursor = replace(cursor, first=leaf.pages)
            return False
        self.cursor, self._leaves = self.cursor.next_sweep(), ()
        return True

    def failure(self) -> VerificationFailed:
        """What to raise when rows are not right."""
        rows = "\n".join("  " + describe_key(row) for row in self.wrong.listed[:LISTED])
        if self.wrong.count > LISTED:
            more = self.wrong.count - LISTED
            rows += f"\n  and {more:,} more (`migsafe status` lists up to {_KEPT})"
        return VerificationFailed(
            f"'{self.step.title}': {self.wrong.count:,} rows of {self.step.table} are not right:\n{rows}",
            advice="Find out who writes them past the sync trigger, correct them, and run it again.",
        )

    def record(self, detail: Mapping[str, Any]) -> None:
        """Keep what is not right: the next reading begins anew."""
        session, wrong = self.session, self.wrong
        with session.transaction():
            self._write(wrong.to_json(), None)
            found = {"step": self.step.id, "count": wrong.count, "rows": list(wrong.listed), **detail}
            rollouts.add_audit(session.conn, session.rollout_id, "verification failed", found)

    def _plan(self) -> None:
        pages = sum(leaf.pages for leaf in self._leaves)
        self.meter.plan_reading(pages, max(self.step.passes, self.cursor.sweep + 1), self.cursor.sweep)
        for leaf in self._leaves:
            cursor = self.cursor.within(leaf.oid)
            self.meter.skip(cursor.first if cursor else leaf.pages)

    def _window(self, leaf: Leaf) -> None:
        self.session.check()
        began, first = time.monotonic(), self.cursor.first
        self._read(leaf)
        seconds = time.monotonic() - began
        self.size.after(seconds)
        self.meter.add(pages=self.cursor.first - first, rows=0, seconds=seconds)

    def _read(self, leaf: Leaf) -> None:
        """Read one window, a smaller one when it takes too long.

        What is not right is looked at once more, in a transaction of its own: it may have been corrected.
        """
        session, first, is_sure = self.session, self.cursor.first, False
        brief = self._is_brief
        for _ in range(_BRIEF_ATTEMPTS if brief else _ATTEMPTS):
            end = min(leaf.pages, first + self.size.pages)
            limit = _BRIEF_SECONDS if brief else _STATEMENT_SECONDS
            if self.size.pages == 1:
                limit = _STATEMENT_SECONDS if brief else _LAST_RESORT_SECONDS
            began = time.monotonic()
            try:
                with session.transaction(seconds=limit):
                    found = self._look(leaf, first, end)
                    if not found.count or is_sure:
                        self._move(replace(self.cursor, first=end, end=end), found)
                        return
                is_sure = True
                time.sleep(_RECHECK_SECONDS)
            except errors.QueryCanceled:
                gave_way = session.gave_way()
                if not gave_way and time.monotonic() - began < limit * 0.9:
                    raise
                self.size.halve()
                if gave_way:
                    session.check()
            except errors.LockNotAvailable:
                session.check()  # somebody else's DDL holds the table
        if brief:
            return
        raise RunError(
            f"pages from {first} of {leaf.name} could not be read in {_ATTEMPTS} attempts",
            advice="The table is locked, or one page takes over a minute to compare. Run it again to go on.",
        )

    def _look(self, leaf: Leaf, first: int, end: int) -> Mismatches:
        waived = self._waived.get(str(leaf.name), ())
        noted = self.session.plan.name if self._except_noted else None
        found = self.session.conn.execute(_query(self.step, leaf, first, end, waived, noted)).fetchall()
        of = {} if leaf.name == self.step.table else {"relation": str(leaf.name)}
        return Mismatches(found[0][1] if found else 0, tuple(row[0] | of for row in found))

    def _move(self, moved: Cursor, found: Mismatches) -> None:
        """In the transaction that read the window."""
        wrong = self.wrong.plus(found)
        if found.count and not self.wrong.count:
            text = f"rows of {self.step.table} are not right: reading on, to count and list them"
            self.session.emit(Notice(text=text))
        self._write(moved.to_json() | wrong.to_json(), self.meter.progress)
        self.cursor, self.wrong = moved, wrong

    def _write_cursor(self, cursor: Mapping[str, Any], progress: Progress | None) -> None:
        session = self.session
        steps.move_cursor(session.conn, session.rollout_id, self.step.id, cursor, progress=progress)


Write = Callable[[Mapping[str, Any], Progress | None], None]


def describe_key(row: Mapping[str, Any]) -> str:
    """A row as people read it: `id = 17, ctid = (0,17)`."""
    return ", ".join(f"{key} = {value}" for key, value in row.items())


def _waived(session: Session) -> dict[str, list[dict[str, Any]]]:
    """The keys of the rows that may stay as they are, by relation."""
    waived: dict[str, list[dict[str, Any]]] = {}
    for row in read_quarantine(session.conn, session.rollout_id):
        if row.waived_at is not None:
            waived.setdefault(row.relation, []).append(row.key)
    return waived


def _query(
    step: VerifyStep,
    leaf: Leaf,
    first: int,
    end: int,
    waived: Sequence[dict[str, Any]],
    noted: str | None,
) -> sql.Composed:
    """The keys of up to a hundred rows that are not right, each with how many there are.

    `noted` is the name of a rollout: rows that its sync noted as beyond the old shape are left out.
    """
    columns = [sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(name)) for name in step.key]
    key = sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(columns))
    place = sql.SQL("jsonb_build_object('ctid', ctid::text)")
    parts = [window(first, end), _unless(step.mismatch, waived)]
    if noted is not None and step.key:
        # With the table's name: sync_event has an `id` of its own.
        pairs = [
            sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(step.table.name, name))
            for name in step.key
        ]
        parts.append(
            _NOT_NOTED.format(
                rollout=sql.Literal(noted),
                kind=sql.Literal(UNREPRESENTABLE),
                key=sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs)),
            )
        )
    return sql.SQL("SELECT {} || {}, count(*) OVER () FROM {} WHERE {} LIMIT {}").format(
        key, place, called_as(leaf, step.table), sql.SQL(" AND ").join(parts), sql.Literal(_KEPT)
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
