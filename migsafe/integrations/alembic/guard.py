"""Refuses a contract revision before its time, by what the ledger says."""

from datetime import UTC, datetime

from migsafe.errors import StateRefused
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage, Version
from migsafe.plan.toml.file import read_plan
from migsafe.run.connect import Conn
from migsafe.run.ledger.model import Request, Rollout, State
from migsafe.run.ledger.rollouts import read_rollout

_GOING_BACK = (State.RETREATING, State.REVERTING, State.RETREATED, State.REVERTED)


def require_ready(conn: Conn, name: str, stage: Stage, *, old_version_gone: bool) -> None:
    """Make sure that this rollout may go to a contract stage (tombstoned, dropped) now.

    Raises:
        StateRefused: It may not, and what has to be done first.
    """
    rollout = read_rollout(conn, name)
    if rollout is None:
        raise StateRefused(
            f"the rollout '{name}' has not begun in this database, so nothing can be taken away yet",
            advice="Run its expand revision first: alembic upgrade expand@head (or the revision's id).",
        )
    if rollout.stage.position >= stage.position:
        return
    if rollout.state in _GOING_BACK or rollout.request in (Request.RETREAT, Request.REVERT):
        raise StateRefused(
            f"the rollout '{name}' is {rollout.request or rollout.state}: too early to contract",
            advice=f"Go on with it first: migsafe run {name}",
        )
    plan = read_plan(rollout.plan, file=f"the plan of '{name}' in the ledger")
    now = _now(conn)
    if stage is Stage.DROPPED:
        _require_kept(plan, rollout, now)
        return
    _require_stage(plan, rollout)
    _require_soaked(plan, rollout, now)
    if not old_version_gone:
        _require_old_version_gone(conn, plan, rollout)


def _require_stage(plan: Plan, rollout: Rollout) -> None:
    needed = Stage.SOAKED if plan.traffic else Stage.VERIFIED
    if rollout.stage.position >= needed.position:
        return
    how = f"migsafe run {plan.name}" if plan.traffic else "alembic upgrade expand@head (or its id)"
    raise StateRefused(
        f"the rollout '{plan.name}' stands in stage '{rollout.stage}': the old shape may go when it stands "
        f"in '{needed}'",
        advice=f"Go on with it first: {how}; `migsafe status {plan.name}` shows where it stands.",
    )


def _require_soaked(plan: Plan, rollout: Rollout, now: datetime) -> None:
    """With traffic the controller lets it soak; without, nobody else does."""
    waited = (now - rollout.stage_at).total_seconds()
    if plan.traffic is None and rollout.stage is Stage.VERIFIED and waited < plan.contract.soak_seconds:
        raise StateRefused(
            f"the rollout '{plan.name}' stands in stage '{rollout.stage}' for {waited:.0f} s: the plan says "
            f"to wait {plan.contract.soak_seconds:.0f} s before the old shape goes",
            advice="Run it again then. Meanwhile the old version of the application goes on working.",
        )


def _require_old_version_gone(conn: Conn, plan: Plan, rollout: Rollout) -> None:
    if plan.compatibility.allows(Version.BLUE, Stage.DROPPED) or rollout.stage is Stage.FENCED:
        return
    name = plan.contract.blue_application_name
    if name is None:
        raise StateRefused(
            f"the rollout '{plan.name}': nothing proves that the old version of the application is gone, and "
            "this revision would break it",
            advice="When no process of it runs any more: alembic -x old-version-gone upgrade REVISION. Or "
            "set blue_application_name in the plan before it starts, then the sessions are looked at.",
        )
    row = conn.execute(
        "SELECT count(*), min(backend_start)::text FROM pg_stat_activity "
        "WHERE application_name = %s AND datname = current_database()",
        (name,),
    ).fetchone()
    if row is not None and row[0]:
        raise StateRefused(
            f"the rollout '{plan.name}': {row[0]} sessions of '{name}', the old version of the application, "
            f"are connected, the oldest since {row[1]}",
            advice="Stop them, then run this again.",
        )


def _require_kept(plan: Plan, rollout: Rollout, now: datetime) -> None:
    if rollout.stage is not Stage.TOMBSTONED:
        raise StateRefused(
            f"the rollout '{plan.name}' stands in stage '{rollout.stage}': the old shape is dropped only "
            "after it was renamed",
            advice="Run the contract revision before this one.",
        )
    until = rollout.stage_at.timestamp() + plan.contract.keep_seconds
    if now.timestamp() < until:
        raise StateRefused(
            f"the rollout '{plan.name}': the old shape is kept until "
            f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC",
            advice="Run this revision again after that. Until then `alembic downgrade` brings the old shape "
            "back in milliseconds.",
        )


def _now(conn: Conn) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    return row[0] if row else datetime.now(UTC)
