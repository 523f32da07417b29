"""The database goes away while a canary is watched: the watch goes on, and so does the rollout."""

import random
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from migsafe.errors import RunError
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import Server, scratch_server
from migsafe.rollout.outcome import Outcome
from migsafe.rollout.session import controller
from migsafe.run.events import Event, GateRead, TrafficMoved, Waiting
from migsafe.run.ledger.model import State
from migsafe.run.settings import Settings
from tests.rollout.plans import ERRORS, FAST, plan_for
from tests.rollout.shop import Shop
from tests.run.losing import lost_lines, terminate_runner
from tests.run.plans import fill_users


class Rollout:
    """A rollout in a thread of its own, and what it told."""

    def __init__(self, plan: Plan, dsn: str, settings: Settings | None = None) -> None:
        self.events: list[Event] = []
        self.outcome: Outcome | None = None
        self.error: Exception | None = None
        self._plan, self._dsn, self._settings = plan, dsn, settings
        self._thread = threading.Thread(target=self._drive)
        self._thread.start()

    def _drive(self) -> None:
        try:
            with controller(
                self._plan, self._dsn, observer=self.events.append, settings=self._settings, pace=FAST
            ) as control:
                self.outcome = control.drive(Stage.SOAKED)
        except Exception as error:  # noqa: BLE001 # the test looks at it
            self.error = error

    def wait_for_share(self, green_percent: int) -> None:
        ends = time.monotonic() + 30
        while green_percent not in self.shares:
            assert time.monotonic() < ends, self.error
            time.sleep(0.02)

    def end(self) -> Outcome | None:
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()
        return self.outcome

    @property
    def shares(self) -> list[int]:
        return [event.green_percent for event in list(self.events) if isinstance(event, TrafficMoved)]


@pytest.fixture
def own_server() -> Iterator[Server]:
    with scratch_server(binaries=embedded_binaries()) as running:
        with psycopg.connect(running.dsn(), autocommit=True) as conn:
            fill_users(conn, 200)
        yield running


@pytest.mark.usefixtures("requests_keep_coming")
def test_sessions_terminated_at_random_moments_of_a_canary_do_not_stop_it(shop: Shop, users: str) -> None:
    rollout = Rollout(plan_for(shop, ERRORS, steps=(5, 50, 100), step_seconds=1.0), users)
    rng, hits = random.Random(5), 0
    rollout.wait_for_share(5)
    for _ in range(5):
        time.sleep(rng.uniform(0.1, 0.6))
        hits += terminate_runner(users)
    outcome = rollout.end()
    assert outcome is not None, rollout.error
    assert (outcome.stage, outcome.green_percent, outcome.ok) == (Stage.SOAKED, 100, True)
    assert rollout.shares == [5, 50, 100]
    assert hits >= 3
    assert hits - 1 <= lost_lines(users) <= hits  # one may have met a connection that was just being made


@pytest.mark.usefixtures("requests_keep_coming")
def test_a_server_that_restarts_while_a_canary_is_watched_does_not_stop_it(
    shop: Shop, own_server: Server
) -> None:
    rollout = Rollout(plan_for(shop, ERRORS, steps=(5, 100), step_seconds=1.5), own_server.dsn())
    rollout.wait_for_share(5)
    own_server.stop("immediate")
    time.sleep(2.5)  # longer than the step: it is not promoted while nobody can write it down
    assert rollout.shares == [5]
    own_server.start()
    outcome = rollout.end()
    assert outcome is not None, rollout.error
    assert (outcome.stage, outcome.green_percent) == (Stage.SOAKED, 100)
    assert rollout.shares == [5, 100]
    assert lost_lines(own_server.dsn()) == 1
    waits = [event for event in rollout.events if isinstance(event, Waiting) and "was lost" in event.reason]
    assert [event.seconds for event in waits] == [30.0]


@pytest.mark.usefixtures("requests_keep_coming")
def test_a_canary_that_fails_while_the_database_is_away_gives_its_traffic_back_at_once(
    shop: Shop, own_server: Server
) -> None:
    rollout = Rollout(plan_for(shop, ERRORS, steps=(50, 100), step_seconds=20.0), own_server.dsn())
    rollout.wait_for_share(50)
    time.sleep(0.5)  # until it is watched
    own_server.stop("immediate")
    time.sleep(0.5)
    shop.green.status = 500
    rollout.wait_for_share(0)
    assert shop.ask(20) == ["blue"] * 20
    own_server.start()
    outcome = rollout.end()
    assert outcome is not None, rollout.error
    assert (outcome.stage, outcome.green_percent, outcome.state) == (Stage.DARK, 0, State.RETREATED)
    failed = [
        event.gate for event in rollout.events if isinstance(event, GateRead) and event.verdict == "fail"
    ]
    assert failed == ["errors"]


def test_a_database_that_stays_away_leaves_the_split_and_says_so(shop: Shop, own_server: Server) -> None:
    plan = plan_for(shop, ERRORS, steps=(5, 100), step_seconds=20.0)
    rollout = Rollout(plan, own_server.dsn(), Settings(reconnect_seconds=1.0))
    rollout.wait_for_share(5)
    time.sleep(0.3)
    own_server.stop("immediate")
    assert rollout.end() is None
    own_server.start()
    assert isinstance(rollout.error, RunError)
    assert "no other one within 1 s" in rollout.error.message
    assert "traffic stays where it is" in rollout.error.advice
    assert rollout.shares == [5]
