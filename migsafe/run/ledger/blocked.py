"""How long the application had to wait for a rollout, as the ledger has it."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from migsafe.run.connect import Conn


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Seconds of all sessions together, of the longest wait, and how many waits there were.

    `gave_way` counts the statements of ours that were cancelled for somebody.
    """

    seconds: float = 0.0
    longest_seconds: float = 0.0
    waits: int = 0
    gave_way: int = 0
    last_waiter: str = ""
    last_at: datetime | None = None


def add_blocked(conn: Conn, rollout_id: int, token: int | None, more: Blocked) -> None:
    """Add to what is recorded, unless it is under a lease that somebody else holds now."""
    conn.execute(
        """
        INSERT INTO migsafe.blocked AS b (rollout_id, seconds, longest_seconds, waits, gave_way, last_waiter)
        SELECT l.rollout_id, %(seconds)s, %(longest)s, %(waits)s, %(gave_way)s, %(waiter)s
        FROM migsafe.lease l WHERE l.rollout_id = %(id)s AND l.token = coalesce(%(token)s, l.token)
        ON CONFLICT (rollout_id) DO UPDATE SET
            seconds = b.seconds + excluded.seconds,
            longest_seconds = greatest(b.longest_seconds, excluded.longest_seconds),
            waits = b.waits + excluded.waits,
            gave_way = b.gave_way + excluded.gave_way,
            last_waiter = excluded.last_waiter,
            last_at = clock_timestamp()
        """,
        {
            "id": rollout_id,
            "token": token,
            "seconds": more.seconds,
            "longest": more.longest_seconds,
            "waits": more.waits,
            "gave_way": more.gave_way,
            "waiter": more.last_waiter,
        },
    )


def read_blocked(conn: Conn, rollout_id: int) -> Blocked:
    """What is recorded; all zero when nobody waited, or in a ledger that does not know it yet."""
    row = conn.execute("SELECT to_regclass('migsafe.blocked') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return Blocked()
    with conn.cursor(row_factory=class_row(Blocked)) as cursor:
        found = cursor.execute(
            "SELECT seconds, longest_seconds, waits, gave_way, last_waiter, last_at "
            "FROM migsafe.blocked WHERE rollout_id = %s",
            (rollout_id,),
        ).fetchone()
    return found or Blocked()
