"""Spans, with OpenTelemetry's own SDK and its exporter into memory."""

import json
import subprocess
import sys
from collections.abc import Callable

import psycopg
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from migsafe.plan.stages import Stage
from migsafe.run.events import Event, StageReached, StepFinished, StepStarted
from migsafe.run.runner import hold
from migsafe.run.telemetry import otel
from migsafe.run.telemetry.otel import open_spans
from migsafe.run.telemetry.sink import Telemetry
from migsafe.run.telemetry.spans import Spans
from tests.run.plans import rename_plan
from tests.run.telemetry.samples import ALL, BATCH, FAILED, OPENED, SECRET


class Recorded:
    """Spans that are recorded, and the observer that makes them."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.tell = Telemetry((Spans(provider.get_tracer("test"), "run"),), pytest.fail)

    def end(self) -> dict[str, ReadableSpan]:
        self.tell.close()
        return {span.name: span for span in self._memory.get_finished_spans()}


def spans(*events: Event) -> dict[str, ReadableSpan]:
    recorded = Recorded()
    for event in events:
        recorded.tell(event)
    return recorded.end()


def parent(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def identity(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


def test_a_real_rollout_is_one_trace_of_stages_steps_and_batches(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(2000)
    recorded = Recorded()
    with hold(rename_plan(), database, observer=recorded.tell) as runner:
        for stage in (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED):
            runner.advance(stage)
    found = recorded.end()
    root = found["migsafe run"]
    assert parent(root) is None
    for name in ("stage expanded", "stage backfilled", "stage verified"):
        assert parent(found[name]) == identity(root)
    step, batch = found["step fill"], found["batch public.users"]
    assert parent(step) == identity(found["stage backfilled"])
    assert parent(batch) == identity(step)
    assert batch.kind is SpanKind.CLIENT
    assert batch.attributes is not None
    info = psycopg.conninfo.conninfo_to_dict(database)
    assert (
        dict(batch.attributes).items()
        >= {
            "db.system.name": "postgresql",
            "db.namespace": info["dbname"],
            "server.address": info["host"],
            "server.port": int(str(info["port"])),
            "db.collection.name": "public.users",
            "migsafe.rollout": "rename",
        }.items()
    )
    assert step.start_time is not None
    assert batch.start_time is not None
    assert step.start_time < batch.start_time
    assert len({context.trace_id for span in found.values() if (context := span.get_span_context())}) == 1


def test_nothing_of_rows_queries_or_errors_gets_into_a_trace() -> None:
    found = spans(*ALL)
    assert len(found) >= 3
    written = "".join(span.to_json() for span in found.values())
    assert SECRET not in written
    assert "id=7" not in written
    names = {event.name for span in found.values() for event in span.events}
    assert {"migsafe.lock_retry", "migsafe.gave_way", "migsafe.row_quarantined", "migsafe.gate_read"} <= names


def test_an_error_marks_all_that_was_open_with_its_kind_alone() -> None:
    found = spans(OPENED, StepStarted(step="fill", title="Fill"), FAILED)
    assert set(found) == {"migsafe run", "stage", "step fill"}
    for span in found.values():
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes["error.type"] == "Quarantined"


def test_a_stage_that_is_reached_within_its_last_step_ends_after_it() -> None:
    found = spans(
        OPENED,
        StepStarted(step="add", title="Add"),
        StageReached(stage=Stage.EXPANDED, seconds=1),
        StepFinished(step="add", seconds=1),
    )
    assert parent(found["step add"]) == identity(found["stage expanded"])


def test_one_batch_a_second_has_a_span_that_counts_the_others() -> None:
    now = [1_000_000_000_000]
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    made = Spans(provider.get_tracer("test"), "run", clock=lambda: now[0])
    for _ in range(100):
        made.take(BATCH, {"run": "r"})
        now[0] += 50_000_000
    made.close()
    batches = [span for span in memory.get_finished_spans() if span.name.startswith("batch")]
    assert len(batches) == 5
    assert [span.attributes["migsafe.batches"] for span in batches if span.attributes] == [1, 20, 20, 20, 20]


def test_a_collector_that_is_not_there_is_said_once_and_waited_for_only_shortly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(otel, "FAREWELL_SECONDS", 0.5)
    said: list[str] = []
    telemetry = Telemetry(open_spans("run", said.append), said.append)
    telemetry(OPENED)
    telemetry.close()
    assert len(said) in (1, 2)
    assert said[0].startswith("spans: ")


def test_a_sdk_that_is_switched_off_sends_nothing() -> None:
    assert open_spans("run", pytest.fail, {"OTEL_SDK_DISABLED": "true"}) == ()


def test_without_the_extra_it_is_said_and_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    said: list[str] = []
    assert open_spans("run", said.append, {}) == ()
    assert "pip install 'migsafe[otel]'" in said[0]


def test_the_command_line_imports_no_telemetry_until_it_is_wanted() -> None:
    program = "import sys, json, migsafe.cli.main; print(json.dumps(sorted(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = json.loads(found.stdout)
    heavy = ("opentelemetry", "http.server", "psycopg", "migsafe.run", "prometheus_client")
    assert [name for name in loaded if name.startswith(heavy)] == []
