"""Gates, by the kind a plan gives them. A new kind is one module and one line here."""

from collections.abc import Callable, Mapping

from migsafe.errors import UsageError
from migsafe.plan.model import DownMap, Options, Plan
from migsafe.rollout.gates.base import Gate, Reading, Situation, Verdict
from migsafe.rollout.gates.canary import CanaryGate
from migsafe.rollout.gates.database import SessionGate, SqlGate, SyncGate
from migsafe.rollout.gates.smoke import SmokeGate
from migsafe.rollout.options import did_you_mean

KINDS: Mapping[str, Callable[[str, Options, Plan, str], Gate]] = {
    "smoke": lambda name, options, _plan, _dsn: SmokeGate(name, options),
    "canary": lambda name, options, _plan, _dsn: CanaryGate(name, options),
    "sql": lambda name, options, _plan, dsn: SqlGate(name, options, dsn),
    "sync": lambda name, options, plan, dsn: SyncGate(name, options, dsn=dsn, rollout=plan.name),
}


def gates_for(plan: Plan, dsn: str) -> tuple[Gate, ...]:
    """All gates of a plan, and those it has without saying so. Nothing is asked yet.

    Where the old shape can hold every value, sync events are not expected, so they fail the rollout
    unless the plan sets a `sync` gate of its own. Sessions of the old version are looked for when the
    plan says how they call themselves.

    Raises:
        UsageError: A kind is unknown, options cannot be used, or two gates have one name.
    """
    listed = plan.traffic.gates if plan.traffic else ()
    gates: list[Gate] = []
    for gate in listed:
        make = KINDS.get(gate.kind)
        if make is None:
            advice = did_you_mean(gate.kind, KINDS)
            raise UsageError(f"gate '{gate.name}': unknown kind '{gate.kind}'", advice=advice)
        if any(gate.name == other.name for other in gates):
            raise UsageError(f"two gates are called '{gate.name}'", advice="give each its own name")
        gates.append(make(gate.name, gate.options, plan, dsn))
    if plan.down_map is DownMap.TOTAL and not any(gate.kind == "sync" for gate in listed):
        gates.append(SyncGate("sync", {}, dsn=dsn, rollout=plan.name))
    if plan.contract.blue_application_name:
        gates.append(SessionGate(plan.contract.blue_application_name, dsn))
    return tuple(gates)


__all__ = ["KINDS", "Gate", "Reading", "Situation", "Verdict", "gates_for"]
