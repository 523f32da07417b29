"""What a backfill asks: how big may a batch be, and when does the next one begin."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg

from migsafe.config.limits import Limit
from migsafe.run.events import Notice, PaceChanged, Waiting
from migsafe.run.ledger.pace import write_pace
from migsafe.run.pace import state as states
from migsafe.run.pace.controller import (
    PaceState,
    Reading,
    Verdict,
    add_up,
    batch_target,
    pause_after,
    rows_due,
    step,
)
from migsafe.run.pace.custom import custom_signals
from migsafe.run.pace.limits import BATCH_DURATION, ROWS, Effective, with_run_settings
from migsafe.run.pace.measure import clock
from migsafe.run.pace.signals import server_signals
from migsafe.run.pace.watch import Place, Watch
from migsafe.run.session import Session
from migsafe.sql.names import Name

STALE_SECONDS = 30.0  # without a round of readings
_SLICE_SECONDS = 0.25
_LONGEST_STEP_SECONDS = 2.0  # that readings far from each other count for
_TELL_EVERY_SECONDS = 5.0
_STAND_IN_EVERY_SECONDS = 1.0
_UNWATCHED = "signals"


@contextmanager
def pacing(session: Session, table: Name) -> Iterator["Pacer"]:
    """Watch the signals for as long as the block runs."""
    pacer = Pacer(session, table)
    try:
        pacer.start()
        yield pacer
    finally:
        pacer.stop()


class Pacer:
    """The pace of one backfill. Used by the runner's thread; the readings come from another one."""

    def __init__(self, session: Session, table: Name, *, watch: Watch | None = None) -> None:
        settings = session.settings
        self._session, self._table = session, table
        self._watch = watch or self._new_watch()
        self.workers = 1  # that share what may be done in a second
        self._state, self._seen = PaceState(), 0.0
        self._throttled: dict[str, float] = {}
        self._totals, self._is_main = session.totals, watch is None
        self._rows_due, self._paid_at = 0.0, settings.max_rows_per_second
        self._waiting: str | None = None  # for which reason
        self._since: datetime | None = None
        self._is_watching = True
        self._told = -math.inf
        self._told_name = ""
        self._stood_in = clock()

    def _new_watch(self) -> Watch:
        session, settings = self._session, self._session.settings
        pace = with_run_settings(
            settings.pace, batch_seconds=settings.batch_seconds, rows=settings.max_rows_per_second
        )
        place = Place(
            dsn=session.dsn,
            rollout_id=session.rollout_id,
            token=session.token,
            connect_seconds=settings.connect_timeout,
        )
        signals = (*server_signals(self._table, pace.ignored_replicas), *custom_signals(pace.custom))
        return Watch(place, signals, pace, document=self._document)

    def beside(self, session: Session) -> "Pacer":
        """The same for another thread of this process: its own pauses, by the same readings."""
        return Pacer(session, self._table, watch=self._watch)

    def start(self) -> None:
        """Read everything once, say what cannot be watched, and wait while something forbids to begin."""
        self._watch.start()
        self._look()
        unwatched: dict[str, list[str]] = {}
        for each in self._state.judged:
            # PgBouncer: nobody said that there is one. It is named in `status` all the same.
            if each.verdict is Verdict.SKIPPED and each.reading.name != "pgbouncer-waiting":
                unwatched.setdefault(each.reading.text, []).append(each.reading.name)
        for text, names in unwatched.items():
            self._session.emit(Notice(text=f"not watched, {text}: {', '.join(names)}"))
        self.pause(rows=0, worked=0.0)

    def stop(self) -> None:
        """End the readings; the last state is in the ledger then."""
        self._waiting = self._since = None
        self._is_watching = False
        self._watch.stop()
        self._tell_all()

    @property
    def batch_seconds(self) -> float:
        """What the next batch takes at most."""
        value = self._values.get(BATCH_DURATION)
        seconds = value.limit.hard if value and value.limit else self._session.settings.batch_seconds
        return batch_target(self._state, seconds)

    def most_pages(self, most: int, *, pages: int, rows: int) -> int:
        """How many pages a window may have at most, after a batch of so many: rows for a second, not more."""
        limit = self._row_limit()
        if limit is None or rows == 0:
            return most
        return max(1, min(most, int(pages * limit / rows)))

    def pause(self, *, rows: int, worked: float) -> None:
        """Wait after a batch of so many rows and seconds of work, for as long as the limits want it.

        Raises:
            StopRequested, Fenced: As `Session.check` says.
        """
        began = clock()
        self._look()
        limit = self._row_limit()
        if limit is not None:
            self._rows_due = rows_due(self._rows_due, began - worked, rows=rows, per_second=limit)
        self._paid_at = limit
        while True:
            left, name, reason = self._left(began, worked)
            if left <= 0:
                break
            self._wait_for(left, reason)
            slept = clock()
            time.sleep(min(_SLICE_SECONDS, left))
            seconds = clock() - slept
            self._throttled = add_up(self._throttled, name, seconds)
            if self._is_main:
                self._totals.throttled = add_up(self._totals.throttled, name, seconds)
            if left > _SLICE_SECONDS:
                self._session.check()
                self._stand_in()
            self._look()
        if self._waiting is not None and self._since is not None:
            seconds = (datetime.now(UTC) - self._since).total_seconds()
            self._session.emit(Notice(text=f"going on after {seconds:.0f} s"))
        self._waiting = self._since = None

    def _stand_in(self) -> None:
        """While the signals have no connection: what is set, and what status says, go over ours.

        What goes wrong with it is no reason to fail; should our connection be lost, the next check() says so.
        """
        if self._watch.is_connected or clock() - self._stood_in < _STAND_IN_EVERY_SECONDS:
            return
        self._stood_in = clock()
        session = self._session
        with suppress(psycopg.Error):
            self._watch.load(session.conn)
            if session.token is not None:
                write_pace(session.conn, session.rollout_id, session.token, *self._document())

    def _left(self, began: float, worked: float) -> tuple[float, str, str]:
        """How long to wait from now on, for which signal, and in words."""
        now = clock()
        by_signals = pause_after(self._state, worked=worked) - (now - began)
        limit = self._row_limit()
        if limit is not None and self._paid_at is not None and limit != self._paid_at:
            self._rows_due = now + (self._rows_due - now) * self._paid_at / limit  # it was set meanwhile
            self._paid_at = limit
        by_rows = self._rows_due - now if limit is not None else 0.0
        worst = self._state.worst
        if by_rows > by_signals and limit is not None:
            return by_rows, ROWS, f"at most {limit:g} rows/s"
        if worst is None:  # it was bad a moment ago
            return by_signals, "recovery", f"back to full pace, now {100 * self._state.share:.0f} %"
        return by_signals, worst.reading.name, states.reason(worst, self._values)

    def _wait_for(self, left: float, reason: str) -> None:
        """Tell about a stop, and about a long pause, once."""
        is_stop = math.isinf(left)
        if not is_stop and (left <= 1.0 or self._waiting is not None):
            return
        if self._since is None:
            self._since = datetime.now(UTC)
        again = is_stop and clock() - self._told >= _TELL_EVERY_SECONDS and self._waiting != reason
        if self._waiting is None or again:
            self._told = clock()
            told = f"on hold: {reason}" if is_stop else reason
            self._session.emit(Waiting(reason=told, seconds=None if is_stop else left))
        self._waiting = reason

    def _row_limit(self) -> float | None:
        """What this worker may do: its share."""
        whole = self._whole_limit()
        return None if whole is None else whole / self.workers

    def _whole_limit(self) -> float | None:
        value = self._values.get(ROWS)
        if value is None:  # nothing was read yet
            return self._session.settings.max_rows_per_second
        return value.limit.hard if value.limit else None

    @property
    def _values(self) -> dict[str, Effective]:
        latest = self._watch.latest
        return latest.values if latest else {}

    def _look(self) -> None:
        """Take what was read since the last time."""
        latest, now = self._watch.latest, clock()
        if latest is None or now - latest.at > STALE_SECONDS:
            text = "no reading yet" if latest is None else f"the last reading is {now - latest.at:.0f} s old"
            nothing = Reading(name=_UNWATCHED, limit=Limit(soft=0.0, hard=1.0), value=None, text=text)
            self._state = step(self._state, (nothing,), seconds=0.0)
        elif latest.at > self._seen:
            seconds = min(_LONGEST_STEP_SECONDS, latest.at - self._seen)
            self._seen = latest.at
            self._state = step(self._state, latest.readings, seconds=seconds)
            self._tell_change()
            self._tell_all()

    def _tell_all(self) -> None:
        """Tell what was read and waited; once for all threads of this process."""
        if self._is_main:
            self._session.tell_blocked()
            self._session.emit(
                states.event(
                    self._state,
                    waiting=self._waiting,
                    batch_seconds=self.batch_seconds,
                    rows_per_second=self._whole_limit(),
                    throttled=self._totals.throttled,
                )
            )

    def _tell_change(self) -> None:
        """Tell when another signal slows it down, or none does any more; not too often."""
        worst = self._state.worst
        name = worst.reading.name if worst else ""
        if name == self._told_name or clock() - self._told < _TELL_EVERY_SECONDS:
            return
        if worst is None or worst.verdict is Verdict.SLOW:  # a stop is told by who waits
            self._told = clock()
            reason = states.reason(worst, self._values) if worst else ""
            self._session.emit(PaceChanged(share=worst.share if worst else 1.0, reason=reason))
            self._told_name = name

    def _document(self) -> tuple[dict[str, Any], dict[str, float]]:
        """What the readings' thread writes into the ledger; it only looks, at values that are replaced."""
        found = states.document(
            self._state,
            self._values,
            waiting=self._waiting,
            since=self._since,
            batch_seconds=self.batch_seconds,
            rows_per_second=self._whole_limit(),
            watching=self._is_watching,
        )
        total = dict(self._watch.throttled_before)
        for name, seconds in self._throttled.items():
            total = add_up(total, name, seconds)
        return found, {name: round(seconds, 3) for name, seconds in total.items()}
