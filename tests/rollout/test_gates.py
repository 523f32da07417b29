import math
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.errors import UsageError
from migsafe.plan.model import Contract, DownMap, Gate, Options, Traffic
from migsafe.rollout.gates import Situation, Verdict, gates_for
from migsafe.rollout.gates.canary import CanaryGate, quantile
from migsafe.rollout.gates.database import SessionGate, SqlGate, SyncGate
from migsafe.rollout.gates.smoke import SmokeGate
from migsafe.rollout.machine import Question
from migsafe.rollout.providers.base import Counters, Statistics
from tests.rollout.shop import Shop
from tests.run.plans import rename_plan

NOTHING = Situation(green_percent=0)
NOWHERE = "postgresql://me:s3cret@127.0.0.1:1/shop"


def seen(
    green: tuple[int, int],
    blue: tuple[int, int] = (1000, 0),
    green_ms: dict[float, int] | None = None,
    blue_ms: dict[float, int] | None = None,
) -> Situation:
    counters = [
        Counters(requests=requests, failures=failures, latency_ms=latency or {})
        for (requests, failures), latency in ((green, green_ms), (blue, blue_ms))
    ]
    return Situation(green_percent=5, interval=Statistics(green=counters[0], blue=counters[1]))


@pytest.mark.parametrize(
    ("situation", "verdict"),
    [
        (NOTHING, Verdict.HOLD),
        (Situation(green_percent=5, trouble="the proxy is away"), Verdict.ERROR),
        (seen((0, 0)), Verdict.HOLD),
        (seen((49, 49)), Verdict.HOLD),
        (seen((100, 0)), Verdict.PASS),
        (seen((100, 1)), Verdict.PASS),
        (seen((100, 2)), Verdict.FAIL),
        (seen((100, 6), blue=(1000, 55)), Verdict.PASS),
        (seen((100, 7), blue=(1000, 55)), Verdict.FAIL),
        (seen((100, 100), blue=(0, 0)), Verdict.FAIL),
        (seen((100, 0), green_ms={10: 0, 100: 100}, blue_ms={10: 1000, 100: 1000}), Verdict.FAIL),
        (seen((100, 0), green_ms={10: 0, 20: 100}, blue_ms={10: 1000, 20: 1000}), Verdict.PASS),
        (seen((100, 0), green_ms={10: 5, 100: 5}, blue_ms={10: 1000, 100: 1000}), Verdict.PASS),
    ],
)
def test_green_against_blue(situation: Situation, verdict: Verdict) -> None:
    assert CanaryGate("errors", {}).read(situation).verdict is verdict


def test_at_full_traffic_green_is_compared_with_what_blue_did_before() -> None:
    gate = CanaryGate("errors", {})
    gate.read(seen((100, 3), blue=(1000, 25)))
    assert gate.read(seen((100, 3), blue=(0, 0))).verdict is Verdict.PASS
    assert CanaryGate("errors", {}).read(seen((100, 3), blue=(0, 0))).verdict is Verdict.FAIL


@given(
    st.lists(st.tuples(st.floats(0.1, 1e4), st.integers(0, 50)), min_size=1, max_size=12),
    st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_bucket_that_holds_it(parts: list[tuple[float, int]], fraction: float) -> None:
    histogram, total = {}, 0
    for bound, count in sorted(dict(parts).items()):
        total += count
        histogram[bound] = total
    found = quantile(histogram, fraction)
    if not total:
        assert found is None
        return
    assert found is not None
    wanted = math.ceil(fraction * total)
    upper = next(bound for bound, count in histogram.items() if count >= wanted)
    assert 0 < found <= upper
    assert all(bound <= found for bound, count in histogram.items() if count < wanted)


@pytest.mark.parametrize(
    ("query", "options", "verdict"),
    [
        ("SELECT true", {}, Verdict.PASS),
        ("SELECT false", {}, Verdict.FAIL),
        ("SELECT 5", {"max": 5}, Verdict.PASS),
        ("SELECT 6", {"max": 5}, Verdict.FAIL),
        ("SELECT 4.9", {"min": 5}, Verdict.FAIL),
        ("SELECT 5.5::float8", {"min": 5, "max": 6.0}, Verdict.PASS),
        ("SELECT NULL::int", {"max": 5}, Verdict.HOLD),
        ("SELECT 'NaN'::float8", {"max": 5}, Verdict.HOLD),
        ("SELECT 'NaN'::numeric", {"max": 5}, Verdict.HOLD),
        ("SELECT 5", {}, Verdict.ERROR),
        ("SELECT 'five'", {"max": 5}, Verdict.ERROR),
        ("SELECT 1, 2", {"max": 5}, Verdict.ERROR),
        ("SELECT 1 WHERE false", {"max": 5}, Verdict.ERROR),
        ("SELECT generate_series(1, 3)", {"max": 5}, Verdict.ERROR),
        ("SELEC 1", {"max": 5}, Verdict.ERROR),
        ("SELECT pg_sleep(5)", {"max": 5, "timeout_seconds": 0.2}, Verdict.ERROR),
        ("CREATE TABLE sneaky (x int)", {"max": 5}, Verdict.ERROR),
        ("SELECT 1; COMMIT; CREATE TABLE sneaky (x int)", {"max": 5}, Verdict.ERROR),
        ("COMMIT", {"max": 5}, Verdict.ERROR),
        ("SELECT count(*) FROM pg_class WHERE relname LIKE '%sneaky%'", {"max": 0}, Verdict.PASS),
    ],
)
def test_sql_gates(database: str, query: str, options: Options, verdict: Verdict) -> None:
    gate = SqlGate("probe", {"query": query, **options}, database)
    assert gate.read(NOTHING).verdict is verdict
    assert gate.read(NOTHING).verdict is verdict
    gate.close()
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT to_regclass('sneaky')").fetchone() == (None,)


def test_a_database_that_is_away_is_an_error_without_secrets() -> None:
    reading = SqlGate("probe", {"query": "SELECT 1", "max": 1}, NOWHERE).read(NOTHING)
    assert reading.verdict is Verdict.ERROR
    assert "s3cret" not in reading.text


def test_a_sql_gate_connects_again_when_its_connection_broke(database: str) -> None:
    gate = SqlGate("probe", {"query": "SELECT true"}, database)
    assert gate.read(NOTHING).verdict is Verdict.PASS
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'migsafe gate'"
        )
    assert gate.read(NOTHING).verdict is Verdict.ERROR
    assert gate.read(NOTHING).verdict is Verdict.PASS
    gate.close()


def test_smoke_gates(shop: Shop) -> None:
    url = f"http://127.0.0.1:{shop.green.port}/health"
    assert SmokeGate("s", {"url": url, "body": "^green$"}).read(NOTHING).verdict is Verdict.PASS
    assert SmokeGate("s", {"url": url, "body": "^blue$"}).read(NOTHING).verdict is Verdict.FAIL
    through = {"url": shop.envoy.url, "header": "x-app-version: green", "body": "green"}
    assert SmokeGate("s", through).read(NOTHING).verdict is Verdict.PASS
    shop.green.status = 503
    assert SmokeGate("s", {"url": url}).read(NOTHING).verdict is Verdict.FAIL
    assert SmokeGate("s", {"url": "http://127.0.0.1:1/"}).read(NOTHING).verdict is Verdict.ERROR


def test_every_rollout_counts_sync_events_unless_they_are_expected() -> None:
    plan = rename_plan()
    assert [gate.name for gate in gates_for(plan, NOWHERE)] == ["sync"]
    lossy = replace(plan, changes=(replace(plan.changes[0], down_map=DownMap.LOSSY),))
    assert gates_for(lossy, NOWHERE) == ()
    fenced = replace(plan, contract=Contract(blue_application_name="blue"))
    assert [gate.name for gate in gates_for(fenced, NOWHERE)] == ["sync", "old-version-gone"]
    assert SyncGate("sync", {}, dsn=NOWHERE, rollout="x").read(NOTHING).verdict is Verdict.ERROR
    assert Question.WATCH in SyncGate.questions


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([Gate(name="a", kind="smok")], "gate 'a': unknown kind 'smok'\ndid you mean 'smoke'?"),
        ([Gate(name="a", kind="smoke")], "gate 'a': option 'url' is missing"),
        ([Gate(name="a", kind="smoke", options={"url": "x"})], "not an http"),
        (
            [Gate(name="a", kind="smoke", options={"url": "http://x", "body": "("})],
            "not a regular expression",
        ),
        ([Gate(name="a", kind="smoke", options={"url": "http://x", "header": "x"})], "must look like"),
        ([Gate(name="a", kind="canary", options={"min_request": 5})], "did you mean 'min_requests'?"),
        ([Gate(name="a", kind="canary", options={"max_latency_ratio": 0.5})], "must be 1 or more"),
        ([Gate(name="a", kind="canary", options={"max_error_percent": math.nan})], "must be a finite number"),
        (
            [Gate(name="a", kind="sql", options={"query": "x", "min": 2, "max": 1})],
            "'min' (2) is above 'max' (1)",
        ),
        ([Gate(name="a", kind="sync", options={"max_events": -1})], "must not be below 0"),
        ([Gate(name="a", kind="canary"), Gate(name="a", kind="canary")], "two gates are called 'a'"),
    ],
)
def test_gates_that_cannot_be_used_are_refused(gates: list[Gate], message: str) -> None:
    plan = replace(rename_plan(), traffic=Traffic(provider="command", gates=tuple(gates)))
    with pytest.raises(UsageError) as error:
        gates_for(plan, NOWHERE)
    assert message in str(error.value)


def test_the_fence_sees_sessions_of_other_roles_without_any_privilege(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS plain_runner")
        admin.execute("CREATE ROLE plain_runner LOGIN PASSWORD 'p'")
        parts = psycopg.conninfo.conninfo_to_dict(database)
        login = {**parts, "user": "plain_runner", "password": "p"}
        dsn = psycopg.conninfo.make_conninfo("", **{key: str(value) for key, value in login.items()})
        gate = SessionGate("app-blue", dsn)
        try:
            with psycopg.connect(database, application_name="app-blue"):
                seen = gate.read(Situation(green_percent=100))
            assert (seen.verdict, seen.text[:30]) == (Verdict.HOLD, "1 sessions of 'app-blue' are c")
        finally:
            gate.close()
            admin.execute("DROP ROLE plain_runner")
