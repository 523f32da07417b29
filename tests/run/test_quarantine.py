"""Rows that cannot be changed: put aside one by one, listed with their error, and tried again."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migsafe.errors import Quarantined, RunError, VerificationFailed
from migsafe.plan.model import BackfillStep, Plan, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.run.events import Event, RowQuarantined
from migsafe.run.ledger.quarantine import QuarantinedRow, read_quarantine, waive
from migsafe.run.ledger.steps import read_step
from migsafe.run.runner import Runner, hold
from migsafe.run.settings import Settings
from tests.run.killing import Kill, run_and_kill
from tests.run.mirror import copy_plan, delete_plan
from tests.run.plans import USERS, make_plan

SMALL = Settings(first_window_pages=2, window_pages=4, progress_seconds=0.0)
COUNT_CHANGES = """
    CREATE TABLE changes (id bigint);
    CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO changes VALUES (NEW.id); RETURN NEW; END $$;
    CREATE TRIGGER count_change AFTER UPDATE OF copied ON users
        FOR EACH ROW EXECUTE FUNCTION count_change();
"""
RAISE = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON users
        FOR EACH ROW WHEN (OLD.id % 1000 = 7) EXECUTE FUNCTION refuse();
"""


def fill_plan(pending: str = "copied IS DISTINCT FROM visits") -> Plan:
    step = BackfillStep(
        id="fill",
        stage=Stage.BACKFILLED,
        title="Copy visits",
        table=USERS,
        assignments="copied = visits",
        pending=pending,
    )
    return make_plan((step,))


def one(conn: psycopg.Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def rows_of(runner: Runner) -> tuple[QuarantinedRow, ...]:
    return read_quarantine(runner.session.conn, runner.rollout().id)


@pytest.fixture
def narrow(users: Callable[[int], psycopg.Connection]) -> psycopg.Connection:
    """Five thousand rows of which three do not fit into the new column."""
    conn = users(5000)
    conn.execute("ALTER TABLE users ADD COLUMN copied smallint")
    conn.execute("UPDATE users SET visits = 100000 WHERE id IN (17, 2222, 4000)")
    conn.execute("CLUSTER users USING users_pkey")  # so that they lie far apart
    conn.execute(COUNT_CHANGES)
    return conn


def test_rows_that_cannot_be_converted_are_put_aside_and_all_others_are_changed_once(
    database: str, narrow: psycopg.Connection
) -> None:
    events: list[Event] = []
    with hold(fill_plan(), database, settings=SMALL, observer=events.append) as runner:
        with pytest.raises(Quarantined, match=r"(?s)3 rows in quarantine.*id=17 .*smallint out of range"):
            runner.advance(Stage.BACKFILLED)
        assert runner.rollout().stage is Stage.PLANNED
        assert {row.name for row in rows_of(runner)} == {"id=17", "id=2222", "id=4000"}
        assert all(row.sqlstate == "22003" and row.relation == "public.users" for row in rows_of(runner))
        assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == 4997
    assert narrow.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone() == (4997, 4997)
    told = [event for event in events if isinstance(event, RowQuarantined)]
    assert {event.key for event in told} == {"id=17", "id=2222", "id=4000"}
    assert len(told) == 3


def test_a_row_that_was_corrected_leaves_the_quarantine_by_itself(
    database: str, narrow: psycopg.Connection
) -> None:
    with hold(fill_plan(), database, settings=SMALL) as runner:
        with pytest.raises(Quarantined):
            runner.advance(Stage.BACKFILLED)
        narrow.execute("UPDATE users SET visits = 1 WHERE id = 17")
        with pytest.raises(Quarantined, match="2 rows in quarantine"):
            runner.advance(Stage.BACKFILLED)
        narrow.execute("UPDATE users SET visits = 1 WHERE id = 2222")
        narrow.execute("DELETE FROM users WHERE id = 4000")  # then another sweep looks for it
        runner.advance(Stage.BACKFILLED)
        assert rows_of(runner) == ()
        assert runner.rollout().stage is Stage.BACKFILLED
        assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == 4999
    assert one(narrow, "SELECT count(*) FROM users WHERE copied = visits") == 4999


def test_rows_that_somebody_waived_hold_up_nothing(database: str, narrow: psycopg.Connection) -> None:
    with hold(fill_plan(), database, settings=SMALL) as runner:
        with pytest.raises(Quarantined):
            runner.advance(Stage.BACKFILLED)
        for row in rows_of(runner):
            waive(runner.session.conn, row.id, reason="accepted")
        runner.advance(Stage.BACKFILLED)
        assert [row.waived_reason for row in rows_of(runner)] == ["accepted"] * 3
    assert one(narrow, "SELECT count(copied) FROM users") == 4997


def test_verification_leaves_waived_rows_out_and_no_others(database: str, narrow: psycopg.Connection) -> None:
    verify = VerifyStep(
        id="verify",
        stage=Stage.VERIFIED,
        title="Compare",
        table=USERS,
        key=("id",),
        mismatch="copied IS DISTINCT FROM visits::smallint",  # which fails on the rows themselves
        passes=1,
    )
    plan = make_plan((*fill_plan().steps, verify))
    with hold(plan, database, settings=SMALL) as runner:
        with pytest.raises(Quarantined):
            runner.advance(Stage.BACKFILLED)
        for row in rows_of(runner):
            waive(runner.session.conn, row.id, reason="accepted")
        runner.advance(Stage.BACKFILLED)
        narrow.execute("UPDATE users SET copied = -1 WHERE id IN (5, 4500)")
        with pytest.raises(VerificationFailed, match=r"(?s)2 rows .*id = 5, .*id = 4500, "):
            runner.advance(Stage.VERIFIED)
        narrow.execute("UPDATE users SET copied = visits WHERE copied = -1")
        runner.advance(Stage.VERIFIED)


def test_more_rows_than_allowed_stop_the_run_and_one_is_named(
    database: str, narrow: psycopg.Connection
) -> None:
    settings = replace(SMALL, max_quarantined=2)
    with hold(fill_plan(), database, settings=settings) as runner:
        for _ in range(2):
            with pytest.raises(RunError, match=r"more than 2 rows .*id=4000 of public\.users: smallint"):
                runner.advance(Stage.BACKFILLED)
        assert len(rows_of(runner)) == 2
        assert 3000 < int(str(one(narrow, "SELECT count(copied) FROM users"))) < 5000


def test_with_none_allowed_the_first_row_stops_the_run_as_it_always_did(
    database: str, narrow: psycopg.Connection
) -> None:
    del narrow
    with (
        hold(fill_plan(), database, settings=replace(SMALL, max_quarantined=0)) as runner,
        pytest.raises(RunError, match=r"more than 0 rows .*id=17 "),
    ):
        runner.advance(Stage.BACKFILLED)


@pytest.mark.parametrize("code", ["P0001", "23514", "U0007"])
def test_rows_that_a_trigger_refuses_with_an_error_are_put_aside(
    database: str, users: Callable[[int], psycopg.Connection], code: str
) -> None:
    conn = users(3000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute(RAISE.format(code=code).encode())
    with hold(fill_plan(), database, settings=SMALL) as runner:
        with pytest.raises(Quarantined, match="not this one"):
            runner.advance(Stage.BACKFILLED)
        assert [row.name for row in rows_of(runner)] == ["id=7", "id=1007", "id=2007"]
        assert {row.sqlstate for row in rows_of(runner)} == {code}
        conn.execute("DROP TRIGGER refuse ON users")
        runner.advance(Stage.BACKFILLED)
        assert rows_of(runner) == ()
    assert one(conn, "SELECT count(copied) FROM users") == 3000


def test_a_condition_that_fails_on_a_row_does_not_hide_the_others(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(2000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute("UPDATE users SET visits = id, name = CASE id WHEN 1500 THEN 'bad' ELSE id::text END")
    with hold(fill_plan("copied IS DISTINCT FROM name::int"), database, settings=SMALL) as runner:
        with pytest.raises(Quarantined, match="1 row in quarantine"):
            runner.advance(Stage.BACKFILLED)
        assert [row.name for row in rows_of(runner)] == ["id=1500"]
        conn.execute("UPDATE users SET name = '1500' WHERE id = 1500")
        runner.advance(Stage.BACKFILLED)
    assert one(conn, "SELECT count(copied) FROM users") == 2000


def test_what_is_checked_only_at_the_commit_is_found_too(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(2000)
    conn.execute(
        "ALTER TABLE users ADD COLUMN copied int;"
        "CREATE TABLE known (id int PRIMARY KEY); INSERT INTO known VALUES (0);"
        "UPDATE users SET visits = 9 WHERE id = 321;"
        "ALTER TABLE users ADD FOREIGN KEY (copied) REFERENCES known DEFERRABLE INITIALLY DEFERRED"
    )
    with (
        hold(fill_plan(), database, settings=SMALL) as runner,
        pytest.raises(Quarantined, match=r"id=321 .*not present in table"),
    ):
        runner.advance(Stage.BACKFILLED)
    assert one(conn, "SELECT count(copied) FROM users") == 1999


def test_a_row_without_a_key_is_known_by_its_place(database: str, connection: psycopg.Connection) -> None:
    connection.execute(
        "CREATE TABLE users (id int, visits int, copied smallint);"
        "INSERT INTO users SELECT i, i FROM generate_series(1, 500) i;"
        "UPDATE users SET visits = 100000 WHERE id = 99"
    )
    with hold(fill_plan(), database, settings=SMALL) as runner:
        with pytest.raises(Quarantined, match=r"ctid=\(\d+,\d+\) of public.users"):
            runner.advance(Stage.BACKFILLED)
        connection.execute("UPDATE users SET visits = 1 WHERE id = 99")
        runner.advance(Stage.BACKFILLED)
        assert rows_of(runner) == ()
    assert one(connection, "SELECT count(copied) FROM users") == 500


@pytest.mark.parametrize("kind", ["copy", "delete"])
def test_rows_that_cannot_be_copied_or_deleted_are_put_aside(
    database: str, users: Callable[[int], psycopg.Connection], kind: str
) -> None:
    conn = users(1000)
    if kind == "copy":
        conn.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text CHECK (name <> 'user 42'))")
        plan, settle = copy_plan(), "ALTER TABLE people DROP CONSTRAINT people_name_check"
    else:
        conn.execute("CREATE TABLE visits (who bigint REFERENCES users); INSERT INTO visits VALUES (42)")
        plan, settle = delete_plan("true"), "DELETE FROM visits"
    with hold(plan, database, settings=SMALL) as runner:
        with pytest.raises(Quarantined, match=r"id=42 of public\.users"):
            runner.advance(Stage.BACKFILLED)
        left = "SELECT count(*) FROM people" if kind == "copy" else "SELECT 1000 - count(*) FROM users"
        assert one(conn, left) == 999
        conn.execute(settle.encode())
        runner.advance(Stage.BACKFILLED)
        runner.advance(Stage.VERIFIED)
        assert one(conn, left) == 1000


def test_taking_the_backfill_back_empties_its_quarantine(database: str, narrow: psycopg.Connection) -> None:
    del narrow
    with hold(fill_plan(), database, settings=SMALL) as runner:
        with pytest.raises(Quarantined):
            runner.advance(Stage.BACKFILLED)
        runner.undo(Stage.BACKFILLED)
        assert rows_of(runner) == ()


@pytest.mark.proof
def test_a_backfill_with_bad_rows_that_is_killed_again_and_again_changes_every_other_row_once(
    database: str, narrow: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(dump_plan(fill_plan()))
    kills = [Kill("step 00 fill", 0.8) for _ in range(8)]
    killed = run_and_kill(path, database, kills, random.Random(6), rows_per_second=1500)
    assert len(killed) > 2
    assert narrow.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone() == (4997, 4997)
    rows = read_quarantine(narrow, 1)
    assert sorted(row.name for row in rows) == ["id=17", "id=2222", "id=4000"]
    assert all(row.waived_at for row in rows)
    assert one(narrow, "SELECT rows FROM migsafe.step") == 4997
