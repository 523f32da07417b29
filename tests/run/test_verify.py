"""Verification finds every row that differs, says which, and is not disturbed by traffic."""

import threading
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from migsafe.errors import VerificationFailed
from migsafe.plan.model import Plan, VerifyStep
from migsafe.plan.stages import Stage
from migsafe.run.events import Event, Progress
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.run.status import read_status
from tests.run.plans import USERS, make_plan, rename_plan

SMALL = Settings(window_pages=2, sweep_pages=4, progress_seconds=0.0)


def verify_plan(passes: int = 2) -> Plan:
    step = VerifyStep(
        id="verify",
        stage=Stage.VERIFIED,
        title="Compare all rows",
        table=USERS,
        key=("id",),
        mismatch="copied IS DISTINCT FROM name",
        passes=passes,
    )
    return make_plan((step,))


@pytest.fixture
def copied(users: Callable[[int], psycopg.Connection]) -> psycopg.Connection:
    conn = users(5000)
    conn.execute("ALTER TABLE users ADD COLUMN copied text")
    conn.execute("UPDATE users SET copied = name")
    return conn


def test_a_table_without_differences_passes(database: str, copied: psycopg.Connection) -> None:
    del copied
    events: list[Event] = []
    with hold(verify_plan(), database, settings=SMALL, observer=events.append) as runner:
        runner.advance(Stage.VERIFIED)
        assert runner.rollout().stage is Stage.VERIFIED
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_rows_that_differ_are_listed_and_kept_and_corrected_ones_pass(
    database: str, copied: psycopg.Connection
) -> None:
    copied.execute("UPDATE users SET copied = 'x' WHERE id IN (17, 4999)")
    with hold(verify_plan(), database, settings=replace(SMALL, sweep_pages=4096)) as runner:
        with pytest.raises(VerificationFailed, match="are not right") as failed:
            runner.advance(Stage.VERIFIED)
        assert "id = 17" in failed.value.message or "id = 4999" in failed.value.message
        kept = copied.execute("SELECT state, cursor #>> '{mismatches,0,id}' FROM migsafe.step").fetchone()
        assert kept is not None
        assert kept[0] == "failed"
        assert kept[1] in ("17", "4999")
        copied.execute("UPDATE users SET copied = name WHERE copied = 'x'")
        runner.advance(Stage.VERIFIED)


def test_all_rows_are_counted_and_ten_of_them_listed(database: str, copied: psycopg.Connection) -> None:
    copied.execute("UPDATE users SET copied = NULL WHERE id > 500")
    with (
        hold(verify_plan(), database, settings=SMALL) as runner,
        pytest.raises(VerificationFailed, match=r"(?s)4,500 rows of .* and 4,490 more") as failed,
    ):
        runner.advance(Stage.VERIFIED)
    assert failed.value.message.count("ctid = ") == 10
    kept = copied.execute(
        "SELECT cursor ->> 'mismatched', jsonb_array_length(cursor -> 'mismatches') FROM migsafe.step"
    ).fetchone()
    assert kept == ("4500", 100)
    audit = copied.execute(
        "SELECT detail ->> 'count' FROM migsafe.audit WHERE event = 'verification failed'"
    ).fetchall()
    assert audit == [("4500",)]


def test_a_row_that_is_put_right_meanwhile_is_no_mismatch(
    database: str, copied: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found is looked at again in a transaction of its own."""
    copied.execute("UPDATE users SET copied = 'x' WHERE id = 4000")

    def put_right(seconds: float) -> None:
        del seconds
        copied.execute("UPDATE users SET copied = name WHERE copied = 'x'")

    monkeypatch.setattr("migsafe.run.verify.time.sleep", put_right)
    with hold(verify_plan(), database, settings=SMALL) as runner:
        runner.advance(Stage.VERIFIED)


def changed_behind_the_triggers(conn: psycopg.Connection) -> None:
    conn.execute("ALTER TABLE users DISABLE TRIGGER users_sync_update")
    conn.execute("UPDATE users SET name = 'changed' WHERE id IN (3, 4000)")
    conn.execute("ALTER TABLE users ENABLE TRIGGER users_sync_update")


def test_contract_looks_at_all_rows_again_before_it_takes_anything_away(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(5000)
    events: list[Event] = []
    with hold(rename_plan(), database, settings=SMALL, observer=events.append) as runner:
        for stage in (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED):
            runner.advance(stage)
        changed_behind_the_triggers(conn)
        with pytest.raises(VerificationFailed, match=r"2 rows of public\.users are not right") as failed:
            runner.advance(Stage.TOMBSTONED)
        for key in ("id = 3", "id = 4000"):
            assert key in failed.value.message
        assert runner.rollout().stage is Stage.VERIFIED
        status = read_status(conn, "rename")
        (found,) = status.verification
        assert (found.mismatched, found.clean, found.during) == (2, False, "contract")
        assert {row["id"] for row in found.mismatches} == {3, 4000}
        conn.execute("UPDATE users SET full_name = name WHERE full_name <> name")
        runner.advance(Stage.TOMBSTONED)
        (found,) = read_status(conn, "rename").verification
        assert (found.mismatched, found.clean) == (0, True)
    audit = "SELECT count(*) FROM migsafe.audit WHERE event = 'verified again'"
    assert conn.execute(audit).fetchone() == (1,)


def test_while_traffic_runs_rows_are_looked_at_one_window_at_a_time(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(5000)
    with hold(rename_plan(), database, settings=replace(SMALL, verify_every_seconds=0.0)) as runner:
        for stage in (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED):
            runner.advance(stage)
        for _ in range(60):
            runner.patrol()
        (found,) = read_status(conn, "rename").verification
        assert found.during == "traffic"
        changed_behind_the_triggers(conn)

        def patrol() -> None:
            for _ in range(200):
                runner.patrol()

        with pytest.raises(VerificationFailed, match=r"rows of public\.users are not right"):
            patrol()  # in the middle of a pass, so it may have met one of the two already
        conn.execute("UPDATE users SET full_name = name WHERE full_name <> name")
        patrol()
        assert runner.rollout().stage is Stage.VERIFIED


def test_what_sync_noted_as_beyond_the_old_shape_is_no_mismatch(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(5000)
    with hold(rename_plan(), database, settings=SMALL) as runner:
        for stage in (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED):
            runner.advance(stage)
        changed_behind_the_triggers(conn)
        conn.execute(
            "INSERT INTO migsafe.sync_event (rollout, relation, kind, detail) "
            "SELECT 'rename', 'public.users', 'unrepresentable', jsonb_build_object('id', id)::text "
            "FROM unnest(ARRAY[3, 4000]) id"
        )
        runner.advance(Stage.TOMBSTONED)


def test_writers_that_keep_both_sides_equal_are_no_disturbance(
    database: str, copied: psycopg.Connection
) -> None:
    del copied
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(database, autocommit=True) as app:
            number = 0
            while not stop.is_set():
                number += 1
                app.execute(
                    "UPDATE users SET name = %s, copied = %s WHERE id = %s",
                    (*[f"n{number}"] * 2, number % 5000),
                )

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with hold(verify_plan(passes=4), database, settings=SMALL) as runner:
            runner.advance(Stage.VERIFIED)
    finally:
        stop.set()
        thread.join()
