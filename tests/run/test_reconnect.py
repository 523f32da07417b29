"""The connection is lost while a rollout runs: it goes on, and nothing happens twice."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from psycopg import conninfo

from migsafe.errors import Fenced, RunError
from migsafe.plan.model import BackfillStep, DdlStep, Plan
from migsafe.plan.stages import Stage
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import Server, scratch_server
from migsafe.run.connect import connect
from migsafe.run.events import Event, Notice, StageReached, StepStarted, Waiting
from migsafe.run.ledger.model import State
from migsafe.run.ledger.rollouts import read_audit, read_rollout
from migsafe.run.ledger.steps import read_step
from migsafe.run.reconnect import LOST
from migsafe.run.revoke import revoke
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from tests.run.losing import lost_lines, terminate_runner
from tests.run.plans import fill_users, rename_plan
from tests.run.relay import Cut, Relay

ROWS = 12_000
SLOW = Settings(first_window_pages=2, window_pages=4, max_rows_per_second=6000, progress_seconds=0.1)


def counted_plan() -> Plan:
    """The rename, and every row counts how often it was filled."""
    plan = rename_plan(passes=1)
    steps = tuple(
        replace(step, assignments='"full_name" = "name", "visits" = "visits" + 1')
        if isinstance(step, BackfillStep)
        else step
        for step in plan.steps
    )
    return replace(plan, steps=steps)


def require_filled_once(dsn: str, rows: int = ROWS) -> None:
    with connect(dsn) as conn:
        rollout = read_rollout(conn, "rename")
        assert rollout is not None
        assert read_step(conn, rollout.id, "fill").rows == rows
        query = "SELECT count(*), min(visits), max(visits), bool_and(full_name = name) FROM users"
        assert conn.execute(query).fetchone() == (rows, 1, 1, True)


@contextmanager
def in_background(work: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(timeout=60)


def run_to(plan: Plan, dsn: str, stage: Stage, events: list[Event], settings: Settings = SLOW) -> None:
    with hold(plan, dsn, observer=events.append, settings=settings) as runner:
        for each in (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED):
            if each.position <= stage.position:
                runner.advance(each)
        runner.set_state(State.WAITING)


def wait_for_step(events: list[Event], step: str) -> None:
    ends = time.monotonic() + 30
    while not any(isinstance(event, StepStarted) and event.step == step for event in list(events)):
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.fixture
def own_server() -> Iterator[Server]:
    with scratch_server(binaries=embedded_binaries()) as running:
        yield running


def test_sessions_terminated_at_random_moments_of_a_backfill_do_not_stop_it(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(ROWS)
    events: list[Event] = []
    rng, hits = random.Random(7), 0

    def disturb() -> None:
        nonlocal hits
        wait_for_step(events, "fill")
        for _ in range(4):
            time.sleep(rng.uniform(0.3, 0.6))
            hits += terminate_runner(database)

    with in_background(disturb):
        settings = replace(SLOW, max_rows_per_second=4000)  # three seconds, longer than the disturbance
        run_to(counted_plan(), database, Stage.VERIFIED, events, settings)
    require_filled_once(database)
    lines = lost_lines(database)
    assert hits >= 3  # one of them may have met a connection that was just being made
    assert hits - 1 <= lines <= hits
    assert sum(isinstance(event, Waiting) and "was lost" in event.reason for event in events) == lines
    reached = [event.stage for event in events if isinstance(event, StageReached)]
    assert reached == [Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED]


def test_a_server_that_crashes_and_comes_back_does_not_stop_a_backfill(own_server: Server) -> None:
    dsn = own_server.dsn()
    with psycopg.connect(dsn, autocommit=True) as conn:
        fill_users(conn, ROWS)
    events: list[Event] = []

    def crash() -> None:
        wait_for_step(events, "fill")
        time.sleep(0.6)
        own_server.stop("immediate")
        time.sleep(0.5)
        own_server.start()

    with in_background(crash):
        run_to(counted_plan(), dsn, Stage.BACKFILLED, events)
    require_filled_once(dsn)
    assert lost_lines(dsn) == 1
    assert any(isinstance(event, Notice) and "connected again" in event.text for event in events)


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("commits", [1, 2, 3, 6, 10])
def test_a_commit_whose_answer_never_came_is_looked_up_in_the_ledger(
    database: str, users: Callable[[int], psycopg.Connection], cut: Cut, commits: int
) -> None:
    users(1000)
    parts = conninfo.conninfo_to_dict(database)
    relay = Relay((str(parts["host"]), int(str(parts["port"]))))
    through = conninfo.make_conninfo(database, port=relay.port)
    events: list[Event] = []
    with hold(counted_plan(), through, observer=events.append, settings=Settings()) as runner:
        runner.advance(Stage.EXPANDED)
        relay.arm(cut, commits=commits)
        runner.set_state(State.RUNNING, "first")
        runner.set_state(State.RUNNING, "second")
        runner.advance(Stage.BACKFILLED)
        runner.enter(Stage.BACKFILLED)
    relay.close()
    assert relay.cuts == 1
    require_filled_once(database, 1000)
    assert lost_lines(database) == 1
    with connect(database) as conn:
        rollout = read_rollout(conn, "rename")
        assert rollout is not None
        told = [line.detail.get("reason") for line in read_audit(conn, rollout.id) if line.event == "state"]
    assert told == ["first", "second"]


def test_ddl_that_was_committed_although_nobody_said_so_counts_as_done(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    parts = conninfo.conninfo_to_dict(database)
    relay = Relay((str(parts["host"]), int(str(parts["port"]))))
    events: list[Event] = []

    def cut_in_ddl(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepStarted):
            relay.arm("after", commits=1)

    through = conninfo.make_conninfo(database, port=relay.port)
    with hold(rename_plan(), through, observer=cut_in_ddl) as runner:
        runner.advance(Stage.EXPANDED)
        assert runner.rollout().stage is Stage.EXPANDED
    relay.close()
    assert relay.cuts == 1
    assert [event.stage for event in events if isinstance(event, StageReached)] == [Stage.EXPANDED]


def test_ddl_that_was_interrupted_is_not_sent_a_second_time(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    conn.execute("CREATE TABLE tries (at timestamptz); CREATE SEQUENCE attempts")
    sleepy = DdlStep(
        id="sleepy",
        stage=Stage.VERIFIED,
        title="Takes its time",
        sql=("SELECT nextval('attempts'), pg_sleep(20)",),
        patient=True,
    )
    events: list[Event] = []

    def disturb() -> None:
        wait_for_step(events, "sleepy")
        time.sleep(0.5)
        assert terminate_runner(database)

    with in_background(disturb), pytest.raises(RunError, match="was lost during 'Takes its time'"):
        run_to(rename_plan(sleepy, passes=1), database, Stage.VERIFIED, events, Settings())
    assert conn.execute("SELECT last_value FROM attempts").fetchone() == (1,)
    assert lost_lines(database) == 1


def test_who_comes_back_to_a_lease_that_was_taken_is_fenced(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with connect(database) as other, hold(rename_plan(), database) as runner:
        revoke(other, runner.session.rollout_id, reason="a test")
        terminate_runner(database)
        with pytest.raises(Fenced, match="another runner took over"):
            runner.wait(5, "something")
    with connect(database) as other:
        rollout = read_rollout(other, "rename")
        assert rollout is not None
        assert LOST not in {line.event for line in read_audit(other, rollout.id)}


def test_a_database_that_stays_away_ends_the_run_in_time_and_the_next_one_goes_on(
    own_server: Server,
) -> None:
    dsn = own_server.dsn()
    with psycopg.connect(dsn, autocommit=True) as conn:
        fill_users(conn, ROWS)
    events: list[Event] = []

    def stop() -> None:
        wait_for_step(events, "fill")
        time.sleep(0.3)
        own_server.stop("immediate")

    plan, impatient = counted_plan(), replace(SLOW, reconnect_seconds=1.0, lease_expiry=2.0)
    with in_background(stop):
        with pytest.raises(RunError, match=r"no other one within 1 s: .* refused") as given_up:
            run_to(plan, dsn, Stage.BACKFILLED, events, impatient)
        assert "run the same command again" in given_up.value.advice
    own_server.start()
    time.sleep(2)  # it could not give back its lease
    run_to(plan, dsn, Stage.BACKFILLED, events, Settings())
    require_filled_once(dsn)


def test_without_time_to_reconnect_a_lost_connection_ends_the_run(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with hold(rename_plan(), database, settings=Settings(reconnect_seconds=0)) as runner:
        terminate_runner(database)
        with pytest.raises(psycopg.OperationalError):
            runner.wait(1, "something")
