"""Takes the lease of a rollout and makes sure that it is this plan's, in one transaction."""

from dataclasses import dataclass

from migsafe.errors import LedgerMismatch
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan, fingerprint
from migsafe.run.connect import Conn, brief
from migsafe.run.lease import acquire
from migsafe.run.ledger import rollouts, steps
from migsafe.run.ledger.model import Request, Rollout
from migsafe.run.process import this_process
from migsafe.run.settings import Settings


@dataclass(frozen=True, slots=True)
class Pinned:
    """A held rollout."""

    rollout_id: int
    token: int
    left_over: Request | None  # what was asked before the lease was taken, and not answered


def pin_and_acquire(conn: Conn, plan: Plan, settings: Settings, *, resumes: bool = True) -> Pinned:
    """Make the rollout's rows if there are none, take its lease, and compare the plan with the pinned one.

    A rollout that has left nothing behind (it never began, or everything was taken back) takes a changed
    plan as its new one.

    Raises:
        LeaseHeld: Somebody alive runs it.
        LedgerMismatch: It was begun with another plan. Nothing was changed.
    """
    here, mark = this_process(), fingerprint(plan)
    with brief(conn, lock_seconds=30.0):
        conn.execute(
            "INSERT INTO migsafe.rollout (name, plan, fingerprint) VALUES (%s, %s, %s) "
            "ON CONFLICT (name) DO NOTHING",
            (plan.name, dump_plan(plan), mark),
        )
        found = _read(conn, plan)
        conn.execute(
            "INSERT INTO migsafe.lease (rollout_id) VALUES (%s) ON CONFLICT (rollout_id) DO NOTHING",
            (found.id,),
        )
        token = acquire(conn, found.id, name=plan.name, here=here, settings=settings)
        found = _read(conn, plan)
        known = steps.read_steps(conn, found.id)
        if found.fingerprint != mark or not known:
            _pin(conn, plan, found, mark)
        left_over = found.request
        if resumes and left_over is Request.PAUSE:
            rollouts.update_rollout(conn, found.id, {"request": None})
            left_over = None
        rollouts.add_audit(conn, found.id, "lease taken", {"token": token, "holder": str(here)})
    return Pinned(found.id, token, left_over)


def _read(conn: Conn, plan: Plan) -> Rollout:
    found = rollouts.read_rollout(conn, plan.name)
    if found is None:
        raise LedgerMismatch(f"the rollout '{plan.name}' vanished from the ledger while it was being read")
    return found


def _pin(conn: Conn, plan: Plan, found: Rollout, mark: str) -> None:
    if found.fingerprint != mark and found.furthest is not Stage.PLANNED:
        raise LedgerMismatch(
            f"the plan '{plan.name}' is not the one that this rollout was begun with: it was changed since "
            f"(now {mark[:12]}, begun with {found.fingerprint[:12]}); the rollout stands in '{found.stage}'",
            advice="Restore the file as it was (the ledger keeps it in migsafe.rollout.plan), or take the "
            "rollout back with `migsafe revert` and start again with the new plan. Nothing was changed.",
        )
    rollouts.update_rollout(conn, found.id, {"plan": dump_plan(plan), "fingerprint": mark})
    steps.pin_steps(conn, found.id, plan.steps)
