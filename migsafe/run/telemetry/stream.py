"""The stream of events: one line of JSON for each, appended to a file, a pipe or standard output.

The rollout never waits for who reads: lines go through a bounded queue to a thread. What cannot be written is
left out and counted, and the stream says so itself when it can be written again.
"""

import errno
import os
import queue
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from migsafe.errors import UsageError
from migsafe.run.events import BatchDone, Event, PaceRead, Progress
from migsafe.run.telemetry.schema import FORMAT_VERSION, line, stamp
from migsafe.run.telemetry.sink import Complain

STANDARD_OUTPUT = "-"
_QUEUE_LINES = 10_000
_FAREWELL_SECONDS = 3.0
# What comes often is written at most once in so many seconds; batches are summed up by `progress`.
_EVERY_SECONDS: dict[type[Event], float] = {Progress: 1.0, PaceRead: 10.0}
_LEFT_OUT = (BatchDone,)
_FD = "fd:"


class EventStream:
    """Writes events to a file descriptor of its own."""

    def __init__(
        self, fd: int, place: str, complain: Complain, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fd, self._place, self._complain, self._clock = fd, place, complain, clock
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue(_QUEUE_LINES)
        self._written_at: dict[type[Event], float] = {}
        self._full = 0  # lines that did not fit into the queue: counted by who takes,
        self._full_told = 0  # and by who writes
        self._lost = 0  # lines that could not be written, since the last that could
        self._lost_in_all = 0
        self._is_torn, self._is_broken, self._has_complained = False, False, False
        self._thread = threading.Thread(target=self._run, name="migsafe-events", daemon=True)
        self._thread.start()

    def take(self, event: Event, document: dict[str, Any]) -> None:
        """Queue a line, unless one like it was just written."""
        if isinstance(event, _LEFT_OUT) or self._is_too_soon(event):
            return
        try:
            self._lines.put_nowait(document)
        except queue.Full:
            self._full += 1

    def close(self) -> None:
        """Write what is queued, within 3 seconds, and say how much was lost in all."""
        ends = self._clock() + _FAREWELL_SECONDS
        with suppress(queue.Full):
            self._lines.put(None, timeout=_FAREWELL_SECONDS)
        self._thread.join(max(0.0, ends - self._clock()))
        left = self._lines.qsize() if self._thread.is_alive() else 0
        lost = self._lost_in_all + self._full + left
        if lost:
            self._complain(f"{lost} events were not written to {self._place}")

    def _is_too_soon(self, event: Event) -> bool:
        every = _EVERY_SECONDS.get(type(event))
        if every is None or (isinstance(event, Progress) and event.fraction >= 1.0):
            return False
        now = self._clock()
        if now - self._written_at.get(type(event), -every) < every:
            return True
        self._written_at[type(event)] = now
        return False

    def _run(self) -> None:
        while (document := self._lines.get()) is not None:
            self._write(document)
        os.close(self._fd)

    def _write(self, document: dict[str, Any]) -> None:
        if self._is_broken:
            self._lose()
            return
        full = self._full
        data = line(document)
        lost = self._lost + full - self._full_told
        if lost:
            data = line(_lost(lost)) + data
        if self._is_torn:
            data = b"\n" + data
        try:
            self._write_all(data)
        except OSError as error:
            self._lose()
            self._is_broken = error.errno == errno.EPIPE
            if not self._has_complained:
                self._has_complained = True
                self._complain(
                    f"events cannot be written to {self._place}: {error.strerror}; the rollout goes on"
                )
        else:
            self._full_told = full
            self._lost = 0

    def _write_all(self, data: bytes) -> None:
        while data:
            written = os.write(self._fd, data)
            data = data[written:]
            self._is_torn = bool(data)

    def _lose(self) -> None:
        self._lost += 1
        self._lost_in_all += 1


def _lost(count: int) -> dict[str, Any]:
    """The line that stands where events are missing."""
    return {
        "format_version": FORMAT_VERSION,
        "time": stamp(datetime.now(UTC)),
        "event": "events_lost",
        "count": count,
    }


def open_stream(target: str, complain: Complain) -> EventStream:
    """The stream to a file (appended to, made with mode 0600), a named pipe, `fd:N`, or `-`.

    Raises:
        UsageError: It cannot be opened, or nobody reads from the pipe.
    """
    try:
        if target == STANDARD_OUTPUT:
            fd, place = os.dup(1), "standard output"
        elif target.startswith(_FD):
            fd, place = os.dup(int(target.removeprefix(_FD))), f"file descriptor {target.removeprefix(_FD)}"
        else:
            # Without waiting: a named pipe that nobody reads is an error now, not a command that hangs.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
            fd, place = os.open(target, flags, 0o600), target
            os.set_blocking(fd, True)
    except ValueError as error:
        raise UsageError(
            f"--events {target}: not a file descriptor", advice="For example: --events fd:3 3>>events.jsonl"
        ) from error
    except OSError as error:
        nobody = error.errno == errno.ENXIO and stat.S_ISFIFO(os.stat(target).st_mode)  # noqa: PTH116
        why = "nobody reads from this pipe" if nobody else error.strerror
        raise UsageError(f"--events {target}: {why}", advice="Nothing of the rollout was done.") from error
    return EventStream(fd, place, complain)
