"""Pauses that end at once when somebody asks the rollout to stop."""

import time

from migsafe.run.events import Waiting
from migsafe.run.session import Session
from migsafe.run.throttle import Pause

_SLICE_SECONDS = 0.25


def pause(session: Session, wanted: Pause) -> None:
    """Wait, ready to stop at any time.

    Raises:
        StopRequested: Somebody asked us to stop.
        Fenced: Somebody took the rollout over.
    """
    if wanted.seconds > 1.0:
        session.emit(Waiting(reason=wanted.reason, seconds=wanted.seconds))
    ends = time.monotonic() + wanted.seconds
    while (remaining := ends - time.monotonic()) > 0:
        time.sleep(min(_SLICE_SECONDS, remaining))
        session.check()
