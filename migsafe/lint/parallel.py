"""Does independent work on several cores: what is given to a forked process is there without being sent.

Only on Linux, where forking a process without threads is safe; elsewhere, and with one core, the caller's
process does it all. Whatever a forked process fails to do, the caller's process does again: nothing is lost,
and an error is raised as if there were no other process.
"""

import gc
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

# More processes gain little: one has to read all scripts in order. And each takes some tens of megabytes.
MOST_PROCESSES = 4
# A fork takes some milliseconds, as does the work on a few scripts.
_LEAST_TASKS = 32


def processes_for(tasks: int) -> int:
    """How many processes, this one included, are worth it for so many tasks."""
    if sys.platform != "linux" or threading.active_count() > 1 or tasks < 2 * _LEAST_TASKS:
        return 1
    return min(MOST_PROCESSES, len(os.sched_getaffinity(0)))


def spread(tasks: Iterable[Task], work: Callable[[Task], Result], *, processes: int) -> list[Result]:
    """The same as `[work(task) for task in tasks]`, in that order, with the work spread over processes.

    Other processes work already while the tasks are still being made here. Results are pickled.
    """
    if processes < 2:
        return [work(task) for task in tasks]
    return _Spread(work, processes - 1).run(tasks)


@dataclass(slots=True)
class _Child(Generic[Task]):
    """A forked process: the tasks it has, and the file in memory that its results come in."""

    pid: int
    file: int
    tasks: list[tuple[int, Task]]


@dataclass(slots=True)
class _Spread(Generic[Task, Result]):
    """The state while the work goes on; tasks are numbered."""

    work: Callable[[Task], Result]
    most: int  # forked processes at a time; 0 when forking does not work
    waiting: deque[tuple[int, Task]] = field(default_factory=deque)
    children: list[_Child[Task]] = field(default_factory=list)
    done: dict[int, Result] = field(default_factory=dict)

    def run(self, tasks: Iterable[Task]) -> list[Result]:
        try:
            for number, task in enumerate(tasks):
                self.waiting.append((number, task))
                self.give_away()
            while self.waiting:
                self.do([self.waiting.popleft()])
                self.give_away()
            while self.children:
                self.end(self.children[0], wait=True)
        finally:
            self.stop()
        return [self.done[number] for number in sorted(self.done)]

    def do(self, tasks: Iterable[tuple[int, Task]]) -> None:
        for number, task in tasks:
            self.done[number] = self.work(task)

    def give_away(self) -> None:
        """Starts a process for part of what is waiting, when one may be started."""
        for child in [*self.children]:
            self.end(child, wait=False)
        if len(self.children) >= self.most or len(self.waiting) < _LEAST_TASKS:
            return
        # Ever smaller parts, so that all processes come to an end at about the same time.
        count = max(_LEAST_TASKS, len(self.waiting) // (self.most + 1))
        part = [self.waiting.popleft() for _ in range(count)]
        try:
            self.children.append(self.start(part))
        except OSError:  # no more processes or files are allowed
            self.most = 0
            self.waiting.extendleft(reversed(part))

    def start(self, tasks: list[tuple[int, Task]]) -> _Child[Task]:
        file = os.memfd_create("migsafe")
        try:
            pid = os.fork()
        except OSError:
            os.close(file)
            raise
        if pid == 0:
            self.be_child(file, tasks)
        return _Child(pid, file, tasks)

    def be_child(self, file: int, tasks: list[tuple[int, Task]]) -> None:
        """Does the work, and ends this process without a trace: buffers and files are the caller's."""
        code = 1
        try:
            gc.disable()  # it would touch, and so copy, all memory that is shared with the caller's process
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            results = [self.work(task) for _, task in tasks]
            with open(file, "wb", closefd=False) as out:
                pickle.dump(results, out, pickle.HIGHEST_PROTOCOL)
            code = 0
        except BaseException:  # noqa: BLE001, S110 -- the caller's process does the same work, and says what is wrong
            pass
        finally:
            os._exit(code)

    def end(self, child: _Child[Task], *, wait: bool) -> None:
        """Takes what a child has done, if it is at its end; what it has not done is done here."""
        pid, status = os.waitpid(child.pid, 0 if wait else os.WNOHANG)
        if pid == 0:
            return
        self.children.remove(child)
        results = _read(child.file)
        if status != 0 or results is None or len(results) != len(child.tasks):
            self.most = 0
            self.do(child.tasks)
            return
        for (number, _), result in zip(child.tasks, results, strict=True):
            self.done[number] = result

    def stop(self) -> None:
        """Ends what still runs: somebody interrupted the work, or it failed."""
        for child in self.children:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
            os.close(child.file)
        self.children.clear()


def _read(file: int) -> list[Any] | None:
    """What a child has written; None when it is not whole."""
    os.lseek(file, 0, os.SEEK_SET)
    with open(file, "rb") as found:
        try:
            results = pickle.load(found)  # noqa: S301 -- written by a process of our own
        except (EOFError, pickle.UnpicklingError):
            return None
    return results if isinstance(results, list) else None
