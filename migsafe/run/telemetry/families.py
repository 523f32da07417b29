"""The metrics of a rollout, as values: their names, kinds and what they mean. docs/events.md lists them.

A process tells its own (`migsafe run --metrics`), the ledger those of the whole rollout (`migsafe status
--format prometheus`): the names are the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from migsafe.plan.stages import Stage
from migsafe.run.events import SignalRead
from migsafe.run.telemetry.exposition import Family, Sample

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds; the target of a batch is 0.25

KINDS: Mapping[str, tuple[str, str]] = {
    "migsafe_rollout_stage": ("gauge", "1 for the stage that the rollout stands in, 0 for the others."),
    "migsafe_rollout_state": ("gauge", "1 for the state that the rollout is in, 0 for the others."),
    "migsafe_green_percent": ("gauge", "Share of the traffic that the new version gets, in percent."),
    "migsafe_step_fraction": ("gauge", "How far a step through a table is, 0 to 1."),
    "migsafe_step_rows": ("gauge", "Rows that a step has changed so far."),
    "migsafe_step_rows_estimated": ("gauge", "Rows of the step's table, as the server last counted them."),
    "migsafe_step_rows_per_second": ("gauge", "Rows that are changed per second of work, pauses left out."),
    "migsafe_step_eta_seconds": ("gauge", "Seconds of work that are left, pauses left out."),
    "migsafe_batch_duration_seconds": ("histogram", "Duration of the transactions of a backfill."),
    "migsafe_pace_share": ("gauge", "Share of full speed, 0 to 1; 0 is a stop."),
    "migsafe_on_hold": ("gauge", "1 while a signal or a limit holds the work up."),
    "migsafe_signal_value": ("gauge", "A signal of the pace, in the unit of its limit."),
    "migsafe_signal_soft_limit": ("gauge", "Above this the signal slows the work down."),
    "migsafe_signal_hard_limit": ("gauge", "From this on the signal stops the work."),
    "migsafe_throttled_seconds_total": ("counter", "Seconds that the work waited, by reason."),
    "migsafe_blocked_seconds_total": ("counter", "Seconds that sessions of the application waited for us."),
    "migsafe_blocked_longest_seconds": ("gauge", "The longest wait of the application for us."),
    "migsafe_blocked_budget_seconds": ("gauge", "What a session of the application may wait for us."),
    "migsafe_blocked_waits_total": ("counter", "Waits of the application for us."),
    "migsafe_gave_way_total": ("counter", "Statements of ours that were cancelled for the application."),
    "migsafe_lock_retries_total": ("counter", "Attempts at a lock that was not granted in time."),
    "migsafe_quarantined_rows_total": ("counter", "Rows that were found not to be changeable."),
    "migsafe_quarantine_rows": ("gauge", "Rows in quarantine now, waived ones apart."),
    "migsafe_sync_unrepresentable_total": ("counter", "Values written that the old shape cannot hold."),
    "migsafe_point_of_no_return_passed": ("gauge", "1 once there is no way back in this respect."),
    "migsafe_workers": ("gauge", "Workers that are at work on the rollout."),
    "migsafe_runner_alive": ("gauge", "1 while somebody holds the lease and gives signs of life."),
    "migsafe_last_event_timestamp_seconds": ("gauge", "When this process last had something to tell."),
    "migsafe_last_batch_timestamp_seconds": ("gauge", "When this process last committed a batch."),
}


@dataclass(slots=True, kw_only=True)
class Gathered:
    """Samples by name, in the order of KINDS."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, name: str, value: float | None, suffix: str = "", **labels: str) -> None:
        """One value; None is no value."""
        if value is not None:
            sample = Sample(value=float(value), labels=labels, suffix=suffix)
            self.samples.setdefault(name, []).append(sample)

    def add_stage(self, stage: Stage, stages: Iterable[Stage], **labels: str) -> None:
        """A value for each stage of the plan."""
        for each in stages:
            self.add("migsafe_rollout_stage", each is stage, stage=each.value, **labels)

    def add_signal(self, signal: SignalRead, **labels: str) -> None:
        """A signal and its limits."""
        labels = {**labels, "signal": signal.name}
        self.add("migsafe_signal_value", signal.value, **labels)
        self.add("migsafe_signal_soft_limit", signal.soft, **labels)
        self.add("migsafe_signal_hard_limit", signal.hard, **labels)

    def families(self) -> tuple[Family, ...]:
        """All of them."""
        return tuple(
            Family(name=name, kind=kind, help=text, samples=tuple(self.samples.get(name, ())))
            for name, (kind, text) in KINDS.items()
        )


def histogram(gathered: Gathered, name: str, counts: list[int], total: float, **labels: str) -> None:
    """A histogram; the counts are those of each bucket alone, and of what is above all."""
    sum_so_far = 0
    for bound, count in zip((*BUCKETS, float("inf")), counts, strict=True):
        sum_so_far += count
        shown = "+Inf" if bound == float("inf") else f"{bound:g}"
        gathered.add(name, sum_so_far, "_bucket", **labels, le=shown)
    gathered.add(name, total, "_sum", **labels)
    gathered.add(name, sum_so_far, "_count", **labels)
