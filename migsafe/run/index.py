"""CREATE INDEX CONCURRENTLY: outside a transaction, watched, and repaired when it was left invalid.

A build that dies leaves an invalid index, and a build whose client died may still be going on. So
nothing is believed: the catalog says what there is, and pg_stat_activity says who is at work on it.
https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

import threading
import time
from dataclasses import dataclass

import psycopg
from psycopg import errors

from migsafe.errors import RunError
from migsafe.plan.model import IndexStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl
from migsafe.run.connect import Conn, application_name, connect, is_pooled
from migsafe.run.events import Notice, Progress, Waiting
from migsafe.run.ledger import steps
from migsafe.run.session import Session

_ATTEMPTS = 5
_POLL_SECONDS = 0.25
_QUERY_BYTES = 200  # pg_stat_activity cuts queries, at 1024 bytes unless told otherwise


@dataclass(frozen=True, slots=True)
class _Found:
    oid: int
    ours: bool  # on the step's table
    valid: bool


def run_index(session: Session, step: IndexStep, reaches: Stage | None) -> None:
    """Build the index, or go on with what an earlier run left.

    Raises:
        RunError: The name is taken, or the index cannot be built (a duplicate, for example).
        StopRequested: Somebody asked us to stop; the build was cancelled.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        _wait_for_builder(session, step)
        found = _look(session.conn, step)
        if found is not None and not found.ours:
            raise RunError(
                f"the name {step.index} is taken by something that does not belong to {step.table}",
                advice="Rename or drop it, then run the same command again.",
            )
        if found is not None and found.valid:
            break
        if found is not None:
            session.emit(Notice(text=f"{step.index} was left invalid by an earlier attempt: once more"))
            _concurrently(session, step, _drop(step))
        try:
            _concurrently(session, step, step.sql)
        except (errors.DeadlockDetected, errors.LockNotAvailable):
            if attempt == _ATTEMPTS:
                raise
        except psycopg.Error:
            _drop_invalid(session, step)  # an invalid unique index still refuses the application's rows
            raise
    with session.transaction():
        seconds = ddl.finish(session, step, reaches)
    ddl.report_stage(session, reaches, seconds)


def undo_index(session: Session, step: IndexStep, falls_to: Stage | None) -> None:
    """Drop the index, whatever became of it."""
    _wait_for_builder(session, step)
    found = _look(session.conn, step)
    if found is not None and found.ours:
        _concurrently(session, step, _drop(step))
    with session.transaction():
        seconds = ddl.forget(session, step, falls_to)
    ddl.report_stage(session, falls_to, seconds)


def require_free_name(session: Session, step: IndexStep) -> None:
    """Refuse, before the step begins for the first time, when an index of its name exists already.

    Raises:
        RunError: It does, so it is not ours.
    """
    if (
        _look(session.conn, step) is not None
        and not steps.read_step(session.conn, session.rollout_id, step.id).attempts
    ):
        raise RunError(
            f"a relation named {step.index} exists already, and this rollout did not make it",
            advice="Rename or drop it, then run the same command again.",
        )


def _look(conn: Conn, step: IndexStep) -> _Found | None:
    row = conn.execute(
        "SELECT c.oid::int8, coalesce(i.indrelid = to_regclass(%s), false), "
        "coalesce(i.indisvalid AND i.indisready, false) "
        "FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.oid = to_regclass(%s)",
        (step.table.sql, _index_name(step)),
    ).fetchone()
    return None if row is None else _Found(*row)


def _index_name(step: IndexStep) -> str:
    """An index lives in the schema of its table."""
    if step.index.schema is None and step.table.schema is not None:
        return type(step.index)(step.index.name, step.table.schema).sql
    return step.index.sql


def _wait_for_builder(session: Session, step: IndexStep) -> None:
    """Wait while a backend that lost its client is still at our statement, rather than do it twice."""
    told = False
    while pid := _builder(session.conn, step):
        if not told:
            session.emit(Waiting(reason=f"an earlier attempt still builds {step.index} (pid {pid})"))
            told = True
        time.sleep(_POLL_SECONDS)
        session.check()


def _builder(conn: Conn, step: IndexStep) -> int | None:
    row = conn.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND state = 'active' AND usename = current_user "
        "AND left(query, %(size)s) = ANY (%(queries)s) LIMIT 1",
        {
            "size": _QUERY_BYTES,
            "queries": [text[:_QUERY_BYTES] for text in (step.sql, _drop(step))],
        },
    ).fetchone()
    return None if row is None else int(row[0])


def _drop(step: IndexStep) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {_index_name(step)}"


def _drop_invalid(session: Session, step: IndexStep) -> None:
    found = _look(session.conn, step)
    if found is not None and found.ours and not found.valid:
        _concurrently(session, step, _drop(step))


def _concurrently(session: Session, step: IndexStep, statement: str) -> None:
    """Run the statement on a connection of its own, and cancel it when the rollout must stop."""
    session.check()
    conn = connect(
        session.settings.direct_dsn or session.dsn,
        timeout=session.settings.connect_timeout,
        application_name=application_name(session.plan.name),
    )
    with conn:
        _unlimit(session, conn)
        failure: list[BaseException] = []

        def run() -> None:
            try:
                conn.execute(statement.encode())
            except psycopg.Error as error:
                failure.append(error)

        thread = threading.Thread(target=run, name="migsafe-concurrently")
        thread.start()
        try:
            _watch(session, step, thread)
        except BaseException:
            conn.cancel_safe(timeout=5.0)
            raise
        finally:
            thread.join()
        if failure:
            raise failure[0]


def _unlimit(session: Session, conn: Conn) -> None:
    """No timeouts for a statement that waits for others but that nobody waits for.

    On a direct connection of our own a session setting is harmless; behind a pooler it would leak.
    """
    if not is_pooled(conn):
        conn.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        if session.server.checks_clients:
            conn.execute("SET client_connection_check_interval = 1000")
        return
    row = conn.execute(
        "SELECT current_setting('statement_timeout') <> '0' OR current_setting('lock_timeout') <> '0'"
    ).fetchone()
    if row is not None and row[0]:
        raise RunError(
            "CREATE INDEX CONCURRENTLY needs a connection without timeouts, not a pooler",
            advice="Give a direct URL to the server as well (--direct-database or MIGSAFE_DIRECT_URL).",
        )


def _watch(session: Session, step: IndexStep, thread: threading.Thread) -> None:
    began = time.monotonic()
    while True:
        thread.join(_POLL_SECONDS)
        if not thread.is_alive():
            return
        session.check()
        row = session.conn.execute(
            "SELECT coalesce(blocks_done::float8 / nullif(blocks_total, 0), 0)::float8 "
            "FROM pg_stat_progress_create_index "
            "WHERE relid = to_regclass(%s) AND datname = current_database()",
            (step.table.sql,),
        ).fetchone()
        if row is not None:
            fraction = min(1.0, float(row[0]))
            elapsed = time.monotonic() - began
            eta = elapsed * (1 - fraction) / fraction if fraction > 0.01 else None
            session.emit(
                Progress(step=step.id, fraction=fraction, rows=0, rows_per_second=0.0, eta_seconds=eta)
            )
