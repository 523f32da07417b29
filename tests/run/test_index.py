"""CREATE INDEX CONCURRENTLY, and what earlier attempts may have left."""

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from migsafe.errors import RunError
from migsafe.plan.model import ConcurrentStep, IndexStep, Plan, Step
from migsafe.plan.stages import Stage
from migsafe.run.building import read_builds
from migsafe.run.connect import application_name, connect
from migsafe.run.events import Event, Notice, Progress, Waiting
from migsafe.run.ledger.model import Request, StopRequested
from migsafe.run.ledger.rollouts import request
from migsafe.run.runner import hold
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan

SQL = 'CREATE INDEX CONCURRENTLY "users_name_idx" ON public.users (name)'


def index_plan(sql: str = SQL) -> Plan:
    step = IndexStep(
        id="index",
        stage=Stage.VERIFIED,
        title="Index name",
        index=Name("users_name_idx", "public"),
        table=USERS,
        sql=sql,
    )
    return make_plan((step,))


def validity(conn: psycopg.Connection) -> list[tuple[str, bool]]:
    return conn.execute(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index "
        "WHERE indrelid = 'users'::regclass AND NOT indisprimary"
    ).fetchall()


def leave_invalid(conn: psycopg.Connection, database: str) -> None:
    """What a build that was cancelled in the middle leaves."""
    with psycopg.connect(database) as reader, psycopg.connect(database, autocommit=True) as builder:
        reader.execute("SELECT count(*) FROM users")
        reader.execute("UPDATE users SET visits = 1 WHERE id = 1")
        builder.execute("SET lock_timeout = '300ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            builder.execute(SQL.encode())
    assert validity(conn) == [("users_name_idx", False)]


def test_an_index_is_built_and_taken_back(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    conn = users(100)
    with hold(index_plan(), database) as runner:
        runner.advance(Stage.VERIFIED)
        assert validity(conn) == [("users_name_idx", True)]
        runner.undo(Stage.VERIFIED)
        assert validity(conn) == []
        runner.advance(Stage.VERIFIED)


def test_an_invalid_index_of_ours_is_built_again(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    events: list[Event] = []
    with hold(index_plan(), database, observer=events.append) as runner:
        conn.execute("UPDATE migsafe.step SET attempts = 1, state = 'running'")
        leave_invalid(conn, database)
        runner.advance(Stage.VERIFIED)
    assert validity(conn) == [("users_name_idx", True)]
    assert any(isinstance(event, Notice) and "left invalid" in event.text for event in events)


def test_an_index_that_a_dead_runner_finished_counts_as_done(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    with hold(index_plan(), database) as runner:
        conn.execute("UPDATE migsafe.step SET attempts = 1, state = 'running'")
        conn.execute(SQL.encode())
        before = conn.execute("SELECT 'users_name_idx'::regclass::oid").fetchone()
        runner.advance(Stage.VERIFIED)
    assert conn.execute("SELECT 'users_name_idx'::regclass::oid").fetchone() == before


def test_an_index_of_somebody_else_is_not_touched(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    conn.execute("CREATE INDEX users_name_idx ON users (visits)")
    with hold(index_plan(), database) as runner, pytest.raises(RunError, match="exists already"):
        runner.advance(Stage.VERIFIED)
    assert validity(conn) == [("users_name_idx", True)]


def test_a_duplicate_is_said_and_no_invalid_unique_index_stays(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    conn.execute("UPDATE users SET name = 'same'")
    plan = index_plan(SQL.replace("CREATE INDEX", "CREATE UNIQUE INDEX"))
    with hold(plan, database) as runner, pytest.raises(RunError, match="could not create unique index"):
        runner.advance(Stage.VERIFIED)
    assert validity(conn) == []


def test_a_build_that_goes_on_without_its_client_is_waited_for(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    events: list[Event] = []
    with psycopg.connect(database) as blocker, psycopg.connect(database, autocommit=True) as orphan:
        blocker.execute("UPDATE users SET visits = 1 WHERE id = 1")
        build = threading.Thread(target=lambda: orphan.execute(SQL.encode()))
        build.start()
        threading.Timer(1.5, blocker.commit).start()
        time.sleep(0.3)
        with hold(index_plan(), database, observer=events.append) as runner:
            conn.execute("UPDATE migsafe.step SET attempts = 1, state = 'running'")
            runner.advance(Stage.VERIFIED)
        build.join()
    assert any(isinstance(event, Waiting) and "still builds" in event.reason for event in events)
    assert validity(conn) == [("users_name_idx", True)]


def test_a_request_cancels_the_build_and_it_is_built_later(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    plan = index_plan()
    with psycopg.connect(database) as blocker, connect(database) as other:
        blocker.execute("UPDATE users SET visits = 1 WHERE id = 1")
        with hold(plan, database) as runner:
            threading.Timer(0.7, lambda: request(other, plan.name, Request.PAUSE)).start()
            with pytest.raises(StopRequested):
                runner.advance(Stage.VERIFIED)
        assert validity(conn) == [("users_name_idx", False)]
    with hold(plan, database) as runner:
        runner.advance(Stage.VERIFIED)
    assert validity(conn) == [("users_name_idx", True)]


@pytest.mark.parametrize("command", ["CREATE", "REINDEX"])
def test_whom_a_build_waits_for_is_told_and_in_status(
    database: str, users: Callable[[int], psycopg.Connection], command: str
) -> None:
    """A transaction with an old snapshot: the build waits for it, and says in which phase and for whom."""
    conn = users(5000)
    conn.execute("CREATE INDEX users_name ON users (name)")
    step: Step = ConcurrentStep(
        id="index",
        stage=Stage.VERIFIED,
        title="Build users_name again",
        table=USERS,
        sql="REINDEX INDEX CONCURRENTLY public.users_name",
    )
    if command == "CREATE":
        step = IndexStep(
            id="index",
            stage=Stage.VERIFIED,
            title="Index visits",
            index=Name("users_visits"),
            table=USERS,
            sql="CREATE INDEX CONCURRENTLY users_visits ON public.users (visits)",
        )
    events: list[Event] = []
    with psycopg.connect(database, application_name="report") as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM users")
        seen: list[str] = []

        def observe(event: Event) -> None:
            events.append(event)
            if isinstance(event, Progress) and event.waits_for and not seen:
                (build,) = read_builds(conn, name=application_name("rename"))
                seen.extend(build.waits_for)
                reader.rollback()

        with hold(make_plan((step,)), database, observer=observe) as runner:
            runner.advance(Stage.VERIFIED)
    told = [event for event in events if isinstance(event, Progress) and event.waits_for]
    assert "report" in told[0].waits_for[0]
    assert told[0].phase.startswith("waiting for")
    assert 0 < told[0].fraction < 1
    assert "report" in seen[0]
    assert any(isinstance(event, Waiting) and "report" in event.reason for event in events)
