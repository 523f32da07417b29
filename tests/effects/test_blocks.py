"""The statements inside of a DO block: what each does, on the schema that those before it leave."""

from migsafe.catalog.history import load_schema, replay
from migsafe.catalog.model import Catalog
from migsafe.effects.model import Lock, LockMode
from migsafe.effects.script import StatementEffects, script_effects
from migsafe.sql.names import Name
from migsafe.sql.script import read_script

T = Name("t", "public")
SCHEMA = load_schema("CREATE TABLE t (a int)")


def block(code: str, catalog: Catalog = SCHEMA) -> StatementEffects:
    (found,) = script_effects(read_script(f"DO $$ BEGIN {code} END $$"), catalog).statements
    return found


def test_what_surely_runs_is_certain() -> None:
    found = block("ALTER TABLE t ADD b int; EXECUTE 'ALTER TABLE t ALTER a TYPE bigint';").effects
    assert found.locks == (Lock(T, LockMode.ACCESS_EXCLUSIVE),)
    assert found.rewrites == (T,)
    assert found.certain


def test_what_may_not_run_counts_and_is_not_certain() -> None:
    found = block("IF a THEN ALTER TABLE t ALTER a TYPE bigint; END IF;").effects
    assert found.rewrites == (T,)
    assert not found.certain
    assert "which of its statements the block runs" in found.depends_on


def test_a_table_that_the_block_makes_is_locked_for_nobody_else() -> None:
    found = block("CREATE TABLE u (a int); ALTER TABLE u ALTER a TYPE text;").effects
    assert (found.locks, found.rewrites) == ((), ())


def test_a_table_that_the_block_may_make_may_also_be_there_already() -> None:
    found = block(
        "IF a THEN CREATE TABLE u (a int); END IF; ALTER TABLE u ALTER a TYPE text;", Catalog()
    ).effects
    assert found.rewrites == (Name("u", "public"),)


def test_concurrently_fails_in_a_block() -> None:
    assert block("CREATE INDEX CONCURRENTLY i ON t (a);").effects.fails


def test_the_schema_behind_a_block_is_known() -> None:
    script = read_script("DO $$ BEGIN IF x THEN ALTER TABLE t ADD b int; END IF; END $$")
    table = replay([(None, script)], SCHEMA).table(Name("t"))
    assert table is not None
    assert [column.name for column in table.columns] == ["a", "b"]


def test_code_that_is_put_together_while_it_runs_leaves_the_schema_in_doubt() -> None:
    script = read_script("DO $$ BEGIN EXECUTE format('DROP TABLE %I', x); END $$")
    assert replay([(None, script)], SCHEMA).doubts
