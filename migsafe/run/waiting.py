"""Pauses that end at once when somebody asks the rollout to stop."""

import time

from migsafe.run.events import Waiting
from migsafe.run.session import Session

_SLICE_SECONDS = 0.25


def pause(session: Session, seconds: float, reason: str) -> None:
    """Wait, ready to stop at any time.

    Raises:
        StopRequested: Somebody asked us to stop.
        Fenced: Somebody took the rollout over.
    """
    if seconds > 1.0:
        session.emit(Waiting(reason=reason, seconds=seconds))
    ends = time.monotonic() + seconds
    while (remaining := ends - time.monotonic()) > 0:
        time.sleep(min(_SLICE_SECONDS, remaining))
        session.check()
