"""A rename with traffic, on a real PostgreSQL and a real Envoy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from migsafe.errors import RunError, StateRefused, TrafficError, UsageError
from migsafe.plan.model import Contract, DdlStep, DownMap, Gate, Plan, Traffic
from migsafe.plan.stages import Stage
from migsafe.rollout.controller import Controller
from migsafe.rollout.gates import Reading, Situation, Verdict
from migsafe.rollout.machine import Question
from migsafe.rollout.outcome import Outcome
from migsafe.rollout.providers.envoy import EnvoyProvider, envoy_provider
from migsafe.rollout.session import controller
from migsafe.run.connect import connect
from migsafe.run.events import Event, GateRead, Notice, PointPassed, StageReached, TrafficMoved
from migsafe.run.ledger.model import Request, Rollout, State
from migsafe.run.ledger.rollouts import read_rollout, request
from migsafe.run.runner import Runner, hold
from migsafe.run.settings import Settings
from tests.rollout.plans import ERRORS, FAST, plan_for
from tests.rollout.shop import Shop
from tests.run.plans import rename_plan


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def run(users: str, events: list[Event]) -> Callable[..., Outcome]:
    def drive(plan: Plan, target: Stage = Stage.SOAKED, *, old_version_gone: bool = False) -> Outcome:
        with held(plan, users, events, old_version_gone=old_version_gone) as control:
            return control.drive(target)

    return drive


@contextmanager
def held(
    plan: Plan, dsn: str, events: list[Event], *, old_version_gone: bool = False
) -> Iterator[Controller]:
    with controller(
        plan, dsn, observer=events.append, pace=FAST, old_version_gone=old_version_gone
    ) as control:
        yield control


def ledger(dsn: str) -> Rollout:
    with connect(dsn) as conn:
        found = read_rollout(conn, "rename")
    assert found is not None
    return found


def columns(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as conn:
        return {
            str(row[0])
            for row in conn.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'public.users'::regclass "
                "AND attnum > 0 AND NOT attisdropped"
            )
        }


def shares(events: list[Event]) -> list[int]:
    return [event.green_percent for event in events if isinstance(event, TrafficMoved)]


@pytest.mark.usefixtures("requests_keep_coming")
def test_a_rename_goes_all_the_way(
    shop: Shop, users: str, run: Callable[..., Outcome], events: list[Event], requests_keep_coming: list[str]
) -> None:
    shop_smoke = Gate(
        name="smoke", kind="smoke", options={"url": f"http://127.0.0.1:{shop.green.port}/", "body": "^green$"}
    )
    plan = plan_for(shop, shop_smoke, ERRORS)
    outcome = run(plan)
    assert (outcome.stage, outcome.green_percent, outcome.ok) == (Stage.SOAKED, 100, True)
    assert shares(events) == [5, 25, 100]
    assert {read.gate for read in events if isinstance(read, GateRead)} == {"smoke", "errors", "sync"}
    assert shop.ask(50) == ["green"] * 50
    assert run(plan, Stage.DROPPED, old_version_gone=True).stage is Stage.DROPPED
    assert [event.stage for event in events if isinstance(event, StageReached)] == list(Stage)[1:]
    assert ledger(users).state is State.DONE
    assert columns(users) == {"id", "full_name", "visits"}
    assert set(requests_keep_coming) == {"blue", "green"}


@pytest.mark.usefixtures("requests_keep_coming")
def test_a_gate_that_fails_at_25_percent_gives_all_traffic_to_blue_in_one_call(
    shop: Shop, users: str, run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    really_set = EnvoyProvider.set

    def counted(self: EnvoyProvider, green_percent: int, token: str | None) -> None:
        calls.append(green_percent)
        if green_percent == 25:
            shop.green.status = 500
        really_set(self, green_percent, token)

    monkeypatch.setattr(EnvoyProvider, "set", counted)
    outcome = run(plan_for(shop, ERRORS, step_seconds=3.0))
    assert calls == [5, 25, 0]
    assert (outcome.stage, outcome.green_percent, outcome.state) == (Stage.DARK, 0, State.RETREATED)
    assert not outcome.ok
    assert outcome.reason.startswith("gate 'errors' failed at 25 % green: ")
    assert shop.ask(50) == ["blue"] * 50
    assert columns(users) == {"id", "name", "full_name", "visits"}
    found = ledger(users)
    assert (found.green_percent, found.intended_green_percent, found.reason) == (0, 0, outcome.reason)


def test_no_data_holds_then_pauses_and_never_promotes(
    shop: Shop, users: str, run: Callable[..., Outcome], events: list[Event]
) -> None:
    outcome = run(plan_for(shop, ERRORS, step_seconds=0.2, hold_seconds=0.5))
    assert (outcome.stage, outcome.green_percent, outcome.state) == (Stage.CANARY, 5, State.PAUSED)
    assert not outcome.ok
    assert "0 requests of green, 5 are needed" in outcome.reason
    assert shares(events) == [5]
    assert ledger(users).state is State.PAUSED


def test_a_gate_that_cannot_be_asked_never_promotes(shop: Shop, run: Callable[..., Outcome]) -> None:
    broken = Gate(name="orders", kind="sql", options={"query": "SELECT count(*) FROM nowhere", "max": 5})
    outcome = run(plan_for(shop, broken, hold_seconds=0.4))
    assert (outcome.stage, outcome.green_percent, outcome.state) == (Stage.DARK, 0, State.PAUSED)
    assert 'relation "nowhere" does not exist' in outcome.reason


def test_a_smoke_test_that_fails_keeps_green_dark(shop: Shop, run: Callable[..., Outcome]) -> None:
    url = f"http://127.0.0.1:{shop.green.port}/"
    smoke = Gate(name="smoke", kind="smoke", options={"url": url, "status": 204})
    outcome = run(plan_for(shop, smoke))
    assert (outcome.stage, outcome.green_percent, outcome.ok) == (Stage.DARK, 0, False)
    assert "status 200 instead of 204" in outcome.reason


@pytest.mark.usefixtures("requests_keep_coming")
def test_after_a_retreat_the_same_command_tries_again(shop: Shop, run: Callable[..., Outcome]) -> None:
    shop.green.status = 500
    assert run(plan_for(shop, ERRORS, steps=(50, 100))).state is State.RETREATED
    shop.green.status = 200
    assert run(plan_for(shop, ERRORS, steps=(50, 100))).stage is Stage.SOAKED


def test_a_proxy_that_was_restarted_while_it_is_watched_pauses(
    shop: Shop, run: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    really_verify = EnvoyProvider.verify

    def then_lost(self: EnvoyProvider, green_percent: int, *, timeout_seconds: float) -> None:
        really_verify(self, green_percent, timeout_seconds=timeout_seconds)
        self.set(0, None)

    monkeypatch.setattr(EnvoyProvider, "verify", then_lost)
    outcome = run(plan_for(shop))
    assert outcome.state is State.PAUSED
    assert "0 % green instead of 5 %" in outcome.reason


def test_traffic_found_elsewhere_is_taken_from_the_provider(
    shop: Shop, run: Callable[..., Outcome], events: list[Event]
) -> None:
    plan = plan_for(shop)
    assert run(plan, Stage.CANARY).green_percent == 5
    envoy_provider(shop.envoy.options).set(0, None)
    events.clear()
    assert run(plan).stage is Stage.SOAKED
    assert shares(events) == [5, 25, 100]
    assert any("moved to 0 % green by somebody else" in e.text for e in events if isinstance(e, Notice))


def test_traffic_that_would_break_blue_is_put_back_at_the_next_start(
    shop: Shop, run: Callable[..., Outcome]
) -> None:
    plan = replace(plan_for(shop), contract=Contract(keep_seconds=3600))
    run(plan, Stage.TOMBSTONED, old_version_gone=True)
    envoy_provider(shop.envoy.options).set(0, None)
    with pytest.raises(StateRefused, match="kept until"):
        run(plan, Stage.DROPPED)
    assert shop.ask(20) == ["green"] * 20


def test_pause_in_the_middle_of_a_canary_freezes_both_tracks(
    shop: Shop, users: str, run: Callable[..., Outcome]
) -> None:
    plan = plan_for(shop, step_seconds=30.0)
    assert run(plan, Stage.CANARY).green_percent == 5
    with held(plan, users, []) as control, connect(users) as conn:
        request(conn, "rename", Request.PAUSE)
        outcome = control.drive(Stage.SOAKED)
    assert (outcome.stage, outcome.green_percent, outcome.state) == (Stage.CANARY, 5, State.PAUSED)
    assert outcome.ok


def test_a_revert_asked_for_in_a_canary_takes_back_traffic_then_schema(
    shop: Shop, users: str, run: Callable[..., Outcome], events: list[Event]
) -> None:
    plan = plan_for(shop, step_seconds=30.0)
    run(plan, Stage.CANARY)
    events.clear()
    with held(plan, users, events) as control, connect(users) as conn:
        request(conn, "rename", Request.REVERT)
        outcome = control.drive(Stage.SOAKED)
    assert (outcome.stage, outcome.green_percent, outcome.state) == (Stage.PLANNED, 0, State.REVERTED)
    assert columns(users) == {"id", "name", "visits"}
    told = [type(event) for event in events if isinstance(event, StageReached | TrafficMoved)]
    assert told[0] is TrafficMoved


def test_revert_from_tombstoned_renames_back_before_blue_gets_traffic(
    shop: Shop, users: str, run: Callable[..., Outcome], events: list[Event]
) -> None:
    plan = plan_for(shop)
    run(plan, Stage.TOMBSTONED, old_version_gone=True)
    assert "name" not in columns(users)
    with held(plan, users, events) as control:
        with pytest.raises(StateRefused, match="renames the old shape back first"):
            control.retreat("asked for")
        events.clear()
        assert control.revert().state is State.REVERTED
    told = [type(event) for event in events if isinstance(event, StageReached | TrafficMoved)]
    assert told[:2] == [StageReached, TrafficMoved]
    assert columns(users) == {"id", "name", "visits"}
    assert shop.ask(10) == ["blue"] * 10


def test_there_is_no_revert_from_dropped(shop: Shop, users: str, run: Callable[..., Outcome]) -> None:
    plan = plan_for(shop)
    run(plan, Stage.DROPPED, old_version_gone=True)
    with held(plan, users, []) as control, pytest.raises(StateRefused, match="no way back"):
        control.revert()


def test_a_failing_gate_moves_traffic_even_when_the_ledger_cannot_be_written(shop: Shop, users: str) -> None:
    plan = plan_for(shop, step_seconds=30.0)

    class Unlucky:
        name = "unlucky"
        questions = frozenset({Question.WATCH})

        def __init__(self) -> None:
            self.runner: Runner | None = None

        def read(self, situation: Situation) -> Reading:
            assert self.runner is not None
            self.runner.session.conn.close()
            return Reading(verdict=Verdict.FAIL, text=f"bad at {situation.green_percent}")

        def close(self) -> None:
            pass

    gate = Unlucky()
    with hold(plan, users, settings=Settings(reconnect_seconds=0)) as runner:
        gate.runner = runner
        control = Controller(runner, provider=envoy_provider(shop.envoy.options), gates=[gate], pace=FAST)
        with pytest.raises(RunError, match="all traffic is on blue, but the ledger could not be written"):
            control.drive(Stage.SOAKED)
    assert shop.ask(20) == ["blue"] * 20


@pytest.mark.usefixtures("requests_keep_coming")
def test_the_data_point_of_no_return_is_told_once_when_it_is_passed(
    shop: Shop, users: str, run: Callable[..., Outcome], events: list[Event]
) -> None:
    plan = plan_for(shop, ERRORS)
    plan = replace(plan, changes=(replace(plan.changes[0], down_map=DownMap.LOSSY),))
    run(plan, Stage.CANARY)
    assert not [event for event in events if isinstance(event, PointPassed)]
    with psycopg.connect(users, autocommit=True) as conn:
        for kind in ("old_shape_written", "unrepresentable", "unrepresentable"):
            conn.execute(
                "INSERT INTO migsafe.sync_event (rollout, relation, kind, detail) "
                "VALUES ('rename', 'users', %s, '{}')",
                (kind,),
            )
    assert run(plan).stage is Stage.SOAKED
    told = [event for event in events if isinstance(event, PointPassed)]
    assert [event.kind for event in told] == ["data"]
    assert "going back from here loses it" in told[0].text
    assert events.index(told[0]) < events.index(
        next(e for e in events[-1::-1] if isinstance(e, StageReached))
    )


def test_a_drop_that_failed_can_still_be_taken_back(
    shop: Shop, users: str, run: Callable[..., Outcome]
) -> None:
    plan = plan_for(shop)
    last = plan.steps[-1]
    assert isinstance(last, DdlStep)
    broken = replace(
        plan, steps=(*plan.steps[:-1], replace(last, sql=("ALTER TABLE users DROP COLUMN nope",)))
    )
    with pytest.raises(RunError, match="does not exist"):
        run(broken, Stage.DROPPED, old_version_gone=True)
    assert ledger(users).stage is Stage.TOMBSTONED
    with held(broken, users, []) as control:
        assert control.revert().state is State.REVERTED
    assert columns(users) == {"id", "name", "visits"}


def test_a_retreat_after_a_contract_that_failed_leaves_a_rollout_that_can_go_on(
    shop: Shop, users: str, run: Callable[..., Outcome]
) -> None:
    plan = plan_for(shop)
    position = next(i for i, step in enumerate(plan.steps) if step.stage is Stage.TOMBSTONED)
    bad = DdlStep(
        id="bad", stage=Stage.TOMBSTONED, title="Fails", sql=("ALTER TABLE users RENAME COLUMN nope TO x",)
    )
    broken = replace(plan, steps=(*plan.steps[:position], bad, *plan.steps[position:]))
    with pytest.raises(RunError, match="does not exist"):
        run(broken, Stage.TOMBSTONED, old_version_gone=True)
    with held(broken, users, []) as control:
        assert control.retreat("asked for").stage is Stage.DARK
    assert shop.ask(10) == ["blue"] * 10
    assert run(broken).stage is Stage.SOAKED


def test_the_fence_waits_for_sessions_of_the_old_version(
    shop: Shop, users: str, run: Callable[..., Outcome]
) -> None:
    plan = plan_for(shop, hold_seconds=0.6)
    plan = replace(plan, contract=Contract(keep_seconds=0.0, blue_application_name="shop-blue"))
    with psycopg.connect(users, application_name="shop-blue"):
        outcome = run(plan, Stage.TOMBSTONED)
        assert (outcome.stage, outcome.state, outcome.ok) == (Stage.SOAKED, State.PAUSED, False)
        assert "1 sessions of 'shop-blue'" in outcome.reason
    assert run(plan, Stage.TOMBSTONED).stage is Stage.TOMBSTONED


def test_without_proof_that_the_old_version_is_gone_nothing_is_renamed(
    shop: Shop, users: str, run: Callable[..., Outcome]
) -> None:
    with pytest.raises(StateRefused, match="nothing proves that the old version is gone"):
        run(plan_for(shop), Stage.TOMBSTONED)
    assert ledger(users).stage is Stage.SOAKED
    assert "name" in columns(users)


def test_a_provider_that_cannot_be_reached_stops_everything_before_it_starts(
    shop: Shop, users: str, run: Callable[..., Outcome]
) -> None:
    plan = plan_for(shop)
    assert plan.traffic is not None
    lost = replace(plan.traffic, options={**plan.traffic.options, "admin_url": "http://127.0.0.1:1"})
    with pytest.raises(TrafficError, match="did not answer"):
        run(replace(plan, traffic=lost))
    assert ledger(users).stage is Stage.PLANNED
    assert columns(users) == {"id", "name", "visits"}


def test_a_canary_gate_needs_a_provider_with_statistics(users: str, run: Callable[..., Outcome]) -> None:
    traffic = Traffic(provider="command", options={"set": "true", "read": "echo 0"}, gates=(ERRORS,))
    with pytest.raises(UsageError, match="has no statistics"):
        run(replace(rename_plan(), traffic=traffic))
    assert columns(users) == {"id", "name", "visits"}
