"""A connection that is lost while a rollout runs: another one, for a bounded time, and nothing done twice.

A new connection is used only after the lease was found to be ours on it, with its row locked for a
moment: what the lost connection left at work on the server has ended by then, one way or the other. So
what the ledger says next is final, and decides what is left to do. A worker without the lease takes a chunk
again, its own or another, and the row of a chunk is locked for as long as a batch is at work on it.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg import errors

from migsafe.errors import ConnectionFailed, RunError
from migsafe.run.connect import application_name, brief, connect, describe
from migsafe.run.events import Notice, Waiting
from migsafe.run.lease import confirm
from migsafe.run.ledger.rollouts import add_audit
from migsafe.run.session import Session

LOST = "connection lost"  # the line in the audit trail
_EVERY_SECONDS = 0.25

# The server ends our session, or a pooler says so of its own. https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOST_STATES = ("57P01", "57P02", "57P03")

Result = TypeVar("Result")


def is_lost(error: psycopg.Error) -> bool:
    """Whether the error says that its connection is gone, whichever it was."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    state = error.sqlstate
    return state is None or state.startswith("08") or state in _LOST_STATES


def persist(session: Session, work: Callable[[], Result]) -> Result:
    """Do what may be repeated, such as reading, until it was done without losing the connection.

    Raises:
        psycopg.Error: It failed for another reason, or nobody waits for connections now.
        RunError, Fenced: As `wait_for_connection` says.
    """
    while True:
        try:
            return work()
        except psycopg.Error as error:
            wait_for_connection(session, error)


def wait_for_connection(session: Session, error: psycopg.Error) -> None:
    """Return with a new connection on which the lease is still ours.

    Raises:
        psycopg.Error: The error itself, when it is not about a lost connection.
        RunError: There was no connection within `Settings.reconnect_seconds`.
        Fenced: Somebody took the rollout over meanwhile.
    """
    loss = lose(session, error)
    while not loss.is_repaired():
        time.sleep(_EVERY_SECONDS)


def lose(session: Session, error: psycopg.Error) -> "Loss":
    """Begin to look for a new connection after this error.

    Raises:
        psycopg.Error: The error itself, when it is not about a lost connection, or nobody waits for one.
    """
    if isinstance(error, errors.ReadOnlySqlTransaction):
        session.conn.close()  # behind it is a standby now, or a server that takes no writes: look for another
    if session.conn.closed and session.line.is_waited_for and session.settings.reconnect_seconds > 0:
        return Loss(session, error)
    raise error


class Loss:
    """One lost connection, until there is another one."""

    def __init__(self, session: Session, error: psycopg.Error) -> None:
        self._session = session
        self._reason = error.diag.message_primary or str(error).partition("\n")[0]
        self._began = time.monotonic()
        session.emit(
            Waiting(
                reason=f"the connection to {describe(session.dsn)} was lost ({self._reason}): trying again",
                seconds=session.settings.reconnect_seconds,
            )
        )

    def is_repaired(self) -> bool:
        """Try once.

        Raises:
            RunError: The time is over.
            Fenced: Somebody took the rollout over.
        """
        try:
            self._connect()
        except (ConnectionFailed, psycopg.OperationalError) as error:
            limit = self._session.settings.reconnect_seconds
            if time.monotonic() - self._began < limit:
                return False
            self._session.line.is_waited_for = False  # what cleans up after us does not wait once more
            raise RunError(
                f"the connection to {describe(self._session.dsn)} was lost ({self._reason}), and there was "
                f"no other one within {limit:g} s: {_said(error)}",
                advice="What was done is in the ledger, traffic stays where it is: when the database answers "
                "again, run the same command again to go on.",
            ) from error
        self._session.emit(Notice(text=f"connected again after {time.monotonic() - self._began:.1f} s"))
        return True

    def _connect(self) -> None:
        session = self._session
        conn = connect(
            session.dsn,
            timeout=min(session.settings.connect_timeout, session.settings.reconnect_seconds),
            application_name=application_name(session.plan.name),
        )
        try:
            with brief(conn):
                if session.token is not None:
                    confirm(
                        conn,
                        session.rollout_id,
                        session.token,
                        name=session.plan.name,
                        settings=session.settings,
                    )
                detail = {"reason": self._reason, "seconds": round(time.monotonic() - self._began, 3)}
                add_audit(conn, session.rollout_id, LOST, detail)
        except BaseException:
            conn.close()
            raise
        session.line.conn = conn


def _said(error: Exception) -> str:
    return error.message if isinstance(error, ConnectionFailed) else str(error).partition("\n")[0]
