"""What is in force is compared with SHOW on a real server, for random runs of statements."""

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migsafe.effects.model import Lock, LockMode
from migsafe.effects.session import SessionState, advance, milliseconds, start_session
from migsafe.sql.names import Name
from migsafe.sql.script import read_script

STATEMENTS = (
    "BEGIN",
    "START TRANSACTION",
    "COMMIT",
    "END",
    "ROLLBACK",
    "ROLLBACK AND CHAIN",
    "COMMIT AND CHAIN",
    "SAVEPOINT a",
    "SAVEPOINT b",
    "ROLLBACK TO a",
    "RELEASE a",
    "SET lock_timeout = '1s'",
    "SET LOCAL lock_timeout = 250",
    "SET lock_timeout TO '2min'",
    "SET SESSION lock_timeout TO DEFAULT",
    "SELECT set_config('lock_timeout', '3s', true)",
    "SELECT pg_catalog.set_config('lock_timeout', '4s', false)",
    "RESET lock_timeout",
    "RESET ALL",
)


def run(script: str, state: SessionState | None = None) -> SessionState:
    state = start_session() if state is None else state
    for statement in read_script(script).statements:
        for operation in statement.operations:
            state = advance(state, operation, locks=[Lock(Name("t"), LockMode.SHARE)])
    return state


@given(st.lists(st.sampled_from(STATEMENTS), max_size=14))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lock_timeout_is_what_the_server_says(connection: psycopg.Connection, script: list[str]) -> None:
    connection.execute("ROLLBACK")
    connection.execute("RESET ALL")
    state = start_session()
    for statement in script:
        try:
            connection.execute(statement.encode())
        except psycopg.Error:
            # Savepoints that are not there, and AND CHAIN outside a transaction: no script gets further.
            connection.execute("ROLLBACK")
            return
        state = run(statement, state)
        row = connection.execute("SHOW lock_timeout").fetchone()
        assert row is not None
        assert state.lock_timeout == milliseconds(row[0])
        inside = connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE
        assert state.in_transaction == inside
    connection.execute("ROLLBACK")


def test_locks_are_held_until_the_transaction_ends() -> None:
    assert run("BEGIN; LOCK TABLE t IN SHARE MODE").held == (Lock(Name("t"), LockMode.SHARE),)
    assert run("BEGIN; LOCK TABLE t IN SHARE MODE; COMMIT").held == ()
    assert run("LOCK TABLE t IN SHARE MODE").held == ()


def test_rolling_back_to_a_savepoint_gives_later_locks_back() -> None:
    assert run("BEGIN; SAVEPOINT a; LOCK TABLE t IN SHARE MODE; ROLLBACK TO a").held == ()


def test_zero_and_nonsense_are_no_timeout() -> None:
    assert milliseconds("0") is None
    assert milliseconds("soon") is None
    assert milliseconds(None) is None
    assert milliseconds("1.5s") == 1500
