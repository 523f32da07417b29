"""Where one plan stands in each database of a fleet, read from their ledgers, many at a time."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import psycopg

from migsafe.errors import MigsafeError
from migsafe.fleet.model import Database
from migsafe.plan.model import BackfillStep, Plan
from migsafe.plan.stages import Stage
from migsafe.rollout.requests import living_holder
from migsafe.run.connect import Conn, connect
from migsafe.run.ledger.model import Request, Rollout, State, StepState
from migsafe.run.ledger.rollouts import read_rollout
from migsafe.run.ledger.steps import read_steps
from migsafe.run.lost import database_errors
from migsafe.run.status import StepStatus, step_status

AT_ONCE = 16
TIMEOUT_SECONDS = 5.0
STOP_EVENT = "fleet asked to stop"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The step that is at work, or that failed. `rows_total` is what the planner knows of its table."""

    title: str
    state: StepState
    rows: int
    rows_total: int | None
    percent: float | None
    rows_per_second: float | None
    eta_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One database. Without a `state` the rollout has not begun there, or, with a `problem`, nobody knows."""

    database: Database
    stage: Stage = Stage.PLANNED
    state: State | None = None
    begun: bool = False  # whether it left something behind: then its plan is pinned
    request: Request | None = None
    fingerprint: str | None = None
    plan: str = ""
    holder: str | None = None
    work: Work | None = None
    error: str | None = None  # of the ledger: why the rollout stopped the last time
    problem: str | None = None  # ours: why the database cannot be read
    advice: str = ""
    updated_at: datetime | None = None
    stop_mark: int = 0
    blue_sessions: int = 0

    @property
    def name(self) -> str:
        """The database's name."""
        return self.database.name


def read_fleet(databases: Sequence[Database], rollout: str, plan: Plan | None = None) -> tuple[Reading, ...]:
    """The readings, in the order of the databases. What goes wrong with one is in its reading.

    With a plan its table's size and the sessions of its old version are looked for, too.
    """
    return tuple(at_once(lambda each: _read(each, rollout, plan), databases))


def at_once(work: Callable[[Database], Result], databases: Iterable[Database]) -> list[Result]:
    """Do something with several databases at the same time; the results are in their order."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return list(pool.map(work, databases))


def stop_mark(conn: Conn, rollout_id: int) -> int:
    """The number of the last line of the audit trail that asks a fleet to stop; 0 when there is none."""
    row = conn.execute(
        "SELECT coalesce(max(id), 0) FROM migsafe.audit WHERE rollout_id = %s AND event = %s",
        (rollout_id, STOP_EVENT),
    ).fetchone()
    return int(row[0]) if row else 0


def _read(database: Database, name: str, plan: Plan | None) -> Reading:
    try:
        with (
            database_errors(database.dsn),
            connect(database.dsn, timeout=TIMEOUT_SECONDS, only_reads=True) as conn,
            conn.transaction(),
        ):
            conn.execute("SET LOCAL statement_timeout = '10s'")
            blue = _blue_sessions(conn, plan)
            found = read_rollout(conn, name)
            if found is None:
                return Reading(database=database, blue_sessions=blue)
            return _reading(conn, database, found, plan, blue)
    except MigsafeError as error:
        return Reading(database=database, problem=error.message, advice=error.advice)
    except psycopg.Error as error:  # closing a connection that was lost
        return Reading(database=database, problem=" ".join(str(error).split()))


def _reading(conn: Conn, database: Database, found: Rollout, plan: Plan | None, blue: int) -> Reading:
    holder = living_holder(conn, found)
    steps = [step_status(row, at_work=holder is not None) for row in read_steps(conn, found.id)]
    current = next((step for step in steps if step.state in (StepState.RUNNING, StepState.FAILED)), None)
    stopped = found.state in (State.FAILED, State.PAUSED)
    return Reading(
        database=database,
        stage=found.stage,
        state=found.state,
        begun=found.furthest is not Stage.PLANNED,
        request=found.request,
        fingerprint=found.fingerprint,
        plan=found.plan,
        holder=str(holder.process) if holder else None,
        work=_work(conn, current, plan) if current else None,
        error=(found.reason or (current.error if current else "") or None) if stopped else None,
        updated_at=found.updated_at,
        stop_mark=stop_mark(conn, found.id),
        blue_sessions=blue,
    )


def _work(conn: Conn, step: StepStatus, plan: Plan | None) -> Work:
    return Work(
        title=step.title,
        state=step.state,
        rows=step.rows,
        rows_total=_table_rows(conn, step.id, plan),
        percent=None if step.fraction is None else round(100 * step.fraction, 1),
        rows_per_second=step.rows_per_second,
        eta_seconds=None if step.eta_seconds is None else round(step.eta_seconds, 1),
    )


def _table_rows(conn: Conn, step_id: str, plan: Plan | None) -> int | None:
    """The rows of a backfill's table with its partitions, as of its last ANALYZE; None before the first."""
    step = next((each for each in plan.steps if each.id == step_id), None) if plan else None
    if not isinstance(step, BackfillStep):
        return None
    row = conn.execute(
        "SELECT sum(c.reltuples) FILTER (WHERE c.reltuples >= 0) FROM pg_class c "
        "WHERE c.relkind = 'r' AND (c.oid = to_regclass(%(name)s) "
        "OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(name)s))))",
        {"name": step.table.sql},
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _blue_sessions(conn: Conn, plan: Plan | None) -> int:
    name = plan.contract.blue_application_name if plan else None
    if not name:
        return 0
    row = conn.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s",
        (name,),
    ).fetchone()
    return int(row[0]) if row else 0
