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


def test_reset_and_default_go_back_to_the_configured_settings() -> None:
    sql = "SET lock_timeout = 0; RESET lock_timeout; SET lock_timeout TO DEFAULT; RESET ALL; SELECT 1;"
    script = script_effects(read_script(sql), load_schema(SCHEMA), settings={"lock_timeout": "2s"})
    assert [each.lock_timeout for each in script.statements] == [2000, None, 2000, 2000, 2000]


def test_locks_held_go_by_the_name_that_the_relation_has_now() -> None:
    found = statements("BEGIN; ALTER TABLE users RENAME TO people; SELECT 1; DROP TABLE people; COMMIT;")
    assert [str(lock.relation) for lock in found[1].held] == ["public.users"]
    assert [str(lock.relation) for lock in found[2].held] == ["public.people"]
    assert [str(lock.relation) for lock in found[3].held] == ["public.people"]


def test_nobody_feels_what_happens_to_a_temporary_table() -> None:
    found = statements("CREATE TEMP TABLE t (id int PRIMARY KEY); ALTER TABLE t ALTER COLUMN id TYPE bigint;")
    effects = found[1].effects
    assert (effects.locks, effects.rewrites, effects.builds_index, effects.blocks) == ((), (), False, "none")


def test_a_session_ends_with_its_script() -> None:
    script = script_effects(read_script("SET search_path = a; CREATE TEMP TABLE t ();"), load_schema(SCHEMA))
    assert script.catalog.search_path == ("public",)
    assert not script.catalog.temporaries


def test_actions_of_one_statement_see_what_those_before_them_leave() -> None:
    sql = "ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT 1, ADD CONSTRAINT u UNIQUE (a);"
    (found,) = statements(sql)
    assert found.effects.fails == ""
    (again,) = statements("ALTER TABLE users ALTER COLUMN id DROP NOT NULL, ALTER COLUMN id SET NOT NULL;")
    assert "primary key" in again.effects.fails


def test_an_uncertain_statement_leaves_the_locks_of_its_transaction_uncertain() -> None:
    found = statements("BEGIN; ALTER TABLE users SET TABLESPACE x; LOCK TABLE orders; COMMIT; SELECT 1;")
    assert found[2].effects.certain
    assert [each.held_certain for each in found] == [True, False, False, False, True]
