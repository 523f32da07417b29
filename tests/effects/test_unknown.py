"""What the catalog does not tell is said, and the worse case stands."""

import pytest

from migsafe.catalog.history import load_schema
from migsafe.catalog.model import Catalog
from migsafe.effects.compatibility import compatibility_of
from migsafe.effects.model import Blocks, Compatibility, Effects, LockMode
from migsafe.effects.predict import effects_of, merge
from migsafe.sql.names import Name
from migsafe.sql.script import read_script

T = Name("t", "public")
SCHEMA = load_schema(
    "CREATE TABLE t (a int, b text NOT NULL, c varchar(9), CHECK (a IS NOT NULL AND b <> ''))"
)


def effects(sql: str, catalog: Catalog | None = None) -> Effects:
    (statement,) = read_script(sql).statements
    return merge(effects_of(o, catalog or Catalog()) for o in statement.operations)


def compatibility(sql: str, catalog: Catalog = SCHEMA) -> Compatibility:
    (statement,) = read_script(sql).statements
    return compatibility_of(statement.operations[0], catalog)


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ALTER a TYPE bigint",
        "ALTER TABLE t ADD x text DEFAULT my_function()",
        "ALTER TABLE t ADD x my_domain",
    ],
)
def test_an_unknown_type_or_function_rewrites_and_is_not_certain(sql: str) -> None:
    found = effects(sql)
    assert found.rewrites == (T,)
    assert not found.certain
    assert found.depends_on


def test_set_not_null_on_an_unknown_table_reads_it() -> None:
    found = effects("ALTER TABLE t ALTER a SET NOT NULL")
    assert (found.scans, found.certain) == ((T,), False)


def test_a_check_that_says_or_proves_nothing() -> None:
    catalog = load_schema("CREATE TABLE t (a int, CHECK (a IS NOT NULL OR true))")
    assert effects("ALTER TABLE t ALTER a SET NOT NULL", catalog).scans == (T,)


@pytest.mark.parametrize("sql", ["DO $$ BEGIN EXECUTE current_query(); END $$", "CALL p()", "FROBNICATE"])
def test_what_cannot_be_seen_into_may_block_everything(sql: str) -> None:
    found = effects(sql, SCHEMA)
    assert (found.blocks, found.certain) == (Blocks.READS_AND_WRITES, False)


def test_concurrently_needs_to_be_outside_a_transaction() -> None:
    for sql in (
        "CREATE INDEX CONCURRENTLY ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "VACUUM t",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    ):
        assert effects(sql).needs_no_transaction, sql
    assert not effects("CREATE INDEX ON t (a)").needs_no_transaction


def test_an_index_made_concurrently_blocks_nobody() -> None:
    found = effects("CREATE INDEX CONCURRENTLY ON t (a)", SCHEMA)
    assert found.blocks is Blocks.NONE
    assert [lock.mode for lock in found.locks] == [LockMode.SHARE_UPDATE_EXCLUSIVE]


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t RENAME a TO x",
        "ALTER TABLE t DROP a",
        "ALTER TABLE t ALTER a TYPE text",
        "ALTER TABLE t ALTER c SET NOT NULL",
        "ALTER TABLE t ALTER b DROP DEFAULT",
        "ALTER TABLE t ADD x int NOT NULL",
        "ALTER TABLE t ADD UNIQUE (a)",
        "DROP TABLE t",
    ],
)
def test_the_old_version_breaks(sql: str) -> None:
    found = compatibility(sql)
    assert not found.old
    assert found.new
    assert found.reason


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ADD x int",
        "ALTER TABLE t ADD x int NOT NULL DEFAULT 1",
        "ALTER TABLE t ALTER a TYPE bigint",
        "ALTER TABLE t ALTER a SET NOT NULL",
        "ALTER TABLE t ALTER c DROP DEFAULT",
        "CREATE INDEX ON t (a)",
        "CREATE TABLE u ()",
    ],
)
def test_both_versions_work(sql: str) -> None:
    assert compatibility(sql) == Compatibility()
