"""The ledger's rollouts. Who writes to a running one holds its lease; readers need none."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from migsafe.errors import StateRefused, UsageError
from migsafe.plan.stages import Stage
from migsafe.run.connect import Conn, brief
from migsafe.run.ledger.install import require_current, version
from migsafe.run.ledger.model import AuditLine, Request, Rollout, State

UNREPRESENTABLE = "unrepresentable"  # the kind of sync event that passes the point of no return for data

_COLUMNS = """
    SELECT r.id, r.name, r.plan, r.fingerprint, r.stage, r.state, r.request, r.reason, r.green_percent,
           r.intended_green_percent, r.created_at, r.stage_at, r.updated_at,
           (SELECT array_agg(DISTINCT s.stage) FROM migsafe.step s
            WHERE s.rollout_id = r.id AND s.state <> 'pending') AS begun
    FROM migsafe.rollout r
"""


def read_rollout(conn: Conn, name: str) -> Rollout | None:
    """The rollout of this name; None when the ledger does not know it, or there is no ledger.

    Raises:
        LedgerMismatch: The ledger is newer than this program.
    """
    require_current(conn)
    if not version(conn):
        return None
    with conn.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_COLUMNS + " WHERE r.name = %s", (name,)).fetchone()
    return None if row is None else _rollout(row)


def list_rollouts(conn: Conn) -> tuple[Rollout, ...]:
    """All rollouts, the latest change first.

    Raises:
        LedgerMismatch: The ledger is newer than this program.
    """
    require_current(conn)
    if not version(conn):
        return ()
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_COLUMNS + " ORDER BY r.updated_at DESC, r.id").fetchall()
    return tuple(_rollout(row) for row in rows)


def request(conn: Conn, name: str, wanted: Request) -> Rollout:
    """Ask whoever runs this rollout, now or next, to stop and do as asked. Returns it as it is then.

    Raises:
        UsageError: The ledger has no such rollout.
        StateRefused: It is done already.
    """
    found = read_rollout(conn, name)
    if found is None:
        known = ", ".join(rollout.name for rollout in list_rollouts(conn)) or "none"
        raise UsageError(f"no rollout named '{name}' in this database", advice=f"Known here: {known}.")
    if found.state in (State.DONE, State.REVERTED):
        raise StateRefused(
            f"the rollout '{name}' is {found.state}: there is nothing to {wanted}",
            advice=f"It stands in stage '{found.stage}'; see `migsafe status`.",
        )
    with brief(conn):
        conn.execute(
            "UPDATE migsafe.rollout SET request = %s, updated_at = clock_timestamp() WHERE id = %s",
            (wanted, found.id),
        )
        add_audit(conn, found.id, f"{wanted} requested", {})
    return read_rollout(conn, name) or found


def set_stage(conn: Conn, rollout_id: int, stage: Stage) -> float:
    """Record the stage, inside the caller's transaction. Returns the seconds since the stage before."""
    row = conn.execute(
        """
        WITH before AS (SELECT stage_at FROM migsafe.rollout WHERE id = %(id)s)
        UPDATE migsafe.rollout
        SET stage = %(stage)s, stage_at = clock_timestamp(), updated_at = clock_timestamp()
        WHERE id = %(id)s
        RETURNING extract(epoch FROM clock_timestamp() - (SELECT stage_at FROM before))::float8
        """,
        {"id": rollout_id, "stage": stage},
    ).fetchone()
    add_audit(conn, rollout_id, "stage", {"stage": stage})
    return float(row[0]) if row else 0.0


def update_rollout(conn: Conn, rollout_id: int, values: Mapping[str, object]) -> None:
    """Set columns of the rollout's row, inside the caller's transaction."""
    assignments: list[sql.Composable] = [
        sql.SQL("{} = {}").format(sql.Identifier(key), sql.Placeholder(key)) for key in values
    ]
    assignments.append(sql.SQL("updated_at = clock_timestamp()"))
    query = sql.SQL("UPDATE migsafe.rollout SET {} WHERE id = {}").format(
        sql.SQL(", ").join(assignments), sql.Literal(rollout_id)
    )
    conn.execute(query, dict(values))


def add_audit(conn: Conn, rollout_id: int, event: str, detail: Mapping[str, object]) -> None:
    """Append a line to the audit trail."""
    conn.execute(
        "INSERT INTO migsafe.audit (rollout_id, event, detail) VALUES (%s, %s, %s)",
        (rollout_id, event, Jsonb(dict(detail))),
    )


def read_audit(conn: Conn, rollout_id: int, *, last: int | None = None) -> tuple[AuditLine, ...]:
    """The audit trail, oldest first; with `last`, only that many of the newest lines."""
    with conn.cursor(row_factory=class_row(AuditLine)) as cursor:
        rows = cursor.execute(
            "SELECT at, event, detail, actor FROM migsafe.audit WHERE rollout_id = %s "
            "ORDER BY id DESC LIMIT %s",
            (rollout_id, last),
        ).fetchall()
    return tuple(reversed(rows))


def count_sync_events(conn: Conn, name: str) -> dict[str, int]:
    """How often sync had to decide or to give up a value, by kind."""
    rows = conn.execute(
        "SELECT kind, count(*) FROM migsafe.sync_event WHERE rollout = %s GROUP BY kind ORDER BY kind",
        (name,),
    ).fetchall()
    return {str(kind): int(count) for kind, count in rows}


def first_unrepresentable(conn: Conn, name: str) -> datetime | None:
    """When sync first met a value that the other side cannot hold; None while it has not."""
    row = conn.execute(
        "SELECT min(at) FROM migsafe.sync_event WHERE rollout = %s AND kind = %s", (name, UNREPRESENTABLE)
    ).fetchone()
    found: datetime | None = row[0] if row else None
    return found


def _rollout(row: Mapping[str, Any]) -> Rollout:
    begun = [Stage(stage) for stage in row["begun"] or ()]
    return Rollout(
        **{key: row[key] for key in ("id", "name", "plan", "fingerprint", "reason", "green_percent")},
        **{key: row[key] for key in ("intended_green_percent", "created_at", "stage_at", "updated_at")},
        stage=Stage(row["stage"]),
        state=State(row["state"]),
        request=Request(row["request"]) if row["request"] else None,
        begun=max(begun, key=lambda stage: stage.position, default=None),
    )
