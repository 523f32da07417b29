"""The ledger's part about pace: what was set by hand, and what the runner saw and did last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from migsafe.run.connect import Conn, brief
from migsafe.run.ledger.install import version
from migsafe.run.ledger.rollouts import add_audit

_SINCE_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SetValue:
    """A value that somebody set, as text."""

    name: str
    value: str
    set_at: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceRow:
    """What the runner wrote about its pace; `throttled` are seconds by reason, of all runs together."""

    state: dict[str, Any]
    throttled: dict[str, float]
    updated_at: datetime
    silent_seconds: float  # since then, by the server's clock


def read_set_values(conn: Conn, rollout_id: int) -> tuple[SetValue, ...]:
    """All that was set for this rollout; nothing in a ledger from before there was such a thing."""
    if version(conn) < _SINCE_VERSION:
        return ()
    with conn.cursor(row_factory=class_row(SetValue)) as cursor:
        found = cursor.execute(
            "SELECT name, value, set_at, actor FROM migsafe.setting WHERE rollout_id = %s ORDER BY name",
            (rollout_id,),
        ).fetchall()
    return tuple(found)


def write_set_value(conn: Conn, rollout_id: int, name: str, value: str | None) -> None:
    """Set it, or take back what was set when there is no value, with a line in the audit trail."""
    with brief(conn):
        former = conn.execute(
            "SELECT value FROM migsafe.setting WHERE rollout_id = %s AND name = %s FOR UPDATE",
            (rollout_id, name),
        ).fetchone()
        if value is None:
            conn.execute(
                "DELETE FROM migsafe.setting WHERE rollout_id = %s AND name = %s", (rollout_id, name)
            )
        else:
            conn.execute(
                "INSERT INTO migsafe.setting (rollout_id, name, value) VALUES (%s, %s, %s) "
                "ON CONFLICT (rollout_id, name) DO UPDATE "
                "SET value = excluded.value, set_at = clock_timestamp(), actor = session_user",
                (rollout_id, name, value),
            )
        detail = {"name": name, "value": value, "former": former[0] if former else None}
        add_audit(conn, rollout_id, "setting changed", detail)


def write_pace(
    conn: Conn, rollout_id: int, token: int, state: dict[str, Any], throttled: dict[str, float]
) -> None:
    """Write the runner's state, as one message; nothing is written for who has lost the lease."""
    conn.execute(
        sql.SQL(
            "SET LOCAL synchronous_commit = off; SET LOCAL statement_timeout = 2000; "
            "INSERT INTO migsafe.pace (rollout_id, state, throttled) SELECT rollout_id, {state}, {throttled} "
            "FROM migsafe.lease WHERE rollout_id = {id} AND token = {token} "
            "ON CONFLICT (rollout_id) DO UPDATE "
            "SET state = excluded.state, throttled = excluded.throttled, updated_at = clock_timestamp()"
        ).format(
            state=sql.Literal(Jsonb(state)),
            throttled=sql.Literal(Jsonb(throttled)),
            id=sql.Literal(rollout_id),
            token=sql.Literal(token),
        )
    )


def read_pace(conn: Conn, rollout_id: int) -> PaceRow | None:
    """What the runner wrote last; None when it never did."""
    if version(conn) < _SINCE_VERSION:
        return None
    with conn.cursor(row_factory=class_row(PaceRow)) as cursor:
        return cursor.execute(
            "SELECT state, throttled, updated_at, "
            "extract(epoch FROM clock_timestamp() - updated_at)::float8 AS silent_seconds "
            "FROM migsafe.pace WHERE rollout_id = %s",
            (rollout_id,),
        ).fetchone()
