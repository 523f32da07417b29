"""The metrics of rollouts as the ledger tells them, for Prometheus's textfile collector. Only reads."""

from collections.abc import Iterable

from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, VerifyStep
from migsafe.plan.toml.file import read_plan
from migsafe.run.connect import Conn
from migsafe.run.events import SignalRead
from migsafe.run.ledger.blocked import read_blocked
from migsafe.run.ledger.model import Rollout, State, StepState
from migsafe.run.ledger.pace import read_pace
from migsafe.run.ledger.quarantine import read_quarantine
from migsafe.run.ledger.rollouts import UNREPRESENTABLE
from migsafe.run.pace.show import pace_document
from migsafe.run.pages import read_size
from migsafe.run.status import Status, read_status
from migsafe.run.telemetry.exposition import Family
from migsafe.run.telemetry.families import Gathered


def ledger_families(conn: Conn, rollouts: Iterable[Rollout]) -> tuple[Family, ...]:
    """The metrics of these rollouts. One whose plan an older or newer migsafe wrote is left out."""
    gathered = Gathered()
    for rollout in rollouts:
        try:
            status = read_status(conn, rollout.name)
        except PlanError:
            continue
        _add_status(gathered, status)
        _add_steps(gathered, conn, rollout, status)
        _add_pace(gathered, conn, rollout, status)
        _add_costs(gathered, conn, rollout)
    return gathered.families()


def _add_status(gathered: Gathered, status: Status) -> None:
    name = status.name
    gathered.add_stage(status.stage, status.stages, rollout=name)
    for state in State:
        gathered.add("migsafe_rollout_state", state is status.state, rollout=name, state=state.value)
    gathered.add("migsafe_green_percent", status.green_percent, rollout=name)
    alive = status.holder is not None and status.holder.alive
    gathered.add("migsafe_runner_alive", alive, rollout=name)
    gathered.add("migsafe_workers", sum(worker.alive for worker in status.workers), rollout=name)
    lost = status.sync_events.get(UNREPRESENTABLE, 0)
    gathered.add("migsafe_sync_unrepresentable_total", lost, rollout=name)
    for point in status.points_of_no_return:
        gathered.add("migsafe_point_of_no_return_passed", point.passed, rollout=name, kind=point.kind)


def _add_steps(gathered: Gathered, conn: Conn, rollout: Rollout, status: Status) -> None:
    """The steps that go through a table; how big it is, while one is not done."""
    plan = read_plan(rollout.plan, file="the ledger")
    tables = {step.id: step.table for step in plan.steps if isinstance(step, BackfillStep)}
    verifications = {step.id for step in plan.steps if isinstance(step, VerifyStep)}
    for step in status.steps:
        if step.fraction is None or (step.id not in tables and step.id not in verifications):
            continue
        labels = {"rollout": rollout.name, "step": step.id}
        gathered.add("migsafe_step_fraction", step.fraction, **labels)
        gathered.add("migsafe_step_rows_per_second", step.rows_per_second, **labels)
        gathered.add("migsafe_step_eta_seconds", step.eta_seconds, **labels)
        gathered.add("migsafe_step_rows", step.rows, **labels)
        if step.id in tables and step.state is not StepState.DONE:
            rows = read_size(conn, tables[step.id]).rows_estimated
            gathered.add("migsafe_step_rows_estimated", rows, **labels)


def _add_pace(gathered: Gathered, conn: Conn, rollout: Rollout, status: Status) -> None:
    at_work = status.holder is not None and status.holder.alive
    pace = pace_document(read_pace(conn, rollout.id), at_work=at_work)
    if pace is None:
        return
    name = rollout.name
    if "share" in pace:
        gathered.add("migsafe_pace_share", pace["share"], rollout=name)
        gathered.add("migsafe_on_hold", pace["waiting_for"] is not None, rollout=name)
        for signal in pace["signals"]:
            read = SignalRead(**{key: signal[key] for key in ("name", "value", "soft", "hard", "verdict")})
            gathered.add_signal(read, rollout=name)
    for reason, seconds in pace["throttled_by"].items():
        gathered.add("migsafe_throttled_seconds_total", seconds, rollout=name, reason=reason)


def _add_costs(gathered: Gathered, conn: Conn, rollout: Rollout) -> None:
    name, blocked = rollout.name, read_blocked(conn, rollout.id)
    gathered.add("migsafe_blocked_seconds_total", blocked.seconds, rollout=name)
    gathered.add("migsafe_blocked_longest_seconds", blocked.longest_seconds, rollout=name)
    gathered.add("migsafe_blocked_waits_total", blocked.waits, rollout=name)
    gathered.add("migsafe_gave_way_total", blocked.gave_way, rollout=name)
    rows = read_quarantine(conn, rollout.id)
    waived = sum(row.waived_at is not None for row in rows)
    for count, word in ((len(rows) - waived, "false"), (waived, "true")):
        gathered.add("migsafe_quarantine_rows", count, rollout=name, waived=word)
