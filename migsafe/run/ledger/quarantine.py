"""The rows that a rollout could not change. Writers are inside a transaction that holds the lease."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from migsafe.run.connect import Conn

_COLUMNS = """
    SELECT id, step_id AS step, relation, key, error, sqlstate, attempts, first_at, last_at,
           waived_at, waived_by, waived_reason
    FROM migsafe.quarantine WHERE rollout_id = %(rollout)s AND step_id = coalesce(%(step)s, step_id)
    ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """A row, by the key of its table (or its `ctid`, where there is none), and the server's last error."""

    id: int
    step: str
    relation: str
    key: dict[str, Any]
    error: str
    sqlstate: str
    attempts: int
    first_at: datetime
    last_at: datetime
    waived_at: datetime | None
    waived_by: str | None
    waived_reason: str | None

    @property
    def name(self) -> str:
        """The key as people write it: `id=7`, or `a=1,b=x`."""
        return key_name(self.key)


def key_name(key: Mapping[str, Any]) -> str:
    """The key as people write it: `id=7`, or `a=1,b=x`."""
    return ",".join(f"{column}={value}" for column, value in key.items())


def put(
    conn: Conn,
    rollout_id: int,
    step_id: str,
    *,
    relation: str,
    key: Mapping[str, Any],
    error: str,
    sqlstate: str,
    sweep: int,
) -> bool:
    """Record the row, or that it was met again. Whether it is new."""
    row = conn.execute(
        """
        INSERT INTO migsafe.quarantine AS q (rollout_id, step_id, relation, key, error, sqlstate, sweep)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (rollout_id, step_id, relation, md5(key::text)) DO UPDATE SET
            error = excluded.error, sqlstate = excluded.sqlstate, sweep = excluded.sweep,
            attempts = q.attempts + 1, last_at = clock_timestamp()
        RETURNING attempts
        """,
        (rollout_id, step_id, relation, Jsonb(dict(key)), error, sqlstate, sweep),
    ).fetchone()
    return row is not None and row[0] == 1


def read_quarantine(conn: Conn, rollout_id: int, step_id: str | None = None) -> tuple[QuarantinedRow, ...]:
    """The rows of the rollout, or of one step, the first one met first; none in a ledger without them."""
    row = conn.execute("SELECT to_regclass('migsafe.quarantine') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return ()
    with conn.cursor(row_factory=class_row(QuarantinedRow)) as cursor:
        return tuple(cursor.execute(_COLUMNS, {"rollout": rollout_id, "step": step_id}).fetchall())


def count_open(conn: Conn, rollout_id: int, step_id: str) -> int:
    """How many rows of the step are not waived."""
    row = conn.execute(
        "SELECT count(*) FROM migsafe.quarantine "
        "WHERE rollout_id = %s AND step_id = %s AND waived_at IS NULL",
        (rollout_id, step_id),
    ).fetchone()
    return int(row[0]) if row else 0


def remove(conn: Conn, row_id: int) -> None:
    """The row was changed, or needs it no more."""
    conn.execute("DELETE FROM migsafe.quarantine WHERE id = %s", (row_id,))


def forget_others(conn: Conn, rollout_id: int, step_id: str, *, sweep: int) -> None:
    """Remove what a pass over the whole table did not meet again."""
    conn.execute(
        "DELETE FROM migsafe.quarantine WHERE rollout_id = %s AND step_id = %s AND sweep <> %s",
        (rollout_id, step_id, sweep),
    )


def waive(conn: Conn, row_id: int, *, reason: str) -> None:
    """Somebody said that the row may stay as it is."""
    conn.execute(
        "UPDATE migsafe.quarantine SET waived_at = clock_timestamp(), waived_by = session_user, "
        "waived_reason = %s WHERE id = %s",
        (reason, row_id),
    )
