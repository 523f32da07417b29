"""The metrics of this process: a sink that counts, and the text for who asks."""

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from migsafe.plan.stages import Stage
from migsafe.run.events import (
    BatchDone,
    BlockedSoFar,
    Event,
    LockRetry,
    PaceRead,
    PointPassed,
    Progress,
    RolloutOpened,
    RowQuarantined,
    StageReached,
    StepFinished,
    TableMeasured,
    TrafficMoved,
)
from migsafe.run.telemetry.costs import Costs
from migsafe.run.telemetry.exposition import expose
from migsafe.run.telemetry.families import BUCKETS, Gathered, histogram


@dataclass(slots=True, kw_only=True)
class _Step:
    """What is known of one step."""

    fraction: float | None = None
    rows: int | None = None
    rows_estimated: int | None = None
    rows_per_second: float | None = None
    eta_seconds: float | None = None
    batches: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    batch_seconds: float = 0.0


@dataclass(slots=True, kw_only=True)
class _Rollout:
    """What is known of one rollout."""

    stages: tuple[Stage, ...] = ()
    stage: Stage = Stage.PLANNED
    green_percent: int | None = None
    steps: dict[str, _Step] = field(default_factory=dict)
    pace: PaceRead | None = None
    costs: Costs = field(default_factory=Costs)
    blocked: BlockedSoFar | None = None
    gave_way_before: int = 0
    points: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def step(self, name: str) -> _Step:
        return self.steps.setdefault(name, _Step())


class Metrics:
    """Counts what happens, from any thread; `text()` may be asked by another one."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._rollouts: dict[str, _Rollout] = {}
        self._current = ""
        self._event_at = clock()
        self._batch_at: float | None = None

    def take(self, event: Event, document: dict[str, Any]) -> None:
        """Count one event."""
        del document
        with self._lock:
            self._event_at = self._clock()
            if isinstance(event, RolloutOpened):
                self._open(event)
            elif self._current:
                self._count(self._rollouts[self._current], event)

    def close(self) -> None:
        """Nothing is left to do: there is no way to send."""

    def text(self) -> str:
        """All of it, in Prometheus's text format."""
        gathered = Gathered()
        with self._lock:
            for name, rollout in self._rollouts.items():
                _gather(gathered, name, rollout)
            gathered.add("migsafe_last_event_timestamp_seconds", self._event_at)
            gathered.add("migsafe_last_batch_timestamp_seconds", self._batch_at)
        return expose(gathered.families())

    def _open(self, event: RolloutOpened) -> None:
        self._current = event.rollout
        rollout = self._rollouts.setdefault(event.rollout, _Rollout())
        rollout.stages, rollout.stage = event.stages, event.stage
        if rollout.blocked is not None:
            rollout.gave_way_before += rollout.blocked.gave_way
            rollout.blocked = None
        rollout.costs(event)

    def _count(self, rollout: _Rollout, event: Event) -> None:
        rollout.costs(event)
        match event:
            case Progress() | TableMeasured() | BatchDone() | StepFinished():
                self._count_step(rollout.step(event.step), event)
            case StageReached(stage=stage):
                rollout.stage = stage
            case TrafficMoved(green_percent=green):
                rollout.green_percent = green
            case PaceRead():
                rollout.pace = event
            case BlockedSoFar():
                rollout.blocked = event
            case PointPassed(kind=kind):
                rollout.points.add(kind)
            case LockRetry():
                rollout.counts["lock_retries"] += 1
            case RowQuarantined():
                rollout.counts["quarantined"] += 1
            case _:
                pass

    def _count_step(self, step: _Step, event: Progress | TableMeasured | BatchDone | StepFinished) -> None:
        match event:
            case Progress():
                step.fraction, step.rows = event.fraction, event.rows
                step.rows_per_second, step.eta_seconds = event.rows_per_second, event.eta_seconds
            case TableMeasured(rows_estimated=rows):
                step.rows_estimated = rows
            case BatchDone(seconds=seconds):
                self._batch_at = self._clock()
                step.batches[bisect_left(BUCKETS, seconds)] += 1
                step.batch_seconds += seconds
            case StepFinished(rows=rows):
                step.rows = step.rows if rows is None else rows
                step.rows_per_second, step.eta_seconds = None, None


def _gather(gathered: Gathered, name: str, rollout: _Rollout) -> None:
    gathered.add_stage(rollout.stage, rollout.stages, rollout=name)
    gathered.add("migsafe_green_percent", rollout.green_percent, rollout=name)
    for step_name, step in rollout.steps.items():
        _gather_step(gathered, step, {"rollout": name, "step": step_name})
    if rollout.pace is not None:
        gathered.add("migsafe_pace_share", rollout.pace.share, rollout=name)
        gathered.add("migsafe_on_hold", rollout.pace.waiting_for is not None, rollout=name)
        for signal in rollout.pace.signals:
            gathered.add_signal(signal, rollout=name)
    costs = rollout.costs
    for reason, seconds in sorted(costs.throttled.items()):
        gathered.add("migsafe_throttled_seconds_total", seconds, rollout=name, reason=reason)
    gathered.add("migsafe_blocked_seconds_total", costs.blocked_seconds, rollout=name)
    gathered.add("migsafe_blocked_longest_seconds", costs.longest_blocked_seconds, rollout=name)
    gathered.add("migsafe_blocked_waits_total", costs.waits, rollout=name)
    gave_way, blocked = rollout.gave_way_before, rollout.blocked
    gathered.add("migsafe_gave_way_total", gave_way + (blocked.gave_way if blocked else 0), rollout=name)
    gathered.add("migsafe_blocked_budget_seconds", blocked.budget_seconds if blocked else None, rollout=name)
    gathered.add("migsafe_lock_retries_total", rollout.counts["lock_retries"], rollout=name)
    gathered.add("migsafe_quarantined_rows_total", rollout.counts["quarantined"], rollout=name)
    points = {"structural": rollout.stage is Stage.DROPPED, "data": "data" in rollout.points}
    for kind, passed in points.items():
        gathered.add("migsafe_point_of_no_return_passed", passed, rollout=name, kind=kind)


def _gather_step(gathered: Gathered, step: _Step, labels: dict[str, str]) -> None:
    gathered.add("migsafe_step_fraction", step.fraction, **labels)
    gathered.add("migsafe_step_rows", step.rows, **labels)
    gathered.add("migsafe_step_rows_estimated", step.rows_estimated, **labels)
    gathered.add("migsafe_step_rows_per_second", step.rows_per_second, **labels)
    gathered.add("migsafe_step_eta_seconds", step.eta_seconds, **labels)
    if any(step.batches):
        histogram(gathered, "migsafe_batch_duration_seconds", step.batches, step.batch_seconds, **labels)
