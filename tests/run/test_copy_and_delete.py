"""Rows copied to another table, or taken away, while the application goes on writing."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migsafe.errors import RunError, VerificationFailed
from migsafe.plan.model import BackfillStep
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.run.events import Event, LockRetry
from migsafe.run.ledger.steps import read_step
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name
from tests.run.killing import Kill, run_and_kill
from tests.run.mirror import DIFFERENT, MIRROR, copy_plan, delete_plan

SMALL = Settings(first_window_pages=2, window_pages=4, progress_seconds=0.0)
FORMS = {
    "plain": "CREATE TABLE t (id int PRIMARY KEY, name text)",
    "no key": "CREATE TABLE t (id int, name text)",
    "partitions of partitions": (
        "CREATE TABLE t (id int, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE t1 (name text, dead int, id int);"
        "ALTER TABLE t1 DROP COLUMN dead;"
        "ALTER TABLE t ATTACH PARTITION t1 FOR VALUES FROM (MINVALUE) TO (0);"
        "CREATE TABLE t2 PARTITION OF t DEFAULT PARTITION BY HASH (id);"
        "CREATE TABLE t3 PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE t4 PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
    ),
    "children": (
        "CREATE TABLE t (id int, name text); CREATE TABLE t1 (more int) INHERITS (t);"
        "CREATE RULE to_child AS ON INSERT TO t WHERE NEW.id < 0 DO INSTEAD INSERT INTO t1 VALUES (NEW.*)"
    ),
}
T, COPY = Name("t", "public"), Name("copy", "public")


@pytest.fixture(params=FORMS)
def table(request: pytest.FixtureRequest, connection: psycopg.Connection) -> psycopg.Connection:
    connection.execute(FORMS[request.param].encode())
    connection.execute("INSERT INTO t SELECT i, 'row ' || i FROM generate_series(-1500, 1500) i")
    return connection


def one(conn: psycopg.Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_rows_of_tables_of_every_form_are_copied_once(table: psycopg.Connection, database: str) -> None:
    """Without a unique index on the copy, so that a second time would be seen."""
    table.execute("CREATE TABLE copy (id int GENERATED ALWAYS AS IDENTITY, name text)")
    with hold(copy_plan(T, COPY), database, settings=SMALL) as runner:
        runner.advance(Stage.BACKFILLED)
        assert read_step(runner.session.conn, runner.rollout().id, "copy").rows == 3001
        runner.advance(Stage.VERIFIED)
    assert table.execute("SELECT id, name FROM t EXCEPT ALL SELECT id, name FROM copy").fetchall() == []
    assert one(table, "SELECT count(*) FROM copy") == 3001


def test_rows_of_tables_of_every_form_are_deleted(table: psycopg.Connection, database: str) -> None:
    plan = delete_plan("t.id % 3 = 0", T)
    with hold(plan, database, settings=SMALL) as runner:
        runner.advance(Stage.BACKFILLED)
        assert read_step(runner.session.conn, runner.rollout().id, "delete").rows == 1001
        runner.advance(Stage.VERIFIED)
    assert one(table, "SELECT count(*) FROM t") == 2000
    assert one(table, "SELECT count(*) FROM t WHERE id % 3 = 0") == 0


def test_verification_looks_into_every_partition_under_the_name_of_the_table(
    table: psycopg.Connection, database: str
) -> None:
    verify = delete_plan("t.id = -77", T).steps[1:]
    plan = replace(delete_plan("t.id = -77", T), steps=verify)
    with (
        hold(plan, database, settings=SMALL) as runner,
        pytest.raises(VerificationFailed, match="id = -77"),
    ):
        runner.advance(Stage.VERIFIED)
    assert one(table, "SELECT count(*) FROM t") == 3001


@pytest.mark.parametrize("form", FORMS)
def test_a_table_without_rows_is_done_at_once(
    connection: psycopg.Connection, database: str, form: str
) -> None:
    connection.execute(FORMS[form].encode())
    connection.execute("CREATE TABLE copy (id int PRIMARY KEY, name text)")
    for plan in (copy_plan(T, COPY), replace(delete_plan("true", T), name="delete")):
        with hold(plan, database) as runner:
            runner.advance(Stage.BACKFILLED)
            runner.advance(Stage.VERIFIED)


def test_a_copy_that_is_there_already_is_left_alone(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    conn.execute(MIRROR)
    conn.execute("INSERT INTO people VALUES (7, 'changed by the application')")
    with hold(copy_plan(), database) as runner:
        runner.advance(Stage.BACKFILLED)
    assert one(conn, "SELECT name FROM people WHERE id = 7") == "changed by the application"
    assert one(conn, "SELECT count(*) FROM people") == 100


def test_rows_that_cannot_be_copied_because_they_meet_others_are_never_left_out_in_silence(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    conn.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text UNIQUE)")
    conn.execute("UPDATE users SET name = 'the same' WHERE id < 3")
    with (
        hold(copy_plan(), database, settings=replace(SMALL, max_sweeps=2)) as runner,
        pytest.raises(RunError, match=r"still pending after 2 sweeps \(1 were found"),
    ):
        runner.advance(Stage.BACKFILLED)


def test_rows_that_a_trigger_keeps_are_never_left_in_silence(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    conn.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER keep BEFORE DELETE ON users FOR EACH ROW WHEN (OLD.id = 5) EXECUTE FUNCTION keep()"
    )
    with (
        hold(delete_plan("id < 50"), database, settings=replace(SMALL, max_sweeps=2)) as runner,
        pytest.raises(RunError, match=r"still pending .*1 were found"),
    ):
        runner.advance(Stage.BACKFILLED)
    assert one(conn, "SELECT count(*) FROM users") == 52


@pytest.mark.parametrize("kind", ["copy", "delete"])
def test_a_row_that_stays_locked_is_left_for_the_sweep(
    database: str, users: Callable[[int], psycopg.Connection], kind: str
) -> None:
    conn = users(2000)
    conn.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text)")
    events: list[Event] = []
    plan = copy_plan() if kind == "copy" else delete_plan("id % 2 = 0")
    with psycopg.connect(database) as app:
        app.execute("UPDATE users SET name = 'late' WHERE id = 1000")
        threading.Timer(3.0, app.commit).start()
        with hold(plan, database, settings=SMALL, observer=events.append) as runner:
            runner.advance(Stage.BACKFILLED)
    assert any(isinstance(event, LockRetry) for event in events)
    if kind == "copy":
        assert one(conn, "SELECT name FROM people WHERE id = 1000") == "late"
        assert one(conn, "SELECT count(*) FROM people") == 2000
    else:
        assert one(conn, "SELECT count(*) FROM users") == 1000


def test_a_row_that_is_deleted_while_it_is_copied_does_not_live_on_as_a_copy(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """The copy has read the row and is held up by another one; the application deletes it meanwhile."""
    conn = users(10)
    conn.execute(MIRROR)
    conn.execute(
        "CREATE FUNCTION wait_for_it() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';"
        "CREATE TRIGGER slow BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION wait_for_it()"
    )
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with psycopg.connect(database) as holding, psycopg.connect(database, autocommit=True) as app:
        holding.execute("SELECT pg_advisory_xact_lock(1)")

        def delete() -> None:
            while one(conn, waiting) == 0:  # then the rows are read
                time.sleep(0.005)
            threading.Timer(0.1, holding.rollback).start()
            app.execute("DELETE FROM users WHERE id = 3")

        thread = threading.Thread(target=delete)
        thread.start()
        with hold(copy_plan(), database) as runner:
            runner.advance(Stage.BACKFILLED)
        thread.join()
    assert one(conn, DIFFERENT) == 0
    assert one(conn, "SELECT count(*) FROM people") == 9


@contextmanager
def writers(database: str, rows: int) -> Iterator[list[BaseException]]:
    """Three clients that insert, update, delete and give rows other keys, until the end."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(seed: int) -> None:
        rng = random.Random(seed)
        try:
            with psycopg.connect(database, autocommit=True) as app:
                while not stop.is_set():
                    row, fresh = rng.randint(1, rows), rng.randint(rows, 2 * rows)
                    app.execute("UPDATE users SET name = name || '.' WHERE id = %s", (row,))
                    app.execute("DELETE FROM users WHERE id = %s", (rng.randint(1, rows),))
                    app.execute(
                        "INSERT INTO users (id, name) VALUES (%s, 'new') ON CONFLICT DO NOTHING", (fresh,)
                    )
                    key = rng.randint(10 * rows, 10**9)
                    app.execute("UPDATE users SET id = %s WHERE id = %s", (key, rng.randint(1, rows)))
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_copies_are_right_while_rows_are_inserted_updated_deleted_and_moved(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(30_000)
    conn.execute(MIRROR)
    with writers(database, 30_000) as failures:
        time.sleep(0.2)
        with hold(copy_plan(), database, settings=SMALL) as runner:
            runner.advance(Stage.BACKFILLED)
            runner.advance(Stage.VERIFIED)
        with conn.transaction():
            assert one(conn, DIFFERENT) == 0
    assert failures == []
    assert one(conn, DIFFERENT) == 0


def test_a_partition_that_is_dropped_meanwhile_does_not_stop_the_others(
    database: str, connection: psycopg.Connection
) -> None:
    connection.execute(
        "CREATE TABLE t (id int, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1000);"
        "CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (1000) TO (4000);"
        "CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (4000) TO (5000);"
        "INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(0, 4999) i"
    )
    update = BackfillStep(
        id="fill",
        stage=Stage.BACKFILLED,
        title="Set names",
        table=T,
        assignments="name = 'y'",
        pending="t.name <> 'y'",
    )
    plan = replace(copy_plan(), steps=(update,))
    slow = replace(SMALL, stripes=1, max_rows_per_second=8000)
    with hold(plan, database, settings=slow) as runner:
        # While the second one is worked on.
        timer = threading.Timer(0.25, lambda: connection.execute("DROP TABLE t2"))
        timer.start()
        runner.advance(Stage.BACKFILLED)
        timer.join()
    assert connection.execute("SELECT name, count(*) FROM t GROUP BY 1").fetchall() == [("y", 2000)]


@pytest.mark.proof
def test_a_copy_that_is_killed_again_and_again_copies_every_row_once(
    database: str, users: Callable[[int], psycopg.Connection], tmp_path: Path
) -> None:
    conn = users(150_000)
    conn.execute("CREATE TABLE people (id bigint, name text)")  # without a key: a second copy would be seen
    conn.execute("CREATE INDEX ON people (id)")
    plan_file = tmp_path / "plan.toml"
    plan_file.write_text(dump_plan(copy_plan()))
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    kills = [*[Kill("step 00 copy", 0.2)] * 6, *[Kill("step 01 verify", 0.02)] * 2]
    killed = run_and_kill(plan_file, database, kills, random.Random(seed), rows_per_second=50_000)
    assert len(killed) >= 4
    counts = conn.execute("SELECT count(*), count(DISTINCT id) FROM people").fetchone()
    assert counts == (150_000, 150_000)
    assert one(conn, "SELECT rows FROM migsafe.step WHERE id = 'copy'") == 150_000


@pytest.mark.proof
def test_a_delete_that_is_killed_again_and_again_deletes_every_row_once(
    database: str, users: Callable[[int], psycopg.Connection], tmp_path: Path
) -> None:
    conn = users(150_000)
    plan_file = tmp_path / "plan.toml"
    plan_file.write_text(dump_plan(delete_plan("id % 3 > 0")))
    kills = [*[Kill("step 00 delete", 0.2)] * 6, *[Kill("step 01 verify", 0.02)] * 2]
    killed = run_and_kill(plan_file, database, kills, random.Random(4), rows_per_second=50_000)
    assert len(killed) >= 4
    assert one(conn, "SELECT count(*) FROM users") == 50_000
    assert one(conn, "SELECT rows FROM migsafe.step WHERE id = 'delete'") == 100_000
