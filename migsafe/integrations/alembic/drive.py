"""Brings a rollout to a stage, forwards or backwards, with the real runner and its ledger."""

import logging

from migsafe.errors import RunError, StateRefused
from migsafe.integrations.alembic.guard import require_ready
from migsafe.integrations.alembic.said import Said
from migsafe.plan.model import Plan
from migsafe.plan.stages import SCHEMA_STAGES, Stage
from migsafe.rollout.session import check_first, controller
from migsafe.run.connect import connect
from migsafe.run.events import (
    BatchDone,
    BlockedSoFar,
    Event,
    LockRetry,
    Notice,
    PaceRead,
    Progress,
    RolloutOpened,
    StageReached,
    StepFinished,
    StepStarted,
    TableMeasured,
    Waiting,
)
from migsafe.run.ledger.model import State
from migsafe.run.ledger.rollouts import read_rollout
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from migsafe.run.settings import Settings

# Below `alembic`, which every alembic.ini shows.
log = logging.getLogger("alembic.migsafe")
_CONTRACT = (Stage.TOMBSTONED, Stage.DROPPED)


def go_on(plan: Plan, to: Stage, dsn: str, said: Said, settings: Settings) -> None:
    """Go on to this stage of the plan, or the last one before it. Reached already: do nothing.

    Raises:
        StateRefused: The state of the rollout, or the time, does not allow it yet.
        RunError: A step failed; run it again to go on.
        LeaseHeld, LedgerMismatch, PlanError, ConnectionFailed: As `migsafe run` would.
    """
    to = last_up_to(plan, to)
    with connect(dsn) as conn:
        rollout = read_rollout(conn, plan.name)
        if rollout is not None and rollout.stage.position >= to.position:
            return
        if to in _CONTRACT and not said.no_application:
            require_ready(conn, plan.name, to, old_version_gone=said.old_version_gone)
    if said.no_application:
        _straight(plan, to, dsn, settings)
        return
    for note in check_first(plan, dsn):
        log.warning("%s", note)
    with controller(
        plan, dsn, observer=tell, settings=settings, old_version_gone=said.old_version_gone
    ) as control:
        outcome = control.drive(to)
    if not outcome.ok or outcome.stage.position < to.position:
        raise RunError(
            f"the rollout '{plan.name}' stopped in stage '{outcome.stage}' ({outcome.state}): "
            f"{outcome.reason or 'asked for'}",
            advice="Run the same command again to go on.",
        )


def go_back(plan: Plan, to: Stage, dsn: str, said: Said, settings: Settings) -> None:
    """Take back what lies behind this stage. Nothing does: do nothing.

    Raises:
        StateRefused: There is no way back, or the new version of the application may be in service.
        RunError: A step could not be taken back; run it again to go on.
        LeaseHeld, LedgerMismatch, ConnectionFailed: As `migsafe revert` would.
    """
    to = last_up_to(plan, to)
    with connect(dsn) as conn:
        rollout = read_rollout(conn, plan.name)
    if rollout is None or rollout.furthest.position <= to.position:
        return
    gone = said.new_version_gone or said.no_application
    try:
        with controller(plan, dsn, observer=tell, settings=settings) as control:
            control.revert(new_version_gone=gone, to=to)
    except StateRefused as refusal:
        if "--new-version-gone" not in refusal.advice:
            raise
        raise StateRefused(
            refusal.message,
            advice="When it is not, or not any more: alembic -x new-version-gone downgrade REVISION",
        ) from refusal


def last_up_to(plan: Plan, stage: Stage) -> Stage:
    """The last stage that the plan has up to this one."""
    return max(
        (each for each in stages_of(plan) if each.position <= stage.position), key=lambda each: each.position
    )


def _straight(plan: Plan, to: Stage, dsn: str, settings: Settings) -> None:
    """Where nobody uses the database nothing has to wait: no traffic, no soak, no keep time."""
    with hold(plan, dsn, observer=tell, settings=settings) as runner:
        runner.set_state(State.RUNNING, "no application uses this database")
        for stage in stages_of(plan):
            if runner.rollout().stage.position < stage.position <= to.position:
                if stage in SCHEMA_STAGES:
                    runner.advance(stage)
                else:
                    runner.enter(stage)
        is_over = runner.rollout().stage is stages_of(plan)[-1]
        runner.set_state(State.DONE if is_over else State.WAITING)


def tell(event: Event) -> None:
    """An observer that writes to Alembic's log."""
    match event:
        case StepStarted(title=title, resumed=resumed):
            log.info("%s%s", title, " (going on)" if resumed else "")
        case StepFinished(rows=int(rows)):
            log.info("%d rows changed", rows)
        case StageReached(stage=stage):
            log.info("stage %s", stage)
        case Waiting(reason=text) | Notice(text=text):
            log.info("%s", text)
        case BatchDone() | BlockedSoFar() | PaceRead() | RolloutOpened() | TableMeasured():
            log.debug("%s", event)
        case Progress(fraction=fraction):
            log.debug("%.0f %%", fraction * 100)
        case StepFinished():
            pass
        case LockRetry(attempt=attempt, attempts=attempts, blockers=blockers):
            held = f" ({', '.join(blockers)})" if blockers else ""
            log.info("its lock is not free%s: attempt %d of %d", held, attempt, attempts)
        case _:
            log.info("%s", event)
