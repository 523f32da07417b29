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
from tests.run.plans import USERS, make_plan

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


def test_at_most_ten_rows_are_listed(database: str, copied: psycopg.Connection) -> None:
    copied.execute("UPDATE users SET copied = NULL")
    with (
        hold(verify_plan(), database) as runner,
        pytest.raises(VerificationFailed, match="there may be more") as failed,
    ):
        runner.advance(Stage.VERIFIED)
    assert failed.value.message.count("ctid = ") == 10


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
