"""Opens a rollout: its provider and gates are made and checked before anything is connected."""

from collections.abc import Iterator
from contextlib import contextmanager

from migsafe.plan.model import Plan
from migsafe.rollout.controller import Controller
from migsafe.rollout.gates import gates_for
from migsafe.rollout.providers import provider_for
from migsafe.rollout.watch import Pace
from migsafe.run.events import Observer, ignore
from migsafe.run.runner import hold
from migsafe.run.settings import Settings


@contextmanager
def controller(
    plan: Plan,
    dsn: str,
    *,
    observer: Observer = ignore,
    settings: Settings | None = None,
    pace: Pace | None = None,
    old_version_gone: bool = False,
) -> Iterator[Controller]:
    """The controller of this plan, with the lease held until the block ends.

    Raises:
        UsageError: The plan names a provider, a gate or an option that does not exist.
        ConnectionFailed, LeaseHeld, LedgerMismatch: As `migsafe.run.runner.hold` says.
    """
    provider = provider_for(plan.traffic) if plan.traffic else None
    gates = gates_for(plan, dsn)
    try:
        with hold(plan, dsn, observer=observer, settings=settings) as runner:
            yield Controller(
                runner, provider=provider, gates=gates, old_version_gone=old_version_gone, pace=pace
            )
    finally:
        for gate in gates:
            gate.close()
