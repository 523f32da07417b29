"""How long statements of the applications had to wait for locks, seen from outside."""

import threading
import time
from dataclasses import dataclass
from typing import Self

import psycopg

from migsafe.demo.texts import text_of

INTERVAL_SECONDS = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """One wait, as long as it was seen; it ended less than one interval later."""

    milliseconds: float
    application: str
    lock: str
    stage: str


class BlockedSampler:
    """Looks at pg_locks every few milliseconds on one connection of its own, as a context manager.

    `waitstart` tells since when a statement waits, so that a wait which is seen once is measured from its
    beginning. https://www.postgresql.org/docs/current/view-pg-locks.html
    """

    def __init__(self, dsn: str, applications: tuple[str, ...]) -> None:
        self.stage = "before"
        self.samples = 0
        self.error: str | None = None
        self._dsn = dsn
        self._applications = applications
        self._waits: dict[tuple[object, object], Blocked] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="blocked", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def longest(self) -> Blocked | None:
        """The longest wait so far; None when nobody was ever seen waiting."""
        return max(list(self._waits.values()), key=lambda wait: wait.milliseconds, default=None)

    def _run(self) -> None:
        statement = text_of("blocked.sql")
        try:
            with psycopg.connect(self._dsn, application_name="demo-watch", autocommit=True) as conn:
                while not self._stop.is_set():
                    started = time.monotonic()
                    self._look(conn, statement)
                    self._stop.wait(max(0.001, INTERVAL_SECONDS - (time.monotonic() - started)))
        except psycopg.Error as error:
            self.error = str(error).strip()

    def _look(self, conn: psycopg.Connection, statement: bytes) -> None:
        rows = conn.execute(statement, {"applications": list(self._applications)}).fetchall()
        self.samples += 1
        for pid, since, waited_ms, application, lock in rows:
            self._waits[pid, since] = Blocked(
                milliseconds=round(float(waited_ms), 2), application=application, lock=lock, stage=self.stage
            )
