"""Processes to kill: forked from one that has everything imported, so that they begin at once."""

import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection

from tests.kill.act import END, Ended, Mark, Struck, Task, carry_out

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["__main__", "tests.kill.act", "migsafe.catalog.live", "migsafe.plan.planner"]
)


class Victim:
    """A process at work on a task."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.marks: list[Mark] = []
        self.ended: Ended | None = None
        self.strikes: list[Struck] = []
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        self._changed = threading.Condition()
        self._process = _CONTEXT.Process(target=carry_out, args=(task, theirs))
        self._process.start()
        theirs.close()
        self._reader = threading.Thread(target=self._read, args=(ours,))
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid or 0

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self._process.exitcode == -signal.SIGKILL

    @property
    def place(self) -> str:
        """The last place that it reached."""
        return self.marks[-1].place if self.marks else "nowhere"

    def wait_for(self, place: str, timeout: float) -> bool:
        """Wait until it reached this place; False when it ended before, or in time."""
        ends = time.monotonic() + timeout
        with self._changed:
            while not any(mark.place == place for mark in self.marks):
                if not self._reader.is_alive() or time.monotonic() > ends:
                    return False
                self._changed.wait(0.05)
        return True

    def kill(self) -> None:
        """From outside, whatever it does."""
        if self._process.pid is not None and self.is_alive:
            os.kill(self._process.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> None:
        """Until it ends, at most for so long."""
        self._process.join(seconds)

    def join(self, timeout: float = 90.0) -> None:
        """Wait until it has ended, and make sure that it did."""
        self._process.join(timeout)
        hung = self._process.is_alive()
        if hung:
            self.kill()
            self._process.join()
        self._reader.join()
        assert not hung, f"{self.task.act} did not end within {timeout:g} s; it was at {self.place}"

    @property
    def did_it(self) -> bool:
        """Whether it did what it should."""
        return self.place == END

    def _read(self, pipe: Connection) -> None:
        with pipe:
            while True:
                try:
                    found = pipe.recv()
                except (EOFError, OSError):
                    break
                with self._changed:
                    if isinstance(found, Mark):
                        self.marks.append(found)
                    elif isinstance(found, Struck):
                        self.strikes.append(found)
                    else:
                        self.ended = found
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()
