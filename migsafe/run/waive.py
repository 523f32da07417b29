"""Lets rows in quarantine stay as they are, by name and with a reason."""

from collections.abc import Sequence

from migsafe.errors import UsageError
from migsafe.run.connect import Conn, brief
from migsafe.run.ledger import quarantine
from migsafe.run.ledger.model import Rollout
from migsafe.run.ledger.quarantine import QuarantinedRow
from migsafe.run.ledger.rollouts import add_audit


def waive_rows(
    conn: Conn, rollout: Rollout, key: str | None, *, reason: str, step: str | None = None
) -> tuple[QuarantinedRow, ...]:
    """Waive the row of this key, or all that are not waived yet, and write it into the audit trail.

    The key is as `status` shows it (`id=7`), or the bare value of a single column (`7`).

    Raises:
        UsageError: There is no such row, or more than one; nothing was waived.
    """
    if not reason.strip():
        raise UsageError("a row is waived with a reason", advice="say why with --reason TEXT")
    with brief(conn):
        rows = [row for row in quarantine.read_quarantine(conn, rollout.id, step) if row.waived_at is None]
        chosen = rows if key is None else [_the_only(rollout, rows, key)]
        for row in chosen:
            quarantine.waive(conn, row.id, reason=reason)
            detail = {"step": row.step, "relation": row.relation, "key": row.key, "reason": reason}
            add_audit(conn, rollout.id, "row waived", detail)
    return tuple(chosen)


def _the_only(rollout: Rollout, rows: Sequence[QuarantinedRow], key: str) -> QuarantinedRow:
    found = [row for row in rows if row.name == key or [str(value) for value in row.key.values()] == [key]]
    if len(found) == 1:
        return found[0]
    if found:
        steps = ", ".join(sorted({row.step for row in found}))
        raise UsageError(
            f"{len(found)} rows in quarantine are called '{key}'", advice=f"choose one with --step: {steps}"
        )
    names = ", ".join(row.name for row in rows[:10]) or "none"
    raise UsageError(
        f"no row '{key}' of the rollout '{rollout.name}' waits in quarantine",
        advice=f"those that do: {names}",
    )
