"""A whole script: what its transactions hold, which timeouts are in effect, and when statements fail."""

from migsafe.catalog.history import load_schema
from migsafe.effects.model import Lasts, LockMode, Phase
from migsafe.effects.script import StatementEffects, script_effects
from migsafe.sql.script import read_script

SCHEMA = """
CREATE TABLE users (id bigint PRIMARY KEY, email text);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint);
CREATE TYPE mood AS ENUM ('sad');
"""


def statements(sql: str, *, wrapped: bool = False) -> tuple[StatementEffects, ...]:
    return script_effects(read_script(sql), load_schema(SCHEMA), wrapped=wrapped).statements


def test_a_transaction_holds_what_its_statements_took() -> None:
    found = statements("BEGIN; LOCK TABLE users IN SHARE MODE; ALTER TABLE orders ADD COLUMN a int; COMMIT;")
    held = {str(lock.relation): lock.mode for lock in found[2].held}
    assert held == {"public.users": LockMode.SHARE, "public.orders": LockMode.ACCESS_EXCLUSIVE}
    assert found[3].held == ()
    assert found[1].transaction == found[2].transaction == 1


def test_what_cannot_run_in_a_transaction_fails_in_one() -> None:
    sql = "CREATE INDEX CONCURRENTLY i ON users (email);"
    assert statements(sql)[0].effects.fails == ""
    assert "transaction" in statements(sql, wrapped=True)[0].effects.fails


def test_concurrently_waits_for_other_transactions_and_blocks_nobody() -> None:
    effects = statements("CREATE INDEX CONCURRENTLY i ON users (email);")[0].effects
    assert (effects.lasts, effects.blocks) == (Lasts.OTHER_TRANSACTIONS, "none")


def test_a_value_of_an_enum_cannot_be_used_in_the_transaction_that_adds_it() -> None:
    sql = "ALTER TYPE mood ADD VALUE 'glad'; ALTER TABLE users ADD COLUMN m mood DEFAULT 'glad';"
    assert statements(sql)[1].effects.fails == ""
    assert "glad" in statements(sql, wrapped=True)[1].effects.fails


def test_a_table_of_the_same_transaction_blocks_nobody() -> None:
    sql = "CREATE TABLE t (id int); ALTER TABLE t ADD COLUMN u uuid DEFAULT gen_random_uuid();"
    inside = statements(sql, wrapped=True)[1].effects
    assert (inside.locks, inside.rewrites) == ((), ())
    assert statements(sql)[1].effects.rewrites


def test_the_timeouts_are_those_when_the_statement_starts() -> None:
    found = statements(
        "SET lock_timeout = '2s'; TRUNCATE users; BEGIN; SET LOCAL statement_timeout = 5; SELECT 1;"
    )
    assert found[0].lock_timeout is None
    assert found[1].lock_timeout == 2000
    assert found[4].statement_timeout == 5


def test_what_is_refused_changes_nothing_for_later_statements() -> None:
    found = statements("ALTER TABLE users INHERIT users; ALTER TABLE users ADD COLUMN a int;")
    assert found[0].effects.fails
    assert not found[1].effects.fails


def test_phases_follow_what_breaks() -> None:
    sql = """ALTER TABLE users ADD COLUMN a int; UPDATE users SET a = 1; ALTER TABLE users DROP COLUMN a;
             TRUNCATE users; SELECT 1;"""
    assert [each.phase for each in statements(sql)] == [
        Phase.EXPAND,
        Phase.BACKFILL,
        Phase.CONTRACT,
        Phase.BOTH,
        Phase.NEUTRAL,
    ]
