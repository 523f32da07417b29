"""Strong locks on a table that somebody else is using."""

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from migsafe.effects.model import Lock, LockMode
from migsafe.errors import LockTimeout, RunError
from migsafe.plan.model import DdlStep
from migsafe.plan.stages import Stage
from migsafe.run.blockers import conflicting, find_blockers
from migsafe.run.connect import connect
from migsafe.run.events import Event, LockRetry
from migsafe.run.ladder import end_transaction
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan, rename_plan

FEW = Settings(lock_attempts=4, retry_first=0.05, retry_last=0.2)
ADD = DdlStep(
    id="add", stage=Stage.EXPANDED, title="Add a column", sql=("ALTER TABLE users ADD COLUMN extra int",)
)


def test_a_session_that_holds_a_lock_is_named_and_nothing_changes(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    events: list[Event] = []
    with psycopg.connect(database, application_name="reports") as reader:
        reader.execute("SELECT count(*) FROM users")
        pid = reader.info.backend_pid
        with hold(make_plan((ADD,)), database, observer=events.append, settings=FEW) as runner:
            with pytest.raises(LockTimeout, match="in 4 attempts") as timeout:
                runner.advance(Stage.EXPANDED)
            assert runner.rollout().stage is Stage.PLANNED
    assert f"pid {pid} (reports" in timeout.value.message
    assert "idle in transaction after SELECT" in timeout.value.message
    retries = [event for event in events if isinstance(event, LockRetry)]
    assert [retry.attempt for retry in retries] == [1, 2, 3, 4]
    assert all("reports" in retry.blockers[0] for retry in retries)
    assert conn.execute("SELECT error FROM migsafe.step").fetchone() == (timeout.value.message,)
    assert conn.execute("SELECT count(*) FROM pg_attribute WHERE attname = 'extra'").fetchone() == (0,)


def test_the_step_goes_through_once_the_lock_is_free(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with psycopg.connect(database) as reader, hold(make_plan((ADD,)), database) as runner:
        reader.execute("SELECT count(*) FROM users")
        timer = threading.Timer(0.7, reader.commit)
        timer.start()
        runner.advance(Stage.EXPANDED)
        timer.join()
        assert runner.rollout().stage is Stage.EXPANDED


def test_an_attempt_has_one_deadline_for_all_its_locks(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """Each of four tables is free after a while; a timeout for each lock would let the attempt take long."""
    conn = users(10)
    conn.execute("CREATE TABLE a (x int); CREATE TABLE b (x int); CREATE TABLE c (x int)")
    step = DdlStep(
        id="many",
        stage=Stage.EXPANDED,
        title="Many",
        sql=tuple(f"LOCK TABLE {table}" for table in ("users", "a", "b", "c")),
    )
    settings = Settings(lock_attempts=1, lock_first=0.6)
    with (
        psycopg.connect(database) as one,
        psycopg.connect(database) as two,
        psycopg.connect(database) as three,
    ):
        releases = []
        for number, (holder, table) in enumerate(((one, "a"), (two, "b"), (three, "c"))):
            holder.execute(f"LOCK TABLE {table}")
            releases.append(threading.Timer(0.4 * (number + 1), holder.commit))
        with hold(make_plan((step,)), database, settings=settings) as runner:
            for release in releases:
                release.start()
            began = time.monotonic()
            with pytest.raises(LockTimeout):
                runner.advance(Stage.EXPANDED)
            assert time.monotonic() - began < 1.0
        for release in releases:
            release.join()


def test_a_deadlock_with_the_application_never_kills_the_application(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    conn.execute("CREATE TABLE orders (id int)")
    step = DdlStep(
        id="cross",
        stage=Stage.EXPANDED,
        title="Cross",
        sql=("LOCK TABLE users", "SELECT pg_sleep(0.2)", "LOCK TABLE orders"),
    )
    failures: list[BaseException] = []

    def application() -> None:
        try:
            for _ in range(3):
                with psycopg.connect(database) as app:
                    app.execute("INSERT INTO orders VALUES (1)")
                    time.sleep(0.1)
                    app.execute("UPDATE users SET visits = visits + 1")
        except psycopg.Error as error:
            failures.append(error)

    settings = Settings(lock_first=0.8)
    with hold(make_plan((step,)), database, settings=settings) as runner:
        threads = [threading.Thread(target=application) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        runner.advance(Stage.EXPANDED)
        for thread in threads:
            thread.join(30)
    assert failures == []
    row = conn.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row == (0,)


def test_a_statement_that_a_person_cancels_is_not_tried_again(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    step = DdlStep(id="long", stage=Stage.EXPANDED, title="Long", sql=("SELECT pg_sleep(30)",), patient=True)
    with hold(make_plan((step,)), database) as runner:
        cancel = threading.Timer(
            0.5,
            lambda: conn.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '^SELECT pg_s'"
            ),
        )
        cancel.start()
        with pytest.raises(RunError, match="user request"):
            runner.advance(Stage.EXPANDED)
        cancel.join()


def test_a_patient_step_outlasts_every_deadline(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    step = DdlStep(id="long", stage=Stage.EXPANDED, title="Long", sql=("SELECT pg_sleep(1.5)",), patient=True)
    with hold(make_plan((step,)), database, settings=Settings(lock_attempts=1)) as runner:
        runner.advance(Stage.EXPANDED)
        assert runner.rollout().stage is Stage.EXPANDED


def test_no_attempt_runs_without_timeouts(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    conn = users(10)
    step = DdlStep(
        id="look",
        stage=Stage.EXPANDED,
        title="Look",
        sql=(
            "CREATE TABLE seen AS SELECT name, setting::int FROM pg_settings WHERE name IN ('lock_timeout', "
            "'statement_timeout', 'idle_in_transaction_session_timeout', 'client_connection_check_interval')",
        ),
    )
    with hold(make_plan((step,)), database) as runner:
        runner.advance(Stage.EXPANDED)
        after = runner.session.conn.execute("SHOW lock_timeout").fetchone()
    seen: dict[str, int] = dict(conn.execute("SELECT name, setting FROM seen").fetchall())
    assert len(seen) == 4
    assert 0 < seen["lock_timeout"] <= 100
    assert 0 < seen["statement_timeout"] <= 100
    assert after == ("0",)  # nothing stays in the session, so a pooler may pass it on


def test_an_autovacuum_gives_way(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    """Waiting for less than deadlock_timeout would never cancel it: it must be pushed aside on purpose."""
    conn = users(200_000)
    conn.execute(
        "ALTER TABLE users SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
    conn.execute("UPDATE users SET visits = 1")
    conn.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    conn.execute("ALTER SYSTEM SET autovacuum = on")
    conn.execute("SELECT pg_reload_conf()")
    try:
        ends = time.monotonic() + 30
        lock = Lock(USERS, LockMode.ACCESS_EXCLUSIVE)
        with connect(database) as own:
            while not any(blocker.gives_way for blocker in find_blockers(own, [lock])):
                assert time.monotonic() < ends, "no autovacuum came"
                time.sleep(0.1)
        events: list[Event] = []
        with hold(make_plan((ADD,)), database, observer=events.append) as runner:
            runner.advance(Stage.EXPANDED)
        retries = [event for event in events if isinstance(event, LockRetry)]
        assert 1 <= len(retries) <= 5
        assert "autovacuum" in retries[0].blockers[0]
    finally:
        conn.execute("ALTER SYSTEM RESET ALL")
        conn.execute("SELECT pg_reload_conf()")


def test_the_conflicts_are_those_of_the_manual() -> None:
    assert conflicting(LockMode.ACCESS_SHARE) == ("AccessExclusiveLock",)
    assert len(conflicting(LockMode.ACCESS_EXCLUSIVE)) == 8
    for one in LockMode:
        for other in LockMode:
            name = other.name.replace("_", " ").title().replace(" ", "") + "Lock"
            back = one.name.replace("_", " ").title().replace(" ", "") + "Lock"
            assert (name in conflicting(one)) == (back in conflicting(other))


def test_a_plan_with_a_changed_table_name_finds_no_blockers_and_does_not_fail(database: str) -> None:
    with connect(database) as conn:
        assert find_blockers(conn, [Lock(Name("nowhere"), LockMode.ACCESS_EXCLUSIVE)]) == ()
    assert rename_plan().subjects == (USERS,)


def test_a_transaction_whose_rollback_was_cancelled_is_ended_before_the_next_attempt(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with hold(make_plan((ADD,)), database) as runner:
        conn = runner.session.conn
        conn.execute("BEGIN")
        with pytest.raises(psycopg.errors.DivisionByZero):
            conn.execute("SELECT 1 / 0")
        end_transaction(runner.session)
        runner.advance(Stage.EXPANDED)
        assert runner.rollout().stage is Stage.EXPANDED
