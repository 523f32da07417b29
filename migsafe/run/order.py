"""The stages that a plan goes through, and which one may follow which."""

from migsafe.plan.model import Plan
from migsafe.plan.stages import SCHEMA_STAGES, TRAFFIC_STAGES, Stage


def stages_of(plan: Plan) -> tuple[Stage, ...]:
    """The stages of this plan, in order, from planned on.

    A plan without traffic skips the traffic stages; a schema stage without steps is skipped too, except
    tombstoned before a drop: its keep time runs there even when the swap gave the old column its tombstone.
    """
    schema = {step.stage for step in plan.steps}
    if Stage.DROPPED in schema:
        schema.add(Stage.TOMBSTONED)
    traffic = set(TRAFFIC_STAGES) if plan.traffic is not None else set()
    wanted = {Stage.PLANNED} | (schema & set(SCHEMA_STAGES)) | traffic
    return tuple(stage for stage in Stage if stage in wanted)


def up_to(plan: Plan, stage: Stage) -> Stage:
    """The last stage of this plan up to that one, which may have no steps and so be no stage of it."""
    return max(
        (each for each in stages_of(plan) if each.position <= stage.position), key=lambda e: e.position
    )


def before(plan: Plan, stage: Stage) -> Stage:
    """The stage of this plan that precedes this one; planned has none before it."""
    return next(
        (other for other in reversed(stages_of(plan)) if other.position < stage.position), Stage.PLANNED
    )
