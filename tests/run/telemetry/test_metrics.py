"""Metrics: what they count, in a form that Prometheus's own parser reads, and a server that nobody hangs."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from migsafe.errors import UsageError
from migsafe.plan.stages import Stage
from migsafe.run.events import BatchDone, BlockedSoFar, Event, PaceRead, StageReached
from migsafe.run.ledger.rollouts import list_rollouts
from migsafe.run.runner import hold
from migsafe.run.telemetry.endpoint import Endpoint, open_endpoint, split_address
from migsafe.run.telemetry.exposition import CONTENT_TYPE, Family, Sample, expose
from migsafe.run.telemetry.families import KINDS
from migsafe.run.telemetry.metrics import Metrics
from migsafe.run.telemetry.of_ledger import ledger_families
from tests.run.plans import rename_plan
from tests.run.telemetry.samples import ALL, BATCH, BLOCKED, HALF, OPENED, PACE

Labels = tuple[tuple[str, str], ...]


def read(text: str) -> dict[tuple[str, Labels], float]:
    """All values, by name and labels; each name and label set once."""
    found: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def metrics(*events: Event) -> Metrics:
    made = Metrics(clock=lambda: 1000.0)
    for event in events:
        made.take(event, {})
    return made


def values(*events: Event) -> dict[tuple[str, Labels], float]:
    return read(metrics(*events).text())


def of(found: dict[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return found[name, tuple(sorted({"rollout": "rename", **labels}.items()))]


def test_the_text_is_read_by_prometheus_with_the_kinds_that_we_name() -> None:
    text = metrics(*ALL, HALF).text()
    kinds = {family.name: family.type for family in text_string_to_metric_families(text)}
    for name, kind in kinds.items():
        ours = KINDS.get(name) or KINDS[f"{name}_total"]
        assert (kind, bool(ours[1])) == (ours[0], True)
    assert text.endswith("\n")
    assert all(name.endswith("_total") == (kind == "counter") for name, (kind, _) in KINDS.items())


def test_a_backfill_in_numbers() -> None:
    found = values(OPENED, BATCH, BATCH, HALF, PACE, BLOCKED, StageReached(stage=Stage.EXPANDED, seconds=1))
    assert of(found, "migsafe_step_fraction", step="fill") == 0.5
    assert of(found, "migsafe_step_rows", step="fill") == 1000
    assert of(found, "migsafe_step_rows_per_second", step="fill") == 500
    assert of(found, "migsafe_step_eta_seconds", step="fill") == 2
    assert of(found, "migsafe_signal_value", signal="replica-lag") == 3.5
    assert of(found, "migsafe_signal_soft_limit", signal="replica-lag") == 5
    assert of(found, "migsafe_signal_hard_limit", signal="replica-lag") == 10
    assert of(found, "migsafe_throttled_seconds_total", reason="replica-lag") == 2.5
    assert of(found, "migsafe_blocked_seconds_total") == 1.5
    assert of(found, "migsafe_blocked_budget_seconds") == 0.5
    assert of(found, "migsafe_on_hold") == 1
    assert of(found, "migsafe_rollout_stage", stage="expanded") == 1
    assert of(found, "migsafe_rollout_stage", stage="planned") == 0
    assert found["migsafe_last_batch_timestamp_seconds", ()] == 1000


def test_the_histogram_of_batches_adds_up() -> None:
    batches = [
        BatchDone(step="fill", relation="public.users", rows=1, seconds=seconds)
        for seconds in (0.005, 0.01, 0.2, 0.25, 9.0)
    ]
    found = values(OPENED, *batches)
    buckets = {
        le: of(found, "migsafe_batch_duration_seconds_bucket", step="fill", le=le)
        for le in ("0.01", "0.1", "0.25", "2.5", "+Inf")
    }
    assert buckets == {"0.01": 2, "0.1": 2, "0.25": 4, "2.5": 4, "+Inf": 5}
    assert of(found, "migsafe_batch_duration_seconds_count", step="fill") == 5
    assert of(found, "migsafe_batch_duration_seconds_sum", step="fill") == pytest.approx(9.465)


def test_counters_never_fall_when_a_rollout_is_taken_up_again() -> None:
    none_yet = BlockedSoFar(seconds=0.5, longest_seconds=0.5, waits=1, gave_way=0, budget_seconds=0.5)
    fresh = PaceRead(
        share=1.0,
        waiting_for=None,
        batch_seconds=0.25,
        max_rows_per_second=None,
        signals=(),
        throttled_seconds={"vacuum": 1.0},
    )
    found = values(OPENED, PACE, BLOCKED, OPENED, none_yet, fresh)
    assert of(found, "migsafe_blocked_seconds_total") == 2.0
    assert of(found, "migsafe_gave_way_total") == 1
    assert of(found, "migsafe_throttled_seconds_total", reason="replica-lag") == 2.5
    assert of(found, "migsafe_throttled_seconds_total", reason="vacuum") == 1.0


def test_any_name_may_stand_in_a_label() -> None:
    name = 'a "quoted" \\ name\nin two lines'
    family = Family(
        name="migsafe_x",
        kind="gauge",
        help="A \\ in\nhelp.",
        samples=(Sample(value=1.5, labels={"step": name}),),
    )
    assert read(expose((family,))) == {("migsafe_x", (("step", name),)): 1.5}


@contextmanager
def serving(text: Callable[[], str]) -> Iterator[Endpoint]:
    endpoint = open_endpoint("0", text)
    try:
        yield endpoint
    finally:
        endpoint.close()


def get(port: int, path: str = "/metrics") -> tuple[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def test_the_endpoint_serves_the_text_and_nothing_else() -> None:
    with serving(metrics(*ALL).text) as endpoint:
        text, kind = get(endpoint.port)
        assert kind == CONTENT_TYPE
        assert read(text)
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(endpoint.port, "/")
        assert refused.value.code == 404
        refused.value.close()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", data=b"x", timeout=5)
        assert refused.value.code == 501
        refused.value.close()


def test_clients_that_hang_take_no_more_than_their_eight_places_and_are_sent_away() -> None:
    with serving(lambda: "") as endpoint:
        hanging = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(20)]
        time.sleep(0.5)
        ours = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
        assert len(ours) == 8
        for each in hanging:
            each.close()
        deadline = time.monotonic() + 5
        while True:
            try:
                get(endpoint.port)
                break
            except (OSError, urllib.error.URLError):
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_port_that_is_taken_is_refused_and_free_again_after_a_run() -> None:
    with serving(lambda: "") as endpoint:
        with pytest.raises(UsageError, match="Address already in use"):
            open_endpoint(str(endpoint.port), lambda: "")
        port = endpoint.port
    open_endpoint(str(port), lambda: "").close()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "10.0.0.1:9187", "db.example.com:9187", "[::]:9187"])
def test_other_hosts_read_it_only_when_somebody_said_so(address: str) -> None:
    with pytest.raises(UsageError, match="other hosts could read it"):
        open_endpoint(address, lambda: "")


def test_somebody_said_so() -> None:
    open_endpoint("0.0.0.0:0", lambda: "", public=True).close()


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("9187", ("127.0.0.1", 9187)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:9187", ("::1", 9187)),
    ],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", ":9187", "host", "host:", "1.2.3.4:99999", "9187x"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match=r"not \[HOST:\]PORT"):
        split_address(address)


def test_the_ledger_tells_the_same_of_a_rollout_that_is_over(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(3000)
    conn.execute("ANALYZE users")
    seen = Metrics()
    plan = rename_plan()
    with hold(plan, database, observer=lambda event: seen.take(event, {})) as runner:
        for stage in (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED):
            runner.advance(stage)
    told = read(seen.text())
    found = read(expose(ledger_families(conn, list_rollouts(conn))))
    same = (
        "migsafe_step_fraction",
        "migsafe_step_rows",
        "migsafe_rollout_stage",
        "migsafe_blocked_waits_total",
    )
    assert {key: value for key, value in found.items() if key[0] in same} == {
        key: value for key, value in told.items() if key[0] in same
    }
    (step,) = {dict(labels)["step"] for name, labels in told if name == "migsafe_step_rows_estimated"}
    assert of(found, "migsafe_step_rows", step=step) == 3000
    assert of(told, "migsafe_step_rows_estimated", step=step) == 3000
    assert of(told, "migsafe_batch_duration_seconds_count", step=step) >= 1
    assert of(found, "migsafe_runner_alive") == 0
    assert of(found, "migsafe_rollout_stage", stage="verified") == 1
    assert of(found, "migsafe_quarantine_rows", waived="false") == 0
    assert of(found, "migsafe_point_of_no_return_passed", kind="structural") == 0
