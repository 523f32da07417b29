"""Somebody holds every lock, meets us in a deadlock, or changes the clock."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from migsafe.errors import LockTimeout
from migsafe.plan.stages import Stage
from migsafe.run.events import LockRetry
from tests.run.faults.trial import ROWS, Trial, batch, begins


@contextmanager
def holding_every_lock(trial: Trial) -> Iterator[None]:
    """A long transaction, idle, with the strongest lock there is."""
    with psycopg.connect(trial.dsn, application_name="report") as conn:
        conn.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        yield
        conn.rollback()


def test_a_transaction_that_holds_every_lock_is_named_and_nothing_is_applied(trial: Trial) -> None:
    with holding_every_lock(trial):
        error = trial.fails()
        assert isinstance(error, LockTimeout)
        assert "(report, role postgres), idle in transaction after LOCK" in error.message
    assert not [name for name in trial.shape() if "migsafe" in name or "remark" in name]
    trial.run()
    trial.require_verified()


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, marks=pytest.mark.proof)
        for step in (
            "backfill.copy",
            "verify.index.orders_note",
            "verify.orders_note_not_null.add",
            "verify.rows",
        )
    ],
)
def test_a_transaction_that_takes_every_lock_in_the_middle_is_waited_for_or_said(
    trial: Trial, step: str
) -> None:
    """For two seconds: a DDL step may have given up by then, everything else goes on."""
    ended = threading.Event()

    def take() -> None:
        def hold() -> None:
            with holding_every_lock(trial):
                ready.set()
                time.sleep(2)
            ended.set()

        ready = threading.Event()
        threading.Thread(target=hold).start()
        assert ready.wait(10)

    try:
        trial.run(when=begins(step), do=take)
    except LockTimeout as error:
        trial.require_told(error.message)
        assert ended.wait(30)
        trial.run()
    trial.require_verified()
    assert ended.is_set()


@pytest.mark.proof
def test_a_deadlock_with_the_application_over_rows_costs_neither_of_them_anything(trial: Trial) -> None:
    """It locks rows in the other order. We give up before the server looks for a victim."""
    victims: list[Exception] = []
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(trial.dsn, application_name="application") as conn:
            while not stop.is_set():
                try:
                    for number in range(ROWS, 0, -7):
                        conn.execute("UPDATE orders SET total = total + 1 WHERE id = %s", (number,))
                    conn.commit()
                except errors.DeadlockDetected as error:
                    victims.append(error)
                    conn.rollback()

    writer = threading.Thread(target=write)
    try:
        trial.run(Stage.BACKFILLED, when=begins("backfill.copy"), do=writer.start)
    finally:
        stop.set()
        writer.join()
    assert not victims
    trial.run()
    trial.require_right()


def test_a_clock_that_was_set_back_does_not_keep_a_dead_runner_alive(trial: Trial) -> None:
    """Or a failover to a server whose clock is late. An hour of it would be an hour of waiting."""
    trial.run(when=None)
    host = {"host": "elsewhere", "pid": 1, "started": "", "boot": "", "namespace": "", "user": "anna"}
    trial.other.execute(
        "UPDATE migsafe.lease SET holder = %s, beat_at = clock_timestamp() + interval '1 hour', "
        "expires_at = clock_timestamp() + interval '1 hour 15 seconds'",
        (Jsonb(host),),
    )
    trial.run()
    trial.require_verified()


def test_the_clock_of_our_own_host_has_no_say(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    late = iter(range(10**6))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 86_400.0 * next(late))  # a day back at each look
    trial.run(when=batch(3), do=trial.cut_off)
    trial.require_verified()


def test_retries_name_who_is_in_the_way_of_a_batch(trial: Trial) -> None:
    def take() -> None:
        conn = psycopg.connect(trial.dsn, application_name="report")
        conn.execute("LOCK TABLE orders IN EXCLUSIVE MODE")
        threading.Timer(1.0, conn.close).start()

    trial.run(when=batch(2), do=take)
    trial.require_verified()
    retries = [event for event in trial.events if isinstance(event, LockRetry)]
    assert any("(report, role postgres)" in blocker for event in retries for blocker in event.blockers)
