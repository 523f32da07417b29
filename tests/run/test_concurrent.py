"""Steps outside of a transaction, and undoing statement by statement: also when an attempt was broken off."""

from collections.abc import Callable

import psycopg
import pytest

from migsafe.errors import RunError
from migsafe.plan.model import ConcurrentStep, DdlStep, Plan
from migsafe.plan.stages import Stage
from migsafe.run.events import Event, Notice
from migsafe.run.runner import hold
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan

MakeUsers = Callable[[int], psycopg.Connection]
IS_DETACHED = (
    "NOT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = to_regclass('public.events_1') "
    "AND inhparent = to_regclass('public.events'))"
)
IS_PENDING = (
    "EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = to_regclass('public.events_1') "
    "AND inhdetachpending)"
)


def drop_index() -> Plan:
    step = ConcurrentStep(
        id="drop",
        stage=Stage.EXPANDED,
        title="Drop the index",
        table=USERS,
        sql="DROP INDEX CONCURRENTLY public.users_name",
        done="to_regclass('public.users_name') IS NULL",
        undo=(
            "DROP INDEX CONCURRENTLY IF EXISTS public.users_name",
            "CREATE INDEX CONCURRENTLY users_name ON public.users (name)",
        ),
        undo_apart=True,
    )
    return make_plan((step,))


def detach() -> Plan:
    step = ConcurrentStep(
        id="detach",
        stage=Stage.EXPANDED,
        title="Detach the partition",
        table=Name("events", "public"),
        sql="ALTER TABLE public.events DETACH PARTITION public.events_1 CONCURRENTLY",
        done=IS_DETACHED,
        broken=IS_PENDING,
        mend="ALTER TABLE public.events DETACH PARTITION public.events_1 FINALIZE",
    )
    return make_plan((step,))


def no_longer_not_null() -> Plan:
    step = DdlStep(
        id="relax",
        stage=Stage.EXPANDED,
        title="Let name be NULL",
        sql=("ALTER TABLE public.users ALTER COLUMN name DROP NOT NULL",),
        undo=(
            "ALTER TABLE public.users DROP CONSTRAINT IF EXISTS name_is_there",
            "ALTER TABLE public.users ADD CONSTRAINT name_is_there CHECK (name IS NOT NULL) NOT VALID",
            "ALTER TABLE public.users VALIDATE CONSTRAINT name_is_there",
            "ALTER TABLE public.users ALTER COLUMN name SET NOT NULL",
            "ALTER TABLE public.users DROP CONSTRAINT name_is_there",
        ),
        undo_apart=True,
    )
    return make_plan((step,))


def indexes(conn: psycopg.Connection) -> list[tuple[str, bool]]:
    return conn.execute(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index "
        "WHERE indrelid = 'users'::regclass AND NOT indisprimary"
    ).fetchall()


def is_not_null(conn: psycopg.Connection) -> bool:
    row = conn.execute(
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'name'"
    ).fetchone()
    return bool(row and row[0])


def test_an_index_is_dropped_and_built_again_to_take_that_back(database: str, users: MakeUsers) -> None:
    conn = users(100)
    conn.execute("CREATE INDEX users_name ON users (name)")
    with hold(drop_index(), database) as runner:
        runner.advance(Stage.EXPANDED)
        assert indexes(conn) == []
        runner.undo(Stage.EXPANDED)
        assert indexes(conn) == [("users_name", True)]
        assert runner.rollout().stage is Stage.PLANNED
        runner.advance(Stage.EXPANDED)
        assert indexes(conn) == []


def test_what_a_dead_runner_finished_is_not_done_again(database: str, users: MakeUsers) -> None:
    conn = users(100)
    with hold(drop_index(), database) as runner:
        runner.advance(Stage.EXPANDED)  # there is no such index: DROP would fail
        assert runner.rollout().stage is Stage.EXPANDED
    assert indexes(conn) == []


def test_a_detach_that_was_broken_off_is_finished(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE events (at int) PARTITION BY RANGE (at); "
            "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10)"
        )
        with psycopg.connect(database) as reader:
            reader.execute("SELECT * FROM events")
            conn.execute("SET lock_timeout = '200ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                conn.execute("ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY")
        assert conn.execute(f"SELECT {IS_PENDING}".encode()).fetchone() == (True,)
        events: list[Event] = []
        with hold(detach(), database, observer=events.append) as runner:
            runner.advance(Stage.EXPANDED)
        assert conn.execute(f"SELECT {IS_DETACHED}".encode()).fetchone() == (True,)
    assert any(isinstance(event, Notice) and "broken off" in event.text for event in events)


def test_an_undo_that_reads_the_table_holds_no_strong_lock_meanwhile(database: str, users: MakeUsers) -> None:
    conn = users(100)
    with hold(no_longer_not_null(), database) as runner:
        runner.advance(Stage.EXPANDED)
        assert not is_not_null(conn)
        runner.undo(Stage.EXPANDED)
    assert is_not_null(conn)


def test_an_undo_that_failed_half_way_is_repeated_from_its_first_statement(
    database: str, users: MakeUsers
) -> None:
    conn = users(100)
    with hold(no_longer_not_null(), database) as runner:
        runner.advance(Stage.EXPANDED)
        conn.execute("UPDATE users SET name = NULL WHERE id = 7")
        with pytest.raises(RunError, match="is violated by some row"):
            runner.undo(Stage.EXPANDED)
        assert runner.rollout().stage is Stage.PLANNED
        conn.execute("ALTER TABLE users DROP CONSTRAINT name_is_there")
        conn.execute("UPDATE users SET name = 'x' WHERE id = 7")
    with hold(no_longer_not_null(), database) as runner:
        runner.undo(Stage.EXPANDED)
        assert is_not_null(conn)
        runner.advance(Stage.EXPANDED)
        assert not is_not_null(conn)
