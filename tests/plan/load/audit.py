"""Both versions see the same: their views hold the same rows, as text, in one snapshot, all the time."""

import threading
from collections import Counter
from typing import Self

import psycopg

from migsafe.plan.stages import Version

from .clients import Conn
from .figures import Recorder
from .lens import Lens

_PAUSE_SECONDS = 0.05


class Audit:
    """Compares the views again and again while both versions may work; made and ended by a block."""

    def __init__(self, lens: Lens, dsn: str, recorder: Recorder) -> None:
        self._lens, self._dsn, self._recorder = lens, dsn, recorder
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._rounds = 0
        self._round = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="audit")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._wanted.set()
        self._thread.join()

    def allow(self, *, both: bool) -> None:
        """Whether both versions may work from now on. Not any more: the current comparison is ended first."""
        if both and self._lens.compares:
            self._wanted.set()
        else:
            self._wanted.clear()
            with self._round:
                pass

    def finish_round(self) -> None:
        """Wait until a comparison that begins now has been made, where they are made."""
        with self._round:
            after = self._rounds + 1
            self._round.wait_for(lambda: self._rounds >= after or not self._wanted.is_set(), timeout=30)

    def _run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True, application_name="audit") as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while True:
                self._wanted.wait()
                if self._ended.is_set():
                    return
                with self._round:
                    if self._wanted.is_set():
                        self._compare(conn)
                    self._rounds += 1
                    self._round.notify_all()
                self._ended.wait(_PAUSE_SECONDS)

    def _compare(self, conn: Conn) -> None:
        try:
            rows, wrong = unlike(conn, self._lens)
        except psycopg.Error as error:
            self._recorder.failed(f"the views cannot be compared: {error}")
            return
        self._recorder.compared(rows)
        if wrong:
            self._recorder.failed(wrong)


def unlike(conn: Conn, lens: Lens) -> tuple[int, str]:
    """How many rows blue sees now, and what green sees otherwise, in words; empty when they see the same."""
    # In one statement: its locks come before its snapshot, so that no DDL can come between the two.
    query = " UNION ALL ".join(
        f"SELECT '{version}', seen FROM ({shared}) AS part" for version, shared in lens.shared.items()
    )
    rows = conn.execute(query.encode()).fetchall()
    blue, green = (Counter(row for whose, row in rows if whose == version) for version in Version)
    if blue == green:
        return len(rows) // 2, ""
    only_blue, only_green = list((blue - green).elements()), list((green - blue).elements())
    return len(
        rows
    ) // 2, f"blue and green see different rows: only blue {only_blue[:3]}, only green {only_green[:3]}"
