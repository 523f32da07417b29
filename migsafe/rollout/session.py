"""Opens a rollout: its provider and gates are made and checked before anything is connected."""

from collections.abc import Iterator
from contextlib import contextmanager

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import Plan
from migsafe.plan.preflight import preflight
from migsafe.plan.stages import Stage
from migsafe.rollout.controller import Controller, require_statistics
from migsafe.rollout.gates import gates_for
from migsafe.rollout.providers import provider_for
from migsafe.rollout.watch import Pace
from migsafe.run.connect import connect
from migsafe.run.events import Observer, ignore
from migsafe.run.ledger.rollouts import read_rollout
from migsafe.run.lost import database_errors
from migsafe.run.runner import hold
from migsafe.run.settings import Settings


def check_first(plan: Plan, dsn: str) -> tuple[str, ...]:
    """Find out, without changing anything, whether this plan can start. Returns what a person should know.

    Raises:
        UsageError: The plan names a provider, a gate or an option that does not exist.
        TrafficError: The traffic provider does not answer.
        ConnectionFailed: The database cannot be reached.
        PlanError: The plan does not fit the database.
    """
    gates = gates_for(plan, dsn)
    if plan.traffic:
        provider = provider_for(plan.traffic)
        require_statistics(provider, gates)
        provider.read()
    with database_errors(dsn), connect(dsn) as conn:
        rollout = read_rollout(conn, plan.name)
        if rollout is not None and rollout.furthest is not Stage.PLANNED:
            return ()
        return preflight(plan, read_catalog(conn))


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
        RunError: The connection to the database was lost.
        ConnectionFailed, LeaseHeld, LedgerMismatch: As `migsafe.run.runner.hold` says.
    """
    provider = provider_for(plan.traffic) if plan.traffic else None
    gates = gates_for(plan, dsn)
    try:
        with database_errors(dsn), hold(plan, dsn, observer=observer, settings=settings) as runner:
            yield Controller(
                runner, provider=provider, gates=gates, old_version_gone=old_version_gone, pace=pace
            )
    finally:
        for gate in gates:
            gate.close()
