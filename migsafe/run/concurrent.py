"""Statements outside of a transaction: the catalog is asked whether they are done, or were broken off.

https://www.postgresql.org/docs/current/sql-dropindex.html
https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
"""

from psycopg import errors

from migsafe.plan.model import ConcurrentStep
from migsafe.plan.stages import Stage
from migsafe.run import ddl, outside
from migsafe.run.events import Notice
from migsafe.run.session import Session
from migsafe.run.watched import GaveWayError

_ATTEMPTS = 5


def run_concurrent(session: Session, step: ConcurrentStep, reaches: Stage | None) -> None:
    """Carry the step out, or what an attempt that was broken off left of it.

    Raises:
        psycopg.Error: It failed; run it again to go on.
        StopRequested: Somebody asked us to stop; the statement was cancelled.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        outside.wait_for_earlier(session, (step.sql, step.mend), f"does '{step.title}'")
        if _holds(session, step.done):
            break
        try:
            if _holds(session, step.broken):
                session.emit(Notice(text=f"'{step.title}' was broken off by an earlier attempt: mending it"))
                outside.run(session, step.mend, step=step.id)
                if _holds(session, step.done):
                    break
            outside.run(session, step.sql, step=step.id)
            break
        except (errors.DeadlockDetected, errors.LockNotAvailable):
            if attempt == _ATTEMPTS:
                raise
        except GaveWayError:
            if attempt == _ATTEMPTS:
                raise
            outside.rest(session, attempt)
    with session.transaction():
        seconds = ddl.finish(session, step, reaches)
    ddl.report_stage(session, reaches, seconds)


def _holds(session: Session, condition: str) -> bool:
    if not condition:
        return False
    row = session.conn.execute(f"SELECT ({condition})".encode()).fetchone()
    return row is not None and row[0] is True
