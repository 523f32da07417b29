"""Sees from the side how long statements of the application wait for us, also behind each other."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Self

import psycopg

from migsafe.plan.stages import Version

from .figures import Recorder

_PAUSE_SECONDS = 0.01
_WAITING = """
SELECT a.pid, a.application_name, left(a.query, 80), pg_blocking_pids(a.pid),
       coalesce(extract(epoch FROM clock_timestamp() - min(l.waitstart)), 0)::float8
FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
WHERE a.datname = current_database()
GROUP BY a.pid, a.application_name, a.query
"""
_OURS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'migsafe%'"


class Watch:
    """Looks a hundred times a second until the block ends.

    A wait is as long as the server says at the last look at it: at most one look short of the truth.
    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION
    """

    def __init__(self, dsn: str, recorder: Recorder) -> None:
        self._dsn, self._recorder = dsn, recorder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True, application_name="watch") as conn:
            while not self._stop.is_set():
                self._look(conn)
                time.sleep(_PAUSE_SECONDS)

    def _look(self, conn: psycopg.Connection) -> None:
        waiting = conn.execute(_WAITING).fetchall()
        if not waiting:
            return
        ours = {pid for (pid,) in conn.execute(_OURS).fetchall()}
        blockers = {pid: pids for pid, _, _, pids, _ in waiting}
        for pid, name, query, _, seconds in waiting:
            if name.startswith(tuple(f"{version}:" for version in Version)) and waits_for(
                ours, pid, blockers
            ):
                self._recorder.blocked(seconds, f"{name}: {query}")


def waits_for(whom: set[int], pid: int, blockers: Mapping[int, Sequence[int]]) -> bool:
    """Whether this session waits for one of them, or for somebody who does."""
    seen, ahead = set[int](), list(blockers.get(pid, ()))
    while ahead:
        current = ahead.pop()
        if current in whom:
            return True
        if current not in seen:
            seen.add(current)
            ahead += blockers.get(current, ())
    return False
