"""Updates, copies or deletes rows batch by batch, each exactly once, in an order that spares the table.

For an UPDATE, a window of pages is gone over in several passes, each over every so many-th row: between two
passes PostgreSQL prunes what the one before left dead, and most of the next updates find room in their own
page. They are HOT then: no index entry, little WAL, little bloat (docs/running.md has the figures).
Rows that move while this goes on may be missed, so sweeps follow until one finds nothing.

Each pass over the table is cut into chunks, which workers share: those of this process, and others that
joined it through the ledger (migsafe/run/join.py).
"""

import time

from migsafe.errors import RunError
from migsafe.plan.model import BackfillStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl, quarantine
from migsafe.run.crew import Crew, crew, wait_for_others
from migsafe.run.cursor import Cursor
from migsafe.run.cut import cut
from migsafe.run.events import Progress, TableMeasured
from migsafe.run.intact import find_lost, require_intact
from migsafe.run.ledger import chunks, steps
from migsafe.run.ledger.chunks import Sums
from migsafe.run.pace.pacer import Pacer, pacing
from migsafe.run.pages import read_leaves, read_size
from migsafe.run.session import Session
from migsafe.run.statements import participle
from migsafe.run.waiting import pause
from migsafe.run.worker import Worker

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
    """Do the whole step, or what is left of it, together with all workers that join.

    Raises:
        RunError: Rows keep being pending.
        Quarantined: All is done but for some rows that cannot be changed.
        StopRequested: Somebody asked us to stop; the cursors stand after the last batches.
    """
    with (
        crew(session, step) as made,
        pacing(made.session, step.table) as pacer,
        made.working(pacer),
    ):
        _Backfill(step, made, pacer).run(reaches)


class _Backfill:
    """One run of a step, by the process that holds the lease."""

    def __init__(self, step: BackfillStep, made: Crew, pacer: Pacer) -> None:
        self.session, self.step, self.crew = made.session, step, made
        self.worker = Worker(self.session, step, made.number, pacer, tell=self._tell_now_and_then)
        self.told = time.monotonic()
        self.sweeps = 0

    def run(self, reaches: Stage | None) -> None:
        session = self.session
        sweep = self._begin()
        self._measure()
        while sweep is None:
            sums = self._pass()
            at = 0 if sums is None else sums.sweep
            if sums is None or (at > 0 and not sums.found and not sums.skipped):
                sweep = at
                break
            if at > 0:
                self._rest(sums.found)
            self._cut(Cursor(sweep=at + 1))
        if find_lost(session):
            self._cut(Cursor(sweep=sweep + 1))  # what was written since then is looked for, once it is mended
            require_intact(session)
        with session.transaction():
            left = quarantine.close(session, self.step, Cursor(sweep=sweep))
            stage_seconds = None if left else ddl.finish(session, self.step, reaches)
        if left:
            raise quarantine.refusal(session, self.step, left)
        done = steps.read_step(session.conn, session.rollout_id, self.step.id)
        session.emit(
            Progress(step=self.step.id, fraction=1.0, rows=done.rows, rows_per_second=0.0, eta_seconds=0.0)
        )
        ddl.report_stage(session, reaches, stage_seconds)

    def _measure(self) -> None:
        """Tell how big the table is."""
        size = read_size(self.session.conn, self.step.table)
        self.session.emit(
            TableMeasured(
                step=self.step.id,
                relation=str(self.step.table),
                rows_estimated=size.rows_estimated,
                size_bytes=size.size_bytes,
            )
        )

    def _begin(self) -> int | None:
        """Cut the pass that comes next, unless it is cut already.

        The last pass, when only rows in quarantine were left after it, and looking at them again leaves no
        other work; else None.
        """
        row = steps.read_step(self.session.conn, self.session.rollout_id, self.step.id)
        found = dict(row.cursor or {})
        is_cut = found.pop("cut", False)
        cursor = Cursor.from_json(found)
        if cursor.held:
            if quarantine.try_again(self.session, self.step, sweep=cursor.sweep):
                return cursor.sweep
            cursor = cursor.next_sweep()
        elif cursor.sweep:
            cursor = Cursor(sweep=cursor.sweep)
        if not is_cut:  # nor by an older migsafe, which went on from here
            self._cut(cursor)
        return None

    def _cut(self, cursor: Cursor) -> None:
        """Cut the pass into chunks; the table's size is read as it is now."""
        session, step = self.session, self.step
        pieces = cut(read_leaves(session.conn, step.table), cursor, step.id, session.settings)
        with session.transaction():
            chunks.cut(session.conn, session.rollout_id, step.id, pieces)
            steps.move_cursor(session.conn, session.rollout_id, step.id, {"sweep": cursor.sweep, "cut": True})

    def _pass(self) -> Sums | None:
        """See all chunks done, by whomever; None when there is not one."""
        while True:
            if self.worker.work():
                continue
            self.crew.check()
            sums = self._sums()
            if sums is None or sums.complete:
                return sums
            wait_for_others(self.session, self._tell_now_and_then)

    def _rest(self, found: int) -> None:
        """After a sweep that was not clean: give long transactions some time, but not for ever."""
        self.sweeps += 1
        if self.sweeps >= self.session.settings.max_sweeps:
            raise RunError(
                f"rows of {self.step.table} are still pending after {self.sweeps} sweeps "
                f"({found} were found in the last one)",
                advice=_ADVICE[participle(self.step)],
            )
        seconds = min(_LONGEST_REST_SECONDS, 0.1 * 2.0**self.sweeps)
        pause(self.session, seconds, "rows were locked or changed meanwhile")

    def _sums(self) -> Sums | None:
        """The chunks as the ledger has them.

        Raises:
            RunError: Another worker could not do one of them.
        """
        sums = chunks.read_sums(self.session.conn, self.session.rollout_id).get(self.step.id)
        if sums is not None and sums.error is not None:
            raise RunError(
                sums.error,
                advice="Nothing of that batch was applied. Correct the cause, and run it again.",
            )
        return sums

    def _tell_now_and_then(self) -> None:
        """How far all workers together are."""
        now = time.monotonic()
        if now - self.told < self.session.settings.progress_seconds:
            return
        self.told = now
        self.crew.check()
        sums = self._sums()
        if sums is None:
            return
        progress = sums.progress
        rows = steps.read_step(self.session.conn, self.session.rollout_id, self.step.id).rows
        self.session.emit(
            Progress(
                step=self.step.id,
                fraction=progress.fraction,
                rows=rows,
                rows_per_second=progress.rows_per_second,
                eta_seconds=progress.eta_seconds,
            )
        )
