"""Where a run ended, and why."""

from dataclasses import dataclass

from migsafe.plan.stages import Stage
from migsafe.run.ledger.model import Rollout, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where a run ended, and why. `ok` is false when a gate failed or held for too long."""

    stage: Stage
    green_percent: int
    state: State
    ok: bool
    reason: str = ""


def outcome_of(rollout: Rollout, *, ok: bool = True) -> Outcome:
    """The outcome that the ledger tells."""
    return Outcome(
        stage=rollout.stage,
        green_percent=rollout.green_percent,
        state=rollout.state,
        ok=ok,
        reason=rollout.reason,
    )
