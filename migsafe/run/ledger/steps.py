"""Reading and writing the ledger's step rows; writers are inside a transaction that holds the lease."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from migsafe.plan.model import Step
from migsafe.plan.stages import Stage
from migsafe.run.connect import Conn
from migsafe.run.ledger import chunks
from migsafe.run.ledger.chunks import Sums
from migsafe.run.ledger.model import Progress, StepRow, StepState

_COLUMNS = """
    SELECT id, stage, kind, title, state, cursor, progress, rows, attempts, error, started_at, finished_at,
           updated_at
    FROM migsafe.step WHERE rollout_id = %s
"""


def pin_steps(conn: Conn, rollout_id: int, steps: Iterable[Step]) -> None:
    """Make the step rows of a plan, all pending."""
    conn.execute("DELETE FROM migsafe.quarantine WHERE rollout_id = %s", (rollout_id,))
    conn.execute("DELETE FROM migsafe.step WHERE rollout_id = %s", (rollout_id,))
    for position, step in enumerate(steps):
        conn.execute(
            "INSERT INTO migsafe.step (rollout_id, id, position, stage, kind, title) "
            "VALUES (%s, %s, %s, %s, %s, %s)",
            (rollout_id, step.id, position, step.stage, type(step).__name__, step.title),
        )


def read_steps(conn: Conn, rollout_id: int) -> tuple[StepRow, ...]:
    """All steps in the order of the plan."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_COLUMNS + " ORDER BY position", (rollout_id,)).fetchall()
    sums = chunks.read_sums(conn, rollout_id)
    return tuple(_step(row, sums.get(row["id"])) for row in rows)


def read_step(conn: Conn, rollout_id: int, step_id: str) -> StepRow:
    """One step."""
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_COLUMNS + " AND id = %s", (rollout_id, step_id)).fetchone()
    if row is None:
        msg = f"the ledger has no step {step_id!r}"  # hold() pins the steps of the plan it runs
        raise LookupError(msg)
    return _step(row, chunks.read_sums(conn, rollout_id).get(step_id))


def start_step(conn: Conn, rollout_id: int, step_id: str) -> None:
    """A step begins, or begins again."""
    conn.execute(
        "UPDATE migsafe.step SET state = 'running', attempts = attempts + 1, error = NULL, "
        "started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp() "
        "WHERE rollout_id = %s AND id = %s",
        (rollout_id, step_id),
    )


def move_cursor(
    conn: Conn,
    rollout_id: int,
    step_id: str,
    cursor: Mapping[str, object],
    *,
    rows: int = 0,
    progress: Progress | None = None,
) -> None:
    """How far a long step is, and how many rows it changed since the last time."""
    conn.execute(
        "UPDATE migsafe.step SET cursor = %s, rows = rows + %s, progress = coalesce(%s, progress), "
        "updated_at = clock_timestamp() WHERE rollout_id = %s AND id = %s",
        (Jsonb(dict(cursor)), rows, Jsonb(asdict(progress)) if progress else None, rollout_id, step_id),
    )


def finish_step(conn: Conn, rollout_id: int, step_id: str) -> None:
    """A step is done."""
    conn.execute(
        "UPDATE migsafe.step SET state = 'done', error = NULL, finished_at = clock_timestamp(), "
        "updated_at = clock_timestamp() WHERE rollout_id = %s AND id = %s",
        (rollout_id, step_id),
    )


def fail_step(conn: Conn, rollout_id: int, step_id: str, error: str) -> None:
    """A step could not go on, and why."""
    conn.execute(
        "UPDATE migsafe.step SET state = 'failed', error = %s, updated_at = clock_timestamp() "
        "WHERE rollout_id = %s AND id = %s AND state <> 'done'",
        (error, rollout_id, step_id),
    )


def reset_step(conn: Conn, rollout_id: int, step_id: str) -> None:
    """A step was taken back: as if it had never begun."""
    chunks.forget(conn, rollout_id, step_id)
    conn.execute(
        "DELETE FROM migsafe.quarantine WHERE rollout_id = %s AND step_id = %s", (rollout_id, step_id)
    )
    conn.execute(
        "UPDATE migsafe.step SET state = 'pending', cursor = NULL, progress = NULL, rows = 0, attempts = 0, "
        "error = NULL, started_at = NULL, finished_at = NULL, updated_at = clock_timestamp() "
        "WHERE rollout_id = %s AND id = %s",
        (rollout_id, step_id),
    )


def _step(row: Mapping[str, Any], sums: Sums | None) -> StepRow:
    typed: dict[str, Any] = {
        "stage": Stage(row["stage"]),
        "state": StepState(row["state"]),
        "progress": Progress(**row["progress"]) if row["progress"] else None,
    }
    if sums is not None:
        typed["progress"] = sums.progress
        typed["rows"] = row["rows"] + sums.rows
        typed["updated_at"] = max(row["updated_at"], sums.updated_at or row["updated_at"])
        typed["workers"] = sums.workers
    return StepRow(**{**row, **typed})
