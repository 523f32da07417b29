"""Ends sessions that are in the way, as the kill policy says: named first and audited."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from migsafe.run.blockers import Blocker
from migsafe.run.events import SessionEnded
from migsafe.run.kill import why_not
from migsafe.run.ledger.rollouts import add_audit
from migsafe.run.session import Session

if TYPE_CHECKING:
    from datetime import datetime

# The very transaction that was in the way, in the state it was in: a process number alone says nothing.
_END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %(pid)s AND backend_start = %(backend_start)s AND xact_start = %(xact_start)s
      AND state = %(state)s AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Policy:
    """The kill policy on the way of one step to its locks."""

    def __init__(self, session: Session, step: str) -> None:
        self._session, self._step = session, step
        self._named: set[tuple[int | None, datetime | None]] = set()

    def apply(self, blockers: Sequence[Blocker]) -> None:
        """After an attempt that failed: name those to be ended, and end those that were named before."""
        settings = self._session.settings
        for blocker in blockers:
            if why_not(blocker, settings.kill, superusers=settings.kill_superusers) is not None:
                continue
            mark = (blocker.pid, blocker.xact_start)
            if mark in self._named:
                self._end(blocker)
            else:
                self._named.add(mark)
                self._session.emit(SessionEnded(session=str(blocker), done=False))

    def _end(self, blocker: Blocker) -> None:
        session = self._session
        detail = {
            "pid": blocker.pid,
            "kind": blocker.kind,
            "role": blocker.role,
            "application": blocker.application,
            "seconds": round(blocker.transaction_seconds, 1),
            "step": self._step,
        }
        with session.transaction():  # first, so that nothing is ended without a trace
            add_audit(session.conn, session.rollout_id, "session ended", detail)
        row = session.conn.execute(
            _END,
            {
                "pid": blocker.pid,
                "backend_start": blocker.backend_start,
                "xact_start": blocker.xact_start,
                "state": blocker.state,
            },
        ).fetchone()
        if row is not None and row[0]:
            session.emit(SessionEnded(session=str(blocker), done=True))
