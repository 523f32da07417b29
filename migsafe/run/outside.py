"""A statement outside of a transaction: on a connection of its own, watched, and cancelled on request.

Such a statement waits for other transactions and may take hours. Its client may die meanwhile, and then the
server may still be at work on it.
"""

import random
import threading
import time
from collections.abc import Sequence

import psycopg
from psycopg import errors

from migsafe.errors import RunError
from migsafe.run.building import read_builds
from migsafe.run.connect import Conn, application_name, connect, is_pooled
from migsafe.run.events import Progress, Waiting
from migsafe.run.session import Session
from migsafe.run.watched import OUTSIDE, GaveWayError

_POLL_SECONDS = 0.25
_QUERY_BYTES = 200  # pg_stat_activity cuts queries, at 1024 bytes unless told otherwise


def run(session: Session, statement: str, *, step: str = "") -> None:
    """Run the statement. While it builds an index, how far it is is told as the progress of this step.

    Raises:
        psycopg.Error: It failed.
        GaveWayError: It was cancelled, for others waited for it. `rest`, and run it again.
        RunError: There is no connection on which it could wait as long as it must.
        StopRequested: Somebody asked us to stop; it was cancelled.
    """
    session.check()
    conn = connect(
        session.settings.direct_dsn or session.dsn,
        timeout=session.settings.connect_timeout,
        application_name=application_name(session.plan.name),
    )
    with conn:
        _unlimit(session, conn)
        row = conn.execute("SELECT pg_backend_pid()").fetchone()
        pid = int(row[0]) if row else 0
        session.watched.enter(OUTSIDE, pid, patient=True)
        failure: list[BaseException] = []

        def work() -> None:
            try:
                conn.execute(statement.encode())
            except psycopg.Error as error:
                failure.append(error)
            finally:
                session.watched.leave(OUTSIDE)

        thread = threading.Thread(target=work, name="migsafe-outside")
        thread.start()
        try:
            _watch(session, thread, Build(session, step, pid))
        except BaseException:
            conn.cancel_safe(timeout=5.0)
            raise
        finally:
            thread.join()
        if failure:
            _tell_gave_way(session, failure[0])
            raise failure[0]


def rest(session: Session, attempt: int) -> None:
    """Pause before it is run again, after it gave way: 1 s, then twice as long each time, with jitter.

    Raises:
        StopRequested: Somebody asked us to stop.
    """
    ends = time.monotonic() + 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311 - just a pause
    while time.monotonic() < ends:
        time.sleep(_POLL_SECONDS)
        session.check()


def wait_for_earlier(session: Session, statements: Sequence[str], does: str) -> None:
    """Wait while a backend that lost its client is still at one of these, rather than do it twice.

    Raises:
        StopRequested: Somebody asked us to stop.
    """
    told = False
    while pid := _backend(session.conn, statements):
        if not told:
            session.emit(Waiting(reason=f"an earlier attempt still {does} (pid {pid})"))
            told = True
        time.sleep(_POLL_SECONDS)
        session.check()


def _backend(conn: Conn, statements: Sequence[str]) -> int | None:
    row = conn.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND state = 'active' AND usename = current_user "
        "AND left(query, %(size)s) = ANY (%(queries)s) LIMIT 1",
        {"size": _QUERY_BYTES, "queries": [text[:_QUERY_BYTES] for text in statements if text]},
    ).fetchone()
    return None if row is None else int(row[0])


def _unlimit(session: Session, conn: Conn) -> None:
    """No timeouts for a statement that waits for others but that nobody waits for.

    On a direct connection of our own a session setting is harmless; behind a pooler it would leak.
    """
    if not is_pooled(conn):
        conn.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        if conn.info.server_version >= 170000:
            conn.execute("SET transaction_timeout = 0")
        if session.server.checks_clients:
            conn.execute("SET client_connection_check_interval = 1000")
        return
    row = conn.execute(
        "SELECT current_setting('statement_timeout') <> '0' OR current_setting('lock_timeout') <> '0' "
        "OR coalesce(current_setting('transaction_timeout', true), '0') <> '0'"
    ).fetchone()
    if row is not None and row[0]:
        raise RunError(
            "what runs CONCURRENTLY needs a connection without timeouts, not a pooler",
            advice="Give a direct URL to the server as well: --direct-database, MIGSAFE_DIRECT_DATABASE_URL.",
        )


def _tell_gave_way(session: Session, failure: BaseException) -> None:
    if not isinstance(failure, errors.QueryCanceled):
        return
    event = session.watched.gave_way(OUTSIDE)
    if event is not None:
        session.emit(event)
        raise GaveWayError(
            f"a statement outside of a transaction gave way to {', '.join(event.waiters)}, who waited for it",
            advice="Run the same command again when the table is less busy: it goes on here.",
        ) from failure


class Build:
    """Tells how far the server is, as long as it says so."""

    def __init__(self, session: Session, step: str, pid: int) -> None:
        self._session, self._step, self._pid = session, step, pid
        self._began, self._waited_for = time.monotonic(), ""

    def tell(self) -> None:
        """Tell now; whom it waits for once, when that changes."""
        for build in read_builds(self._session.conn, pid=self._pid):
            elapsed, fraction = time.monotonic() - self._began, build.fraction
            waits_for = build.said if build.waits_for else ""
            if waits_for and waits_for != self._waited_for:
                self._session.emit(Waiting(reason=f"the build of an index is {waits_for}"))
            self._waited_for = waits_for
            self._session.emit(
                Progress(
                    step=self._step,
                    fraction=fraction,
                    rows=0,
                    rows_per_second=0.0,
                    eta_seconds=elapsed * (1 - fraction) / fraction if fraction > 0.02 else None,
                    phase=build.phase,
                    waits_for=tuple(build.waits_for),
                )
            )


def _watch(session: Session, thread: threading.Thread, build: Build) -> None:
    while True:
        thread.join(_POLL_SECONDS)
        if not thread.is_alive():
            return
        session.check()
        build.tell()
