"""Reads the signals about once a second, on a thread and a connection of its own.

No batch waits for a signal, and no signal disturbs a batch's transaction. The connection is made again
without a word when it is lost; what cannot be read for a while is a reason to hold, and says so.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql

from migsafe.config.pace import CustomSignal, Given, PaceSettings, Unreadable
from migsafe.errors import MigsafeError, RunError
from migsafe.run.connect import APPLICATION_NAME, Conn, connect
from migsafe.run.ledger.pace import read_pace, write_pace
from migsafe.run.pace.controller import Reading
from migsafe.run.pace.custom import asker
from migsafe.run.pace.limits import BY_HAND, Effective, effective
from migsafe.run.pace.measure import Ask, Measured, Signal, clock

ROUND_SECONDS = 1.0
STATEMENT_SECONDS = 2.0
# What changes slowly is read less often: all of it together is to cost less than a hundredth of a core.
_SELDOM_SECONDS = {"oldest-xmin": 5.0, "slot-wal": 2.0, "archive-queue": 2.0, "vacuum": 2.0}
_OWN_COST = 20.0  # a signal is read again after so many times the time that reading it takes
_LONGEST_SECONDS = 10.0
FRESH_SECONDS = 10.0  # a value may be so old when it cannot be read again; and what may be read seldom, twice
# Classes of errors that come again each time: no rights, no such function, not supported here.
_NOT_HERE = ("42", "0A")

Document = Callable[[], tuple[dict[str, Any], dict[str, float]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was read last, by the clock of this process."""

    at: float
    readings: tuple[Reading, ...]
    values: dict[str, Effective]


@dataclass(slots=True, kw_only=True)
class _Kept:
    """The last good value of a signal, and when it is to be read again."""

    measured: Measured | None = None
    at: float = 0.0
    due: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the ledger is, and the right to write to it."""

    dsn: str
    rollout_id: int
    token: int
    connect_seconds: float


class Watch:
    """A thread that reads until it is stopped. `latest` and `document` are exchanged with the runner's."""

    def __init__(
        self, place: Place, signals: tuple[Signal, ...], pace: PaceSettings, *, document: Document
    ) -> None:
        self._place, self._signals, self._pace, self._document = place, signals, pace, document
        self._custom: dict[str, CustomSignal] = {signal.name: signal for signal in pace.custom}
        self._kept = {signal.name: _Kept() for signal in signals}
        self._conn: Conn | None = None
        self._values = effective(pace, ())
        self._stop, self._first = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="migsafe-pace", daemon=True)
        self._throttled: dict[str, float] | None = None
        self.latest: Snapshot | None = None

    def start(self) -> None:
        """Begin to read; returns after the first round, or after some seconds without one."""
        self._thread.start()
        self._first.wait(timeout=self._place.connect_seconds + STATEMENT_SECONDS)

    def stop(self) -> None:
        """Write the state once more and end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=self._place.connect_seconds + STATEMENT_SECONDS)

    def _run(self) -> None:
        while True:
            self._round()
            self._first.set()
            if self._stop.wait(ROUND_SECONDS):
                break
        self._write_state()
        for signal in self._signals:
            signal.close()
        if self._conn is not None:
            self._conn.close()

    def _round(self) -> None:
        problem = self._connect_and_load()
        ask = self._asker(problem)
        for signal in self._signals:
            if self._values[signal.name].limit is not None:
                self._read(signal, ask)
        readings = tuple(
            self._reading(name, kept)
            for name, kept in self._kept.items()
            if self._values[name].limit is not None
        )
        self.latest = Snapshot(at=clock(), readings=readings, values=self._values)
        self._write_state()

    def _connect_and_load(self) -> str:
        """Have a connection, and what was set by hand; returns why there is none."""
        try:
            if self._conn is None or self._conn.closed:
                self._conn = connect(
                    self._place.dsn,
                    timeout=self._place.connect_seconds,
                    application_name=f"{APPLICATION_NAME} pace",
                )
                self._begin(self._conn)
            self.load(self._conn)
        except MigsafeError as error:
            return error.message
        except psycopg.Error as error:
            self._drop_if_lost()
            return _said(error)
        return ""

    def _begin(self, conn: Conn) -> None:
        """Read once what was waited in former runs."""
        if self._throttled is None:
            row = read_pace(conn, self._place.rollout_id)
            self._throttled = dict(row.throttled) if row else {}

    def load(self, conn: Conn) -> None:
        """Take what was set by hand; the runner does it for us while we have no connection.

        Raises:
            psycopg.Error: It cannot be read.
        """
        rows = asker(conn, seconds=STATEMENT_SECONDS)(
            sql.SQL("SELECT name, value FROM migsafe.setting WHERE rollout_id = {} ORDER BY name").format(
                sql.Literal(self._place.rollout_id)
            )
        )
        given = tuple(Given(name=name, value=value, source=BY_HAND) for name, value in rows)
        self._values = effective(self._pace, given)

    @property
    def is_connected(self) -> bool:
        """Whether the signals' connection works, as of the last round."""
        return self._conn is not None and not self._conn.closed

    @property
    def throttled_before(self) -> dict[str, float]:
        """The seconds that former runs waited, by reason."""
        return self._throttled or {}

    def _asker(self, problem: str) -> Ask:
        conn = self._conn
        if problem or conn is None:

            def refuse(query: sql.Composable) -> list[tuple[Any, ...]]:
                del query
                raise RunError(f"no connection: {problem}")

            return refuse
        return asker(conn, seconds=STATEMENT_SECONDS)

    def _read(self, signal: Signal, ask: Ask) -> None:
        kept, began = self._kept[signal.name], clock()
        if began < kept.due:
            return
        try:
            kept.measured, kept.problem = signal.read(ask), ""
            kept.at = clock()
        except psycopg.Error as error:
            if (error.sqlstate or "").startswith(_NOT_HERE):
                more = "; pg_monitor may do" if isinstance(error, errors.InsufficientPrivilege) else ""
                kept.measured = Measured(value=None, text=f"{_said(error)}{more}", available=False)
                kept.problem, kept.at = "", clock()
            else:
                kept.problem = _said(error)
                self._drop_if_lost()
        except MigsafeError as error:
            kept.problem = error.message
        now = clock()
        pause = max(_SELDOM_SECONDS.get(signal.name, ROUND_SECONDS), _OWN_COST * (now - began))
        kept.due = now + min(_LONGEST_SECONDS, pause) - ROUND_SECONDS / 2  # rounds are not exact

    def _reading(self, name: str, kept: _Kept) -> Reading:
        value = self._values[name]
        measured = kept.measured
        limit = value.below(measured.ceiling if measured else None)
        assert limit is not None  # noqa: S101 -- the caller asks for what is not off
        custom = self._custom.get(name)
        holds = custom.unreadable is Unreadable.HOLD if custom else True
        if kept.problem and (measured is None or clock() - kept.at > FRESH_SECONDS):
            return Reading(name=name, limit=limit, value=None, text=kept.problem, holds=holds)
        if measured is None:
            return Reading(name=name, limit=limit, value=None, text="not read yet", holds=holds)
        if not measured.available:
            holds = holds and not value.is_default  # a limit that somebody asked for is not skipped
        return Reading(name=name, limit=limit, value=measured.value, text=measured.text, holds=holds)

    def _write_state(self) -> None:
        conn = self._conn
        if conn is None or conn.closed:
            return
        with suppress(psycopg.Error):
            write_pace(conn, self._place.rollout_id, self._place.token, *self._document())

    def _drop_if_lost(self) -> None:
        if self._conn is not None and (self._conn.closed or self._conn.broken):
            self._conn.close()
            self._conn = None


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).partition("\n")[0]
