"""What a person may choose about a plan."""

from dataclasses import dataclass, field

from migsafe.plan.model import Contract, Traffic
from migsafe.plan.sync.pair import OnMisfit


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """The choices; every one has a safe default.

    `new_column` gives a changed type a name of its own instead of the swap. `on_misfit` None means: NULL
    where the old column allows it, else the nearest value.
    """

    name: str | None = None
    new_column: str | None = None
    on_misfit: OnMisfit | None = None
    traffic: Traffic | None = None
    contract: Contract = field(default_factory=Contract)
