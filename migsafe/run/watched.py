"""What of ours is at work on the server: told by the one who works, read by the guard, who may cancel it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from migsafe.errors import LockTimeout
from migsafe.run.events import GaveWay

MAIN, OUTSIDE = "main", "outside"


class GaveWayError(LockTimeout):
    """A statement outside of a transaction was cancelled, for somebody who waited for it."""


@dataclass(slots=True, kw_only=True)
class Backend:
    """One of our server processes, while it is in a transaction. `patient` work may take hours."""

    pid: int
    patient: bool
    since: float = field(default_factory=time.monotonic)


class Watched:
    """Shared by the worker and the guard.

    Behind a pooler a process is ours for one transaction only. So a cancel is sent under a lock, and leaving
    takes that lock, before the commit: nothing can be cancelled that is not ours any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._backends: dict[str, Backend] = {}
        self._gave_way: dict[str, GaveWay] = {}
        self._stirred = True  # so that the guard is there before the work begins

    def enter(self, name: str, pid: int, *, patient: bool = False) -> None:
        """From now on the guard looks after this process."""
        with self._lock:
            self._gave_way.pop(name, None)
            self._backends[name] = Backend(pid=pid, patient=patient)
            self._stirred = True

    def leave(self, name: str) -> None:
        """From now on nothing of it is cancelled."""
        with self._lock:
            self._backends.pop(name, None)

    def be_patient(self, name: str, *, patient: bool) -> None:
        """Its next statement may take hours, or may not."""
        with self._lock:
            if name in self._backends:
                self._backends[name].patient = patient

    def at_work(self) -> dict[str, Backend]:
        """Who is at work now."""
        with self._lock:
            return dict(self._backends)

    def has_stirred(self) -> bool:
        """Whether there was any work since this was asked before, over by now or not."""
        with self._lock:
            stirred, self._stirred = self._stirred, bool(self._backends)
            return stirred

    def cancel(self, name: str, backend: Backend, cancel: Callable[[], object], why: GaveWay) -> bool:
        """Cancel what it does, unless it has left. `why` is kept for the worker."""
        with self._lock:
            if self._backends.get(name) is not backend:
                return False
            cancel()
            self._gave_way[name] = why
            return True

    def gave_way(self, name: str) -> GaveWay | None:
        """Why its last statement was cancelled by the guard; None when it was not. Told once."""
        with self._lock:
            return self._gave_way.pop(name, None)
