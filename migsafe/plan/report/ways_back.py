"""What going back from a stage is, and what it costs."""

from migsafe.plan.model import Plan, Step
from migsafe.plan.stages import Stage
from migsafe.sql.operations import (
    AddConstraint,
    CreateIndex,
    Delete,
    Insert,
    Operation,
    OtherStatement,
    Update,
    ValidateConstraint,
)
from migsafe.sql.script import read_script

_TRAFFIC = {
    Stage.PLANNED: "nothing to take back",
    Stage.DARK: "nothing to move",
    Stage.CANARY: "all traffic to blue, in one call",
    Stage.FULL: "all traffic to blue, in one call",
    Stage.SOAKED: "all traffic to blue, in one call",
    Stage.FENCED: "start blue again, then all traffic to it",
}
_LONG_TAGS = frozenset({"REFRESH MATERIALIZED VIEW"})


def way_back(plan: Plan, stage: Stage) -> str:
    """In a few words: how this stage of the plan is left backwards."""
    if stage in _TRAFFIC:
        by_hand = plan.traffic is None and stage is not Stage.PLANNED
        return "move all traffic back to blue" if by_hand else _TRAFFIC[stage]
    if stage is Stage.DROPPED:
        return "none: point of no return"
    steps = plan.steps_to(stage)
    undone = [step for step in steps if step.undo]
    if not undone:
        return "nothing to take back"
    if any(is_long(step) for step in undone):
        return "undo works as long as the table is big, while reads and writes go on"
    return "undo is instant"


def is_long(step: Step) -> bool:
    """Whether taking the step back works as long as its table is big."""
    return any(
        _works(operation)
        for statement in step.undo
        for read in read_script(statement).statements
        for operation in read.operations
    )


def _works(operation: Operation) -> bool:
    match operation:
        case CreateIndex() | ValidateConstraint() | Update() | Delete() | Insert():
            return True
        case AddConstraint(constraint=constraint):
            return not (constraint.not_valid or constraint.using_index or constraint.not_enforced)
        case OtherStatement(tag=tag):
            return tag in _LONG_TAGS
        case _:
            return False
