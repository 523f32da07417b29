"""A rollout as OpenTelemetry spans: one for the command, each stage, each step, and some of the batches.

Attributes follow the conventions for databases. There are no values, keys or texts of errors in them: a
trace often goes to more people than a log. https://opentelemetry.io/docs/specs/semconv/database/database-spans/
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from migsafe.run.events import (
    BatchDone,
    Event,
    GateRead,
    GaveWay,
    LockRetry,
    MethodChosen,
    PaceChanged,
    PointPassed,
    RolloutOpened,
    RowQuarantined,
    RunEnded,
    RunFailed,
    StageReached,
    StepFinished,
    StepStarted,
    TrafficMoved,
    Waiting,
)
from migsafe.run.telemetry.schema import name_of

BATCH_EVERY_SECONDS = 1.0
_NANO = 1_000_000_000
Attributes = dict[str, str | int | float | bool]


class Spans:
    """Makes spans from events. `flush` sends what is left when it is closed."""

    def __init__(
        self,
        tracer: Tracer,
        command: str,
        *,
        parent: Context | None = None,
        flush: Callable[[], None] = lambda: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._tracer, self._flush, self._clock = tracer, flush, clock
        self._place: Attributes = {}
        self._root = tracer.start_span(
            f"migsafe {command}", context=parent, start_time=clock(), attributes={"migsafe.command": command}
        )
        self._stage: Span | None = None
        self._step: Span | None = None
        self._batches, self._batch_at = 0, 0

    def take(self, event: Event, document: dict[str, Any]) -> None:
        """Begin or end spans, or note what happened on the innermost one."""
        match event:
            case RolloutOpened():
                self._open(event, document["run"])
            case StepStarted(step=step, resumed=resumed):
                self._end_step()
                self._step = self._begin(f"step {step}", {"migsafe.step": step, "migsafe.resumed": resumed})
            case StepFinished(rows=rows):
                self._end_step({} if rows is None else {"migsafe.rows": rows})
            case StageReached(stage=stage):
                self._end_stage(stage.value)
            case BatchDone():
                self._batch(event)
            case RunEnded(state=state, ok=ok):
                self._root.set_attributes({"migsafe.state": state, "migsafe.ok": ok})
            case RunFailed(error=error):
                self._fail(error)
            case _:
                self._note(event)

    def close(self) -> None:
        """End what is open, and send it."""
        self._end_step()
        self._end_stage()
        self._root.end(self._clock())
        self._flush()

    def _open(self, event: RolloutOpened, run: str) -> None:
        self._place = {
            "db.system.name": "postgresql",
            "db.namespace": event.database,
            "server.address": event.server_address,
            "server.port": event.server_port,
            "migsafe.rollout": event.rollout,
        }
        self._root.set_attributes(
            {
                **self._place,
                "migsafe.run": run,
                "migsafe.rollout_id": event.rollout_id,
                "migsafe.role": event.role,
            }
        )

    def _begin(self, name: str, attributes: Mapping[str, str | int | float | bool]) -> Span:
        """A step, in its stage: the stage's name is known when it is reached."""
        if self._stage is None:
            self._stage = self._start("stage", self._root, {})
        return self._start(name, self._stage, attributes)

    def _start(self, name: str, parent: Span, attributes: Mapping[str, str | int | float | bool]) -> Span:
        return self._tracer.start_span(
            name,
            context=set_span_in_context(parent),
            start_time=self._clock(),
            attributes={**self._place, **attributes},
        )

    def _end_step(self, attributes: Attributes | None = None) -> None:
        if self._step is not None:
            self._step.set_attributes(attributes or {})
            self._step.end(self._clock())
            self._step = None

    def _end_stage(self, reached: str | None = None) -> None:
        if reached is not None:
            self._note_on(self._root, "stage_reached", {"migsafe.stage": reached})
        if self._stage is not None:
            if reached is not None:
                self._stage.update_name(f"stage {reached}")
                self._stage.set_attribute("migsafe.stage", reached)
            self._stage.end(self._clock())
            self._stage = None

    def _batch(self, event: BatchDone) -> None:
        """One batch a second has a span; it says how many there were since the last one that had."""
        now = self._clock()
        self._batches += 1
        if now - self._batch_at < BATCH_EVERY_SECONDS * _NANO:
            return
        span = self._tracer.start_span(
            f"batch {event.relation}",
            context=set_span_in_context(self._step or self._root),
            kind=SpanKind.CLIENT,
            start_time=now - round(event.seconds * _NANO),
            attributes={
                **self._place,
                "db.collection.name": event.relation,
                "migsafe.step": event.step,
                "migsafe.rows": event.rows,
                "migsafe.batches": self._batches,
            },
        )
        span.end(now)
        self._batches, self._batch_at = 0, now

    def _fail(self, error: str) -> None:
        for span in (self._step, self._stage, self._root):
            if span is not None:
                span.set_attribute("error.type", error)
                span.set_status(Status(StatusCode.ERROR, error))

    def _note(self, event: Event) -> None:
        attributes = _attributes(event)
        if attributes is not None:
            self._note_on(self._step or self._stage or self._root, name_of(event), attributes)

    def _note_on(self, span: Span, name: str, attributes: Attributes) -> None:
        span.add_event(f"migsafe.{name}", attributes, self._clock())


def _attributes(event: Event) -> Attributes | None:
    """What a span's event says: numbers and our own words. None: it is no event of a span."""
    match event:
        case LockRetry(attempt=attempt, blockers=blockers):
            return {"migsafe.attempt": attempt, "migsafe.blockers": len(blockers)}
        case GaveWay(seconds=seconds, waiters=waiters):
            return {"migsafe.blocked_seconds": seconds, "migsafe.waiters": len(waiters)}
        case PaceChanged(share=share):
            return {"migsafe.share": share}
        case Waiting(seconds=seconds):
            return {} if seconds is None else {"migsafe.seconds": seconds}
        case RowQuarantined(relation=relation) | MethodChosen(relation=relation):
            return {"db.collection.name": relation}
        case TrafficMoved(green_percent=green):
            return {"migsafe.green_percent": green}
        case GateRead(gate=gate, verdict=verdict):
            return {"migsafe.gate": gate, "migsafe.verdict": str(verdict)}
        case PointPassed(kind=kind):
            return {"migsafe.point_of_no_return": kind}
        case _:
            return None
