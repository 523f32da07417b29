"""The role that runs a rollout is told to behave otherwise, loses rights, or has no room."""

import threading
import time
from dataclasses import replace

import pytest

from migsafe.errors import ConnectionFailed, LeaseHeld
from migsafe.plan.model import DdlStep
from migsafe.run.events import Waiting
from tests.run.faults.trial import Trial, batch

SETTINGS = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "3s",
    "lock_timeout": "200ms",
    "idle_in_transaction_session_timeout": "900ms",
    "idle_session_timeout": "250ms",
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "search_path": "nowhere",
    "quote_all_identifiers": "on",
    "bytea_output": "escape",
    "extra_float_digits": "0",
}


def test_no_setting_of_the_role_changes_what_a_rollout_does(plain: Trial) -> None:
    for name, value in SETTINGS.items():
        plain.execute(f"ALTER ROLE {{role}} SET {name} = '{value}'")
    plain.run()
    plain.require_verified()
    plain.require_contracted()


@pytest.mark.proof
@pytest.mark.parametrize("setting", ["transaction_timeout", "statement_timeout"])
def test_a_step_that_takes_long_outlasts_the_timeouts_of_its_role(plain: Trial, setting: str) -> None:
    if setting == "transaction_timeout" and plain.one("SHOW server_version_num") < ("170000",):
        pytest.skip("since PostgreSQL 17")
    plain.execute(f"ALTER ROLE {{role}} SET {setting} = '1s'")
    plan = plain.plan
    patient = next(step for step in plan.steps if isinstance(step, DdlStep) and step.patient)
    slow = replace(patient, sql=("SELECT pg_sleep(2)", *patient.sql))
    plain.plan = replace(plan, steps=tuple(slow if step is patient else step for step in plan.steps))
    plain.run()
    plain.require_verified()


def test_a_database_that_was_made_read_only_on_purpose_is_not_written_to(plain: Trial) -> None:
    plain.execute("ALTER ROLE {role} SET default_transaction_read_only = on")
    error = plain.fails()
    assert "takes no writes: default_transaction_read_only is on" in error.message
    assert plain.one("SELECT to_regnamespace('migsafe') IS NULL") == (True,)
    plain.execute("ALTER ROLE {role} RESET default_transaction_read_only")
    plain.run()
    plain.require_verified()


def test_rights_on_the_table_that_are_taken_away_stop_the_backfill_and_it_goes_on_with_them(
    plain: Trial,
) -> None:
    error = plain.fails(
        when=batch(3), do="ALTER TABLE orders OWNER TO postgres; GRANT SELECT ON orders TO {role}"
    )
    assert "permission denied for table orders" in error.message
    plain.require_told("permission denied for table orders")
    plain.execute("ALTER TABLE orders OWNER TO {role}")
    plain.run()
    plain.require_verified()


@pytest.mark.proof
def test_rights_on_the_ledger_that_are_taken_away_stop_the_backfill_and_it_goes_on_with_them(
    plain: Trial,
) -> None:
    error = plain.fails(when=batch(3), do="REVOKE UPDATE ON ALL TABLES IN SCHEMA migsafe FROM {role}")
    assert "permission denied for table chunk" in error.message
    with pytest.raises(LeaseHeld, match="expires by itself within seconds"):  # it could not be given back
        plain.run()
    plain.execute("GRANT UPDATE ON ALL TABLES IN SCHEMA migsafe TO {role}")
    plain.expire()
    plain.run()
    plain.require_verified()


@pytest.mark.proof
def test_a_role_that_may_not_log_in_any_more_ends_the_run_in_time(plain: Trial) -> None:
    def lock_out() -> None:
        plain.execute("ALTER ROLE {role} NOLOGIN")
        plain.cut_off()

    error = plain.fails(when=batch(3), do=lock_out, reconnect_seconds=1.0)
    assert "no other one within 1 s" in error.message
    assert "is not permitted to log in" in error.message
    error = plain.fails()
    assert isinstance(error, ConnectionFailed)
    assert "ALTER ROLE" in error.advice
    plain.execute("ALTER ROLE {role} LOGIN")
    plain.expire()
    plain.run()
    plain.require_verified()


def test_a_server_without_room_is_said_and_a_run_waits_for_room(plain: Trial) -> None:
    plain.execute("ALTER ROLE {role} CONNECTION LIMIT 0")
    error = plain.fails()
    assert "too many connections" in error.message
    assert "raise the limit" in error.advice
    plain.execute("ALTER ROLE {role} CONNECTION LIMIT -1")

    def fill() -> None:
        plain.execute("ALTER ROLE {role} CONNECTION LIMIT 0")
        plain.cut_off()
        threading.Timer(1.0, plain.execute, ["ALTER ROLE {role} CONNECTION LIMIT -1"]).start()

    plain.run(when=batch(3), do=fill)
    plain.require_verified()


@pytest.mark.proof
def test_with_room_for_one_connection_it_holds_and_says_so_until_there_is_more(plain: Trial) -> None:
    plain.execute("ALTER ROLE {role} CONNECTION LIMIT 1")

    def more_room() -> None:
        while not any(
            isinstance(event, Waiting) and "too many connections" in event.reason for event in plain.events
        ):
            time.sleep(0.1)
        plain.execute("ALTER ROLE {role} CONNECTION LIMIT -1")

    helper = threading.Thread(target=more_room, daemon=True)
    helper.start()
    plain.run()
    plain.require_verified()
    helper.join(timeout=1)
    assert not helper.is_alive()
