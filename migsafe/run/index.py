"""CREATE INDEX CONCURRENTLY: outside a transaction, watched, and repaired when it was left invalid.

A build that dies leaves an invalid index, and a build whose client died may still be going on. So
nothing is believed: the catalog says what there is, and pg_stat_activity says who is at work on it.
https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from dataclasses import dataclass

import psycopg
from psycopg import errors

from migsafe.errors import RunError
from migsafe.plan.model import IndexStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl, outside
from migsafe.run.blockers import find_old_snapshots
from migsafe.run.connect import Conn
from migsafe.run.events import InTheWay, Notice
from migsafe.run.ledger import steps
from migsafe.run.session import Session
from migsafe.run.watched import GaveWayError

_ATTEMPTS = 5


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
    old = find_old_snapshots(session.conn)
    if old:  # the build waits for them at its end, whatever tables they use
        session.emit(InTheWay(step=step.id, blockers=tuple(map(str, old))))
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
        except GaveWayError:
            _drop_invalid(session, step)
            if attempt == _ATTEMPTS:
                raise
            outside.rest(session, attempt)
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
    outside.wait_for_earlier(session, (step.sql, _drop(step)), f"builds {step.index}")


def _drop(step: IndexStep) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {_index_name(step)}"


def _drop_invalid(session: Session, step: IndexStep) -> None:
    found = _look(session.conn, step)
    if found is not None and found.ours and not found.valid:
        _concurrently(session, step, _drop(step))


def _concurrently(session: Session, step: IndexStep, statement: str) -> None:
    outside.run(session, statement, step=step.id)
