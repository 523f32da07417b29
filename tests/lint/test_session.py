"""What is in effect at a statement, as PostgreSQL would have it."""

import pytest

from migsafe.lint.session import Session
from migsafe.sql.operations import Begin, Commit, Operation, ResetSetting, Rollback, Savepoint, SetSetting


def lock_timeout(value: str | None, *, local: bool = False) -> SetSetting:
    return SetSetting(name="lock_timeout", value=value, local=local)


RESET = ResetSetting(name="lock_timeout")
RESET_ALL = ResetSetting(name=None)


@pytest.mark.parametrize(
    ("operations", "has_timeout"),
    [
        ((), False),
        ((lock_timeout("2s"),), True),
        ((lock_timeout("2000"),), True),
        ((lock_timeout("0"),), False),
        ((lock_timeout("0s"),), False),
        ((lock_timeout("soon"),), False),
        ((SetSetting(name="LOCK_TIMEOUT", value="2s"),), True),
        ((SetSetting(name="statement_timeout", value="2s"),), False),
        ((lock_timeout("2s"), lock_timeout("0")), False),
        ((lock_timeout("2s"), lock_timeout(None)), False),
        ((lock_timeout("2s"), RESET), False),
        ((lock_timeout("2s"), RESET_ALL), False),
        ((lock_timeout("2s", local=True),), False),
        ((Begin(), lock_timeout("2s", local=True)), True),
        ((Begin(), lock_timeout("2s", local=True), Commit()), False),
        ((Begin(), lock_timeout("2s"), Commit()), True),
        ((Begin(), lock_timeout("2s"), Rollback()), False),
        ((lock_timeout("2s"), Begin(), lock_timeout("0", local=True)), False),
        ((lock_timeout("2s"), Begin(), lock_timeout("0", local=True), Commit()), True),
        ((lock_timeout("2s"), Begin(), lock_timeout("0"), Rollback()), True),
        ((Begin(), lock_timeout("2s", local=True), lock_timeout("0")), False),
        ((lock_timeout("2s"), Rollback()), True),
        ((Begin(), Savepoint(name="a"), lock_timeout("2s"), Rollback(to_savepoint="a")), False),
        ((Begin(), lock_timeout("2s"), Savepoint(name="a"), Rollback(to_savepoint="a")), True),
        ((Begin(), lock_timeout("2s"), Rollback(to_savepoint="unknown")), True),
    ],
)
def test_a_lock_timeout_is_in_effect_where_postgresql_has_it(
    operations: tuple[Operation, ...], *, has_timeout: bool
) -> None:
    session = Session({})
    for operation in operations:
        session.apply(operation)
    assert session.has_lock_timeout is has_timeout


def test_reset_goes_back_to_what_the_session_began_with() -> None:
    session = Session({"lock_timeout": "2s"})
    session.apply(lock_timeout("0"))
    session.apply(RESET)
    assert session.has_lock_timeout


def test_every_transaction_has_its_own_number() -> None:
    session = Session({})
    seen = [session.transaction]
    for operation in (Begin(), Commit(), Begin(), Begin(), Rollback()):
        session.apply(operation)
        seen.append(session.transaction)
    assert seen == [None, 1, None, 2, 2, None]


def test_a_tool_that_wraps_the_script_has_begun_a_transaction() -> None:
    session = Session({}, wrapped=True)
    session.apply(lock_timeout("2s", local=True))
    assert session.transaction == 1
    assert session.has_lock_timeout
