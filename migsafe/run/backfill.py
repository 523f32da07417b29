"""Updates, copies or deletes rows batch by batch, each exactly once, in an order that spares the table.

For an UPDATE, a window of pages is gone over in several passes, each over every so many-th row: between two
passes PostgreSQL prunes what the one before left dead, and most of the next updates find room in their own
page. They are HOT then: no index entry, little WAL, little bloat (docs/running.md has the figures).
Rows that move while this goes on may be missed, so sweeps follow until one finds nothing.
"""

import time
from dataclasses import replace

from psycopg import errors

from migsafe.errors import RunError
from migsafe.plan.model import BackfillStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl, quarantine
from migsafe.run.batch import Batch, BatchResult, run_batch
from migsafe.run.cursor import Cursor
from migsafe.run.events import Waiting
from migsafe.run.ledger import steps
from migsafe.run.pace.pacer import Pacer, pacing
from migsafe.run.pace.window import WindowSize
from migsafe.run.pages import Leaf, integer_key, is_there, read_leaves
from migsafe.run.progress import Meter
from migsafe.run.session import Session
from migsafe.run.statements import participle

_SLICE_SECONDS = 0.25
_LONGEST_REST_SECONDS = 30.0  # between two sweeps
_ADVICE = {
    "changed": "Look for a trigger of the application's that runs after the sync trigger and changes them "
    "again, for an application that goes on writing such rows, and for a long transaction that keeps rows "
    "locked. Then run it again.",
    "copied": "Look for a unique constraint of the target by which they meet other rows, for a trigger that "
    "refuses them, and for a long transaction that keeps rows locked. Then run it again.",
    "deleted": "Look for a trigger that refuses to delete them, for an application that goes on making such "
    "rows, and for a long transaction that keeps rows locked. Then run it again.",
}


def run_backfill(session: Session, step: BackfillStep, reaches: Stage | None) -> None:
    """Do the whole step, or what is left of it.

    Raises:
        RunError: Rows keep being pending.
        Quarantined: All is done but for some rows that cannot be changed.
        StopRequested: Somebody asked us to stop; the cursor stands after the last batch.
    """
    row = steps.read_step(session.conn, session.rollout_id, step.id)
    with pacing(session, step.table) as pacer:
        _Backfill(session, step, Cursor.from_json(row.cursor), row.rows, pacer).run(reaches)


class _Backfill:
    """One run of a step."""

    def __init__(self, session: Session, step: BackfillStep, cursor: Cursor, rows: int, pacer: Pacer) -> None:
        self.session, self.step, self.cursor, self.pacer = session, step, cursor, pacer
        settings = session.settings
        self.size = WindowSize(
            pages=settings.first_window_pages,
            most=settings.window_pages,
            target_seconds=settings.batch_seconds,
        )
        self.meter = Meter(session, step.id, rows)
        self.sweeps = 0

    def run(self, reaches: Stage | None) -> None:
        session = self.session
        while not self._is_settled():
            self._pass()
            if self.cursor.sweep > 0 and self.cursor.clean:
                break
            if self.cursor.sweep > 0:
                self._rest()
            self.cursor = self.cursor.next_sweep()
        with session.transaction():
            left = quarantine.close(session, self.step, self.cursor)
            stage_seconds = None if left else ddl.finish(session, self.step, reaches)
        if left:
            raise quarantine.refusal(session, self.step, left)
        self.meter.finish()
        ddl.report_stage(session, reaches, stage_seconds)

    def _is_settled(self) -> bool:
        """Whether only rows in quarantine were left, and looking at them again leaves no other work."""
        if not self.cursor.held:
            return False
        if quarantine.try_again(self.session, self.step, sweep=self.cursor.sweep):
            return True
        self.cursor = self.cursor.next_sweep()
        return False

    def _rest(self) -> None:
        """After a sweep that was not clean: give long transactions some time, but not for ever."""
        self.sweeps += 1
        if self.sweeps >= self.session.settings.max_sweeps:
            raise RunError(
                f"rows of {self.step.table} are still pending after {self.sweeps} sweeps "
                f"({self.cursor.found} were found in the last one)",
                advice=_ADVICE[participle(self.step)],
            )
        seconds = min(_LONGEST_REST_SECONDS, 0.1 * 2.0**self.sweeps)
        self._wait(seconds, "rows were locked or changed meanwhile")

    def _pass(self) -> None:
        """Go over the whole table once, from the cursor on; its size is read as it is now."""
        leaves = read_leaves(self.session.conn, self.step.table)
        self.size.most = self._most_pages()
        self.meter.plan(sum(leaf.pages for leaf in leaves), sweep=self.cursor.sweep)
        for leaf in leaves:
            cursor = self.cursor.within(leaf.oid)
            self.meter.skip(cursor.first if cursor else leaf.pages)
            if cursor is None:
                continue
            self.cursor = cursor
            try:
                self._leaf(leaf)
            except errors.UndefinedTable:
                if is_there(self.session.conn, leaf):
                    raise
                # Dropped meanwhile, or renamed: then the next sweep finds it.
                self.cursor = replace(self.cursor, skipped=True)

    def _most_pages(self) -> int:
        settings = self.session.settings
        return settings.sweep_pages if self.cursor.sweep > 0 else settings.window_pages

    def _leaf(self, leaf: Leaf) -> None:
        stripes = self._stripes(self.cursor)
        key = integer_key(self.session.conn, leaf)
        while self.cursor.first < leaf.pages:
            if self.cursor.stripe == 0:  # else an interrupted window, which keeps its bounds
                self.cursor = replace(self.cursor, end=min(leaf.pages, self.cursor.first + self.size.pages))
            batch = Batch(
                leaf=leaf, key=key, cursor=self.cursor, stripes=stripes, progress=self.meter.progress
            )
            result = run_batch(self.session, self.step, batch, self.size)
            self._account(self.cursor, result)
            self.cursor = result.cursor

    def _stripes(self, cursor: Cursor) -> int:
        """In how many passes a window is done: several make room for new versions of rows, see above."""
        return self.session.settings.stripes if self.step.assignments and not cursor.sweep else 1

    def _account(self, before: Cursor, result: BatchResult) -> None:
        stripes = self._stripes(before)
        pages = (result.cursor.end - before.first) / stripes  # its end may have come nearer
        self.meter.add(pages=pages, rows=result.rows, seconds=result.seconds)
        self.pacer.pause(rows=result.rows, worked=result.seconds)
        self.size.target_seconds = self.pacer.batch_seconds
        self.size.most = self.pacer.most_pages(
            self._most_pages(), pages=result.cursor.end - before.first, rows=result.rows
        )

    def _wait(self, seconds: float, reason: str) -> None:
        if seconds > 1.0:
            self.session.emit(Waiting(reason=reason, seconds=seconds))
        ends = time.monotonic() + seconds
        while (remaining := ends - time.monotonic()) > 0:
            time.sleep(min(_SLICE_SECONDS, remaining))
            self.session.check()
