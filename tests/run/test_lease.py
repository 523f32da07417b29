"""One runner at a time: the second is told who it is, a dead one is followed, a late one is fenced."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from migsafe.errors import Fenced, LeaseHeld
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan, load_plan
from migsafe.run.connect import brief, connect
from migsafe.run.lease import Heartbeat, beat, read_holder
from migsafe.run.ledger.model import Request, State, StopRequested
from migsafe.run.ledger.rollouts import read_rollout, request
from migsafe.run.process import is_surely_dead, this_process
from migsafe.run.runner import Runner, hold
from migsafe.run.settings import Settings
from tests.run.plans import rename_plan

DRIVER = Path(__file__).parent / "drive.py"
QUICK = Settings(lease_beat=0.2, lease_expiry=0.8)


def test_a_second_runner_is_told_who_has_the_lease(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with hold(rename_plan(), database):
        with pytest.raises(LeaseHeld, match=f"pid {os.getpid()} of") as held, hold(rename_plan(), database):
            pytest.fail("it was held twice")
        assert "migsafe status rename" in held.value.advice
        assert str(conninfo.conninfo_to_dict(database)["password"]) not in str(held.value)
    with hold(rename_plan(), database):
        pass


def test_a_beat_keeps_the_lease_for_longer_than_its_expiry(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with hold(rename_plan(), database, settings=QUICK) as runner:
        time.sleep(1.2)
        with pytest.raises(LeaseHeld), hold(rename_plan(), database):
            pytest.fail("it was held twice")
        runner.check()


def test_a_heartbeat_that_goes_silent_between_two_words_does_not_keep_the_lease(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    given, over = threading.Event(), threading.Event()
    with hold(rename_plan(), database) as runner, connect(database) as other:
        rollout_id, token = runner.session.rollout_id, runner.session.token

        def give(conn: psycopg.Connection) -> bool:
            """The network takes the answer to what locked the row, and all that follows."""
            alive = beat(conn, rollout_id, token or 0, QUICK)
            given.set()
            over.wait(30)
            return alive

        with Heartbeat(database, QUICK, give).beating():
            assert given.wait(10)
            with brief(other, lock_seconds=9.0):
                assert beat(other, rollout_id, token or 0, QUICK)
            over.set()


@contextmanager
def waiting_runner(conn: psycopg.Connection, dsn: str, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A runner in a process of its own that waits for a table, which `conn` holds until it commits."""
    plan_file = folder / "plan.toml"
    plan_file.write_text(dump_plan(rename_plan()))
    conn.execute("BEGIN; LOCK TABLE users")
    with subprocess.Popen(
        [sys.executable, DRIVER, plan_file, dsn],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("step 00")
        yield process


def test_a_killed_runner_is_followed_at_once(
    database: str, users: Callable[[int], psycopg.Connection], tmp_path: Path
) -> None:
    conn = users(10)
    with waiting_runner(conn, database, tmp_path) as process:
        plan = load_plan(tmp_path / "plan.toml")
        with pytest.raises(LeaseHeld, match=f"pid {process.pid}"), hold(plan, database):
            pytest.fail("it was held twice")
        process.kill()
        process.wait()
        began = time.monotonic()
        with hold(plan, database) as runner:
            assert time.monotonic() - began < 3
            conn.execute("COMMIT")
            runner.advance(Stage.EXPANDED)


def steal(runner: Runner) -> None:
    """What another host does after the lease expired."""
    with connect(runner.session.dsn) as thief, thief.transaction():
        thief.execute("SELECT 1 FROM migsafe.lease FOR UPDATE")
        thief.execute("UPDATE migsafe.lease SET token = token + 1")


def test_a_runner_whose_lease_was_taken_can_commit_nothing(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(1000)
    with hold(rename_plan(), database) as runner:
        runner.advance(Stage.EXPANDED)
        steal(runner)
        with pytest.raises(Fenced):
            runner.advance(Stage.BACKFILLED)
        with pytest.raises(Fenced):
            runner.set_state(State.DONE)
        with pytest.raises(Fenced), runner.session.transaction():
            pytest.fail("a transaction began without the lease")
    assert conn.execute("SELECT count(full_name) FROM users").fetchone() == (0,)
    assert conn.execute("SELECT holder IS NOT NULL FROM migsafe.lease").fetchone() == (True,)


def test_a_takeover_waits_for_the_transaction_that_holds_the_lease(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    order: list[str] = []
    with hold(rename_plan(), database) as runner:

        def take() -> None:
            steal(runner)
            order.append("taken")

        thread = threading.Thread(target=take)
        with runner.session.transaction():
            thread.start()
            time.sleep(0.5)
            order.append("committed")
        thread.join(10)
    assert order == ["committed", "taken"]


def test_a_stopped_runner_loses_its_lease_to_another_host_and_is_fenced(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """A silence longer than the expiry, with a holder that cannot be seen from here."""
    conn = users(10)
    silent = Settings(lease_beat=60, lease_expiry=0.5)
    with hold(rename_plan(), database, settings=silent) as late:
        conn.execute("""UPDATE migsafe.lease SET holder = holder || '{"host": "elsewhere"}'""")
        time.sleep(0.6)
        with hold(rename_plan(), database) as taken:
            with pytest.raises(Fenced):
                late.advance(Stage.EXPANDED)
            taken.advance(Stage.EXPANDED)


def test_a_holder_on_another_host_is_never_taken_for_dead() -> None:
    here = this_process()
    assert not is_surely_dead(here, here=here)
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    there = {**here.to_json(), "pid": process.pid, "started": "1"}
    process.wait()
    assert is_surely_dead(type(here)(**there), here=here)  # type: ignore[arg-type]  # as from JSON
    assert not is_surely_dead(type(here)(**{**there, "boot": "other"}), here=here)  # type: ignore[arg-type]


def test_a_request_stops_the_runner_and_pause_is_taken_back_by_running_again(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    plan = rename_plan()
    with hold(plan, database) as runner, connect(database) as other:
        request(other, plan.name, Request.PAUSE)
        with pytest.raises(StopRequested) as stopped:
            runner.advance(Stage.EXPANDED)
        assert stopped.value.request is Request.PAUSE
        assert read_holder(other, runner.rollout().id) is not None
    with hold(plan, database) as runner:
        runner.advance(Stage.EXPANDED)
        with connect(database) as other:
            request(other, plan.name, Request.REVERT)
    with hold(plan, database) as runner:
        assert runner.rollout().request is Request.REVERT
        runner.accept(Request.REVERT, State.REVERTING)
        runner.undo(Stage.EXPANDED)
        found = runner.rollout()
        assert (found.request, found.state, found.stage) == (None, State.REVERTING, Stage.PLANNED)


def test_waiting_ends_at_once_when_somebody_asks(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with hold(rename_plan(), database) as runner, connect(database) as other:
        timer = threading.Timer(0.3, lambda: request(other, "rename", Request.RETREAT))
        timer.start()
        began = time.monotonic()
        with pytest.raises(StopRequested):
            runner.wait(30, "a test")
        timer.join()
        assert 0.2 < time.monotonic() - began < 5


def test_the_lease_is_given_back_on_an_interrupt(
    database: str, users: Callable[[int], psycopg.Connection], tmp_path: Path
) -> None:
    conn = users(10)
    with waiting_runner(conn, database, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    conn.execute("COMMIT")
    with connect(database) as other:
        rollout = read_rollout(other, "rename")
        assert rollout is not None
        assert read_holder(other, rollout.id) is None


def test_a_lease_that_a_server_lost_is_never_given_to_somebody_else_by_the_same_token(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """A standby that takes over may not have heard of the last runner, which lives and connects again."""
    conn = users(10)
    with hold(rename_plan(), database) as runner:
        before = "UPDATE migsafe.lease SET token = 0, holder = NULL, expires_at = NULL"
        conn.execute(before)
        with hold(rename_plan(), database), pytest.raises(Fenced):
            runner.check()
