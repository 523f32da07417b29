"""A column that moves to another table, on a real server, under writes of both versions."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migsafe.catalog.live import read_catalog
from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, Plan, VerifyStep
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage

from .conftest import NOTE_SYNC, Planner, carry_out, take_back

SCHEMA = """
CREATE TABLE users (id int PRIMARY KEY, bio text, other int);
CREATE TABLE profiles (id int PRIMARY KEY, user_id int UNIQUE, other int);
"""
MOVE = """
ALTER TABLE profiles ADD COLUMN bio text;
UPDATE profiles AS p SET bio = u.bio FROM users u WHERE u.id = p.user_id;
ALTER TABLE users DROP COLUMN bio;
"""
DIFFERENT = """
SELECT u.id, u.bio, p.bio FROM users u JOIN profiles p ON p.user_id = u.id
WHERE u.bio IS DISTINCT FROM p.bio
"""


def execute(connection: psycopg.Connection, query: str, *values: object) -> list[tuple[Any, ...]]:
    cursor = connection.execute(query.encode(), values)
    return cursor.fetchall() if cursor.description else []


def backfill(connection: psycopg.Connection, plan: Plan) -> None:
    (step,) = plan.steps_to(Stage.BACKFILLED)
    assert isinstance(step, BackfillStep)
    execute(connection, f"UPDATE {step.table.sql} SET {step.assignments} WHERE {step.pending}")
    for proof in plan.steps_to(Stage.VERIFIED):
        if isinstance(proof, VerifyStep):
            assert execute(connection, f"SELECT * FROM {proof.table.sql} WHERE {proof.mismatch}") == []


keys = st.integers(1, 2)
values = st.one_of(st.none(), st.sampled_from(["a", "b", "c"]))
blue_writes = st.one_of(
    st.tuples(st.just("INSERT INTO users (id, bio) VALUES (%s, %s) ON CONFLICT DO NOTHING"), keys, values),
    st.tuples(st.just("UPDATE users SET bio = %s WHERE id = %s"), values, keys),
    st.tuples(
        st.just("INSERT INTO profiles (id, user_id) VALUES (%s, %s) ON CONFLICT DO NOTHING"), keys, keys
    ),
    st.tuples(st.just("UPDATE profiles SET other = %s WHERE id = %s"), keys, keys),
    st.tuples(st.just("DELETE FROM profiles WHERE id = %s AND user_id = %s"), keys, keys),
)
green_writes = st.one_of(
    st.tuples(
        st.just("INSERT INTO profiles (id, bio, user_id) VALUES (1, %s, %s) ON CONFLICT DO NOTHING"),
        values,
        keys,
    ),
    st.tuples(st.just("UPDATE profiles SET bio = %s WHERE user_id = %s"), values, keys),
    st.tuples(st.just("INSERT INTO users (id, other) VALUES (%s, %s) ON CONFLICT DO NOTHING"), keys, keys),
    st.tuples(st.just("DELETE FROM users WHERE id = %s AND other = %s"), keys, keys),
)
Write = tuple[Any, ...]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(blue_writes, max_size=6),
    during=st.lists(blue_writes, max_size=6),
    after=st.lists(st.one_of(blue_writes, green_writes), max_size=12),
    buried=st.lists(green_writes, max_size=4),
)
def test_both_tables_say_the_same_whatever_is_written_in_any_order(
    connection: psycopg.Connection,
    plan_for: Planner,
    before: list[Write],
    during: list[Write],
    after: list[Write],
    buried: list[Write],
) -> None:
    execute(connection, "DROP SCHEMA IF EXISTS migsafe CASCADE")
    execute(connection, "DROP TABLE IF EXISTS users, profiles")
    plan = plan_for(SCHEMA, MOVE)
    for write in before:
        execute(connection, *write)
    carry_out(connection, plan, Stage.EXPANDED)
    for write in during:
        execute(connection, *write)
    backfill(connection, plan)
    assert execute(connection, DIFFERENT) == []
    carry_out(connection, plan, Stage.VERIFIED)
    for write in after:
        written = read_back(write)
        execute(connection, *write)
        assert execute(connection, DIFFERENT) == []
        if written:
            assert all(row == (write[1],) for row in execute(connection, *written))
    carry_out(connection, plan, Stage.TOMBSTONED)
    for write in buried:
        execute(connection, *write)
    take_back(connection, plan, Stage.TOMBSTONED)
    assert execute(connection, DIFFERENT) == []
    assert execute(connection, "SELECT * FROM migsafe.noted") == []


def read_back(write: Write) -> tuple[Any, ...] | None:
    """The query that finds what an UPDATE has written."""
    match write[0].split()[:2]:
        case ["UPDATE", "users"]:
            return "SELECT bio FROM users WHERE id = %s", write[2]
        case ["UPDATE", "profiles"] if "bio" in write[0]:
            return "SELECT bio FROM profiles WHERE user_id = %s", write[2]
        case _:
            return None


@contextmanager
def moving(connection: psycopg.Connection, rows: int) -> Iterator[Plan]:
    """The move where either half may be written."""
    execute(connection, SCHEMA)
    execute(connection, f"INSERT INTO users SELECT n, 'old' FROM generate_series(1, {rows}) n")
    execute(connection, f"INSERT INTO profiles SELECT n, n FROM generate_series(1, {rows}) n")
    execute(connection, NOTE_SYNC)
    plan = plan_migration(MOVE, read_catalog(connection), PlanOptions())
    carry_out(connection, plan, Stage.EXPANDED)
    backfill(connection, plan)
    carry_out(connection, plan, Stage.VERIFIED)
    yield plan


def test_writers_of_both_halves_at_once_never_fail_and_end_up_equal(
    database: str, connection: psycopg.Connection
) -> None:
    failures: list[str] = []

    def write(seed: int) -> None:
        chosen = random.Random(seed)
        with psycopg.connect(database, autocommit=True) as own:
            for number in range(40):
                query = chosen.choice(
                    ["UPDATE users SET bio = %s WHERE id = %s", "UPDATE profiles SET bio = %s WHERE id = %s"]
                )
                try:
                    with own.transaction():
                        execute(own, query, f"{seed} {number}", chosen.randint(1, 2))
                        execute(own, "SELECT pg_sleep(0.002)")
                except psycopg.Error as error:
                    failures.append(str(error))

    with moving(connection, rows=2):
        threads = [threading.Thread(target=write, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert execute(connection, DIFFERENT) == []


def test_a_push_waits_for_a_transaction_that_has_nothing_to_do_with_it(
    database: str, connection: psycopg.Connection
) -> None:
    with moving(connection, rows=1), psycopg.connect(database) as slow:
        execute(slow, "UPDATE users SET other = 1")
        timer = threading.Timer(0.6, slow.commit)
        timer.start()
        execute(connection, "UPDATE profiles SET bio = 'new'")
        timer.join()
    assert execute(connection, "SELECT bio, other FROM users") == [("new", 1)]
    assert execute(connection, "SELECT * FROM migsafe.noted") == []


def test_a_push_does_not_give_way_to_one_who_waits_for_it_but_holds_another_row(
    database: str, connection: psycopg.Connection
) -> None:
    with (
        moving(connection, rows=2),
        psycopg.connect(database) as slow,
        psycopg.connect(database) as behind,
    ):
        execute(slow, "UPDATE profiles SET other = 1 WHERE id = 1")
        execute(behind, "UPDATE profiles SET other = 1 WHERE id = 2")
        pushing = threading.Thread(
            target=execute, args=(connection, "UPDATE users SET bio = 'new' WHERE id = 1")
        )
        pushing.start()
        waiting = threading.Timer(0.05, execute, (behind, "UPDATE users SET other = 1 WHERE id = 1"))
        waiting.start()
        time.sleep(0.7)
        slow.commit()
        pushing.join()
        waiting.join()
        behind.commit()
    assert execute(connection, DIFFERENT) == []
    assert execute(connection, "SELECT * FROM migsafe.noted") == []


def test_a_backfill_never_puts_an_old_value_over_a_newer_one(
    database: str, connection: psycopg.Connection
) -> None:
    execute(connection, SCHEMA)
    execute(connection, "INSERT INTO users VALUES (1, 'old')")
    execute(connection, "INSERT INTO profiles VALUES (1, 1)")
    execute(connection, NOTE_SYNC)
    plan = plan_migration(MOVE, read_catalog(connection), PlanOptions())
    carry_out(connection, plan, Stage.EXPANDED)
    with psycopg.connect(database) as blue:
        execute(blue, "UPDATE users SET bio = 'new'")  # and the row of profiles, which the batch waits for
        timer = threading.Timer(0.4, blue.commit)
        timer.start()
        backfill(connection, plan)
        timer.join()
    assert execute(connection, "SELECT bio FROM profiles") == [("new",)]


@pytest.mark.parametrize(
    ("schema", "migration", "message"),
    [
        (SCHEMA.replace("int UNIQUE", "int"), MOVE, "user_id of public.profiles is not unique"),
        (
            SCHEMA,
            MOVE.replace("ADD COLUMN bio text", "ADD COLUMN bio varchar(9)"),
            "changes its type on the way",
        ),
        (SCHEMA, MOVE.replace("bio text", "bio text DEFAULT ''"), "has a default"),
    ],
)
def test_what_cannot_be_moved_is_refused(
    plan_for: Planner, schema: str, migration: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(schema, migration)
