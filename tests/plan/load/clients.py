"""The connections of one version of the application, each at its statements without a rest.

Some prepare every statement at once, some after a few executions, some never: a plan that changes what a
prepared statement returns is found out. `SELECT *` is read by a client of its own.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from migsafe.plan.model import Plan
from migsafe.plan.stages import Version

from .figures import Recorder
from .values import EVERYBODY, OWNED, Source, Values

CACHED_PLAN = "cached plan must not change result type"
GONE_TYPE = "type with OID"
_REST_SECONDS = 0.003
_TO_EVERYBODY = 0.2  # of the writes go to rows that other clients write as well

Conn = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Write:
    """A write that the server acknowledged, to a row of its author's own."""

    statement: str
    values: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a client sends its statements."""

    name: str
    prepare_after: int | None  # executions; None: never
    simple: bool = False  # the simple protocol, values written into the text

    def connect(self, dsn: str, version: Version) -> Conn:
        conn: Conn = psycopg.connect(
            dsn,
            autocommit=True,
            prepare_threshold=self.prepare_after,
            cursor_factory=psycopg.ClientCursor if self.simple else psycopg.Cursor,
            application_name=f"{version}: {self.name}",
        )
        return conn


PREPARING = Style(name="prepares at once", prepare_after=0)
AUTOMATIC = Style(name="prepares by itself", prepare_after=2)
SIMPLE = Style(name="simple queries", prepare_after=None, simple=True)


@dataclass(kw_only=True)
class Client:
    """One connection and its thread. `share` is the part of the keys that it writes; None: it only reads."""

    dsn: str
    version: Version
    style: Style
    reads: Sequence[str]
    writes: Sequence[str]
    share: int | None
    source: Source
    recorder: Recorder
    may_prepare_again: Callable[[str, str], bool]
    acknowledged: list[Write] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"{self.version} {self.style.name}")
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        chance = random.Random(self.share)
        mine, anyones = self.source.of(self.share), self.source.of(EVERYBODY if self.share else None)
        while not self._stop.is_set():
            try:
                with self.style.connect(self.dsn, self.version) as conn:
                    self._work(conn, chance, mine, anyones)
            except psycopg.Error as error:
                self.recorder.failed(f"{self.version}, {self.style.name}: no connection: {error}")
                time.sleep(0.1)

    def _work(
        self, conn: Conn, chance: random.Random, mine: Iterator[Values], anyones: Iterator[Values]
    ) -> None:
        """Until it is stopped, or must connect again."""
        while not self._stop.is_set():
            if self.writes and (not self.reads or chance.random() < 0.6):
                own = chance.random() >= _TO_EVERYBODY
                done = self._write(conn, chance, next(mine if own else anyones), own=own)
            else:
                done = self._do(conn, [chance.choice(self.reads)], next(anyones))
            if not done:
                return
            self._stop.wait(_REST_SECONDS)

    def _write(self, conn: Conn, chance: random.Random, values: Values, *, own: bool) -> bool:
        """One write, now and then in a transaction that reads before it, so that locks are kept."""
        statement = chance.choice(self.writes)
        before = [chance.choice(self.reads)] if self.reads and chance.random() < 0.25 else []
        if not self._do(conn, [*before, statement], values):
            return False
        if own:
            self.acknowledged.append(Write(statement, values))
        return True

    def _do(self, conn: Conn, statements: Sequence[str], values: Values) -> bool:
        """Run them in one transaction; False when the connection must be made again."""
        current = statements[0]
        try:
            if len(statements) == 1:
                self._timed(conn, current, values)
                return True
            with conn.transaction():
                for current in statements:
                    self._timed(conn, current, values)
        except psycopg.Error as error:
            if self.may_prepare_again(current, str(error)):
                self.recorder.prepared_again()
            else:
                self.recorder.failed(f"{self.version}, {self.style.name}: {current} {dict(values)}: {error}")
            return False
        return True

    def _timed(self, conn: Conn, statement: str, values: Values) -> None:
        began = time.perf_counter()
        conn.execute(statement.encode(), values).close()
        self.recorder.ran(time.perf_counter() - began)


def warned_of(plan: Plan) -> Callable[[str, str], bool]:
    """Whether the plan names, before it starts, that this statement may have to be prepared again.

    It is told the statement and the error that says so.
    """
    told = [warning for warning in plan.warnings if CACHED_PLAN in warning]
    of_columns = [warning for warning in told if "SELECT *" not in warning]
    types = any(GONE_TYPE in warning for warning in plan.warnings)

    def may(statement: str, error: str) -> bool:
        if GONE_TYPE in error:
            return types
        return CACHED_PLAN in error and bool(told if "*" in statement else of_columns)

    return may


def stop_all(clients: Sequence[Client]) -> None:
    """Stop them at the same time, and wait for each."""
    for client in clients:
        client._stop.set()
    for client in clients:
        with suppress(RuntimeError):
            client.stop()


def writers(version: Version) -> tuple[tuple[int, Style], ...]:
    """The shares of a version's two writers, and how they send their statements."""
    first, second = OWNED[version]
    return ((first, PREPARING), (second, SIMPLE))
