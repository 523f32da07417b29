"""What linters of today get wrong, by their users' reports and our own trials: here it is right.

Each case is a script, and the rules that it breaks. See docs/hazards.md.
"""

import pytest

from migsafe.catalog.history import load_schema
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source

LINTER = Linter(shipped_rules())
SCHEMA = """
CREATE TABLE users (id bigint PRIMARY KEY, email text, name varchar(50), age integer);
CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint, total integer,
                     CONSTRAINT orders_total_check CHECK (total > 0));
CREATE TABLE countries (code text CONSTRAINT countries_key UNIQUE);
CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE INDEX users_email_idx ON users (email);
"""


def rules(sql: str, *, wrapped: bool = False, timeouts: bool = True, version: int = 180000) -> list[str]:
    options = LintOptions(
        catalog=load_schema(SCHEMA),
        settings={"lock_timeout": "2s"} if timeouts else {},
        server_version=version,
        wrapped=wrapped,
    )
    return [finding.rule for finding in LINTER.lint([Source(path="1.sql", text=sql)], options).findings]


@pytest.mark.parametrize(
    "default",
    [
        *("now()", "timezone('utc', now())", "CURRENT_DATE", "CURRENT_TIMESTAMP", "-1", "'{}'::jsonb"),
        *("make_interval(days => 3)", "current_user", "(1 + 2) * 3", "'a'::text || 'b'", "ARRAY[]::text[]"),
        *("NULL", "false", "now() + interval '1 day'", "lower('A')", "statement_timestamp()"),
    ],
)
def test_a_constant_or_stable_default_is_free(default: str) -> None:
    assert rules(f"ALTER TABLE users ADD COLUMN extra text DEFAULT {default};") == []


@pytest.mark.parametrize(
    "default",
    [
        *("clock_timestamp()", "gen_random_uuid()", "random()", "md5(random()::text)", "my_function()"),
        *("nextval('users_id_seq')", "uuid_generate_v4()", "timeofday()"),
    ],
)
def test_a_volatile_or_unknown_default_is_not(default: str) -> None:
    assert rules(f"ALTER TABLE users ADD COLUMN extra text DEFAULT {default};") == ["volatile-default"]


def test_a_function_of_the_schema_counts_as_it_is_declared() -> None:
    add = "ALTER TABLE users ADD COLUMN extra text DEFAULT code();"
    made = "CREATE FUNCTION code() RETURNS text LANGUAGE sql {} AS $$SELECT 'a'$$; "
    assert rules(made.format("STABLE") + add) == []
    assert rules(made.format("IMMUTABLE") + add) == []
    assert rules(made.format("VOLATILE") + add) == ["volatile-default"]
    assert rules(made.format("") + add) == ["volatile-default"]


def test_a_virtual_column_rewrites_nothing() -> None:
    assert rules("ALTER TABLE users ADD COLUMN twice integer GENERATED ALWAYS AS (age * 2) VIRTUAL;") == []


def test_a_table_made_in_the_same_script_is_free_also_without_a_transaction() -> None:
    script = """
    CREATE TABLE notes (id bigint PRIMARY KEY, text text);
    CREATE INDEX notes_text_idx ON notes (text);
    ALTER TABLE notes ADD CONSTRAINT notes_text_key UNIQUE (text);
    ALTER TABLE notes ALTER COLUMN text SET NOT NULL;
    ALTER TABLE notes RENAME COLUMN text TO body;
    ALTER TABLE notes RENAME TO remarks;
    ALTER TABLE remarks DROP COLUMN body;
    UPDATE remarks SET id = 1;
    TRUNCATE remarks;
    """
    assert rules(script, timeouts=False) == []


def test_a_table_that_was_rolled_back_and_was_there_before_is_not_new() -> None:
    script = "BEGIN; DROP TABLE countries CASCADE; CREATE TABLE countries (code text); ROLLBACK; "
    assert "renamed-column" in rules(script + "ALTER TABLE countries RENAME COLUMN code TO iso;")


def test_set_not_null_is_free_only_after_a_valid_check_of_the_same_column() -> None:
    other = """
    ALTER TABLE users ADD CONSTRAINT c CHECK (age IS NOT NULL) NOT VALID;
    ALTER TABLE users VALIDATE CONSTRAINT c;
    ALTER TABLE users ALTER COLUMN email SET NOT NULL;"""
    assert rules(other) == ["not-null-scan"]
    assert rules(other.replace("age IS", "email IS")) == []
    not_validated = other.replace("ALTER TABLE users VALIDATE CONSTRAINT c;", "")
    assert rules(not_validated.replace("age IS", "email IS")) == ["not-null-scan"]
    either = other.replace("age IS NOT NULL", "email IS NOT NULL OR age IS NOT NULL")
    assert rules(either) == ["not-null-scan"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY i ON users (age)",
        "CREATE UNIQUE INDEX CONCURRENTLY i ON users (age)",
        "DROP INDEX CONCURRENTLY users_email_idx",
        "REINDEX INDEX CONCURRENTLY users_email_idx",
        "REINDEX (CONCURRENTLY) TABLE users",
        "REINDEX TABLE CONCURRENTLY users",
        "ALTER TABLE events DETACH PARTITION events_2024 CONCURRENTLY",
        "VACUUM users",
        "CREATE DATABASE other",
        "ALTER SYSTEM SET work_mem = '1GB'",
    ],
)
def test_what_needs_no_transaction_is_found_in_every_form_and_in_the_tools_own_transaction(
    statement: str,
) -> None:
    assert "concurrently-in-transaction" in rules(f"{statement};", wrapped=True)
    assert "concurrently-in-transaction" in rules(f"BEGIN; {statement}; COMMIT;")
    assert "concurrently-in-transaction" not in rules(f"{statement};")


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("", True),
        ("SET lock_timeout = '2s';", False),
        ("SET lock_timeout TO 2000;", False),
        ("SELECT set_config('lock_timeout', '2s', false);", False),
        ("SET lock_timeout = 0;", True),
        ("SET lock_timeout = '2s'; RESET lock_timeout;", True),
        ("SET lock_timeout = '2s'; RESET ALL;", True),
        ("SET lock_timeout = '2s'; SET lock_timeout TO DEFAULT;", True),
        ("SET LOCAL lock_timeout = '2s';", True),
        ("BEGIN; SET LOCAL lock_timeout = '2s'; COMMIT;", True),
        ("BEGIN; SET lock_timeout = '2s'; ROLLBACK;", True),
        ("BEGIN; SET lock_timeout = '2s'; COMMIT;", False),
        ("SELECT set_config('lock_timeout', '2s', true);", True),
        ("SET statement_timeout = '2s';", True),
    ],
)
def test_a_lock_timeout_counts_where_it_is_in_effect(before: str, found: bool) -> None:  # noqa: FBT001 -- a table of cases
    script = f"{before} ALTER TABLE users ADD COLUMN nickname text;"
    assert ("missing-lock-timeout" in rules(script, timeouts=False)) is found


def test_a_timeout_behind_the_statement_does_not_count() -> None:
    script = "ALTER TABLE users ADD COLUMN nickname text; SET lock_timeout = '2s';"
    assert rules(script, timeouts=False) == ["missing-lock-timeout"]


def test_a_foreign_key_on_a_new_column_checks_no_rows() -> None:
    assert rules("ALTER TABLE orders ADD COLUMN owner_id bigint REFERENCES users (id);") == []


def test_a_foreign_key_in_a_new_table_locks_the_other_one() -> None:
    script = "CREATE TABLE notes (id bigint PRIMARY KEY, user_id bigint REFERENCES users (id));"
    assert rules(script, timeouts=False) == ["missing-lock-timeout"]


@pytest.mark.parametrize("constraint", ["UNIQUE (email)", "EXCLUDE (email WITH =)"])
def test_not_valid_is_never_advised_for_what_is_an_index(constraint: str) -> None:
    found = rules(f"ALTER TABLE users ADD CONSTRAINT c {constraint};")
    texts = [rule.instead for rule in shipped_rules() if rule.name in found]
    assert found
    assert not any("NOT VALID" in text for text in texts)


def test_an_index_of_a_constraint_is_not_to_be_dropped_concurrently_either() -> None:
    assert rules("DROP INDEX countries_key;") == ["constraint-index-drop"]
    assert rules("DROP INDEX CONCURRENTLY countries_key;") == ["constraint-index-drop"]


def test_an_index_on_the_partitioned_table_alone_blocks_nothing() -> None:
    assert rules("CREATE INDEX i ON ONLY events (what);") == []


def test_widening_is_free_and_narrowing_is_not() -> None:
    assert rules("ALTER TABLE users ALTER COLUMN name TYPE varchar(100);") == []
    assert rules("ALTER TABLE users ALTER COLUMN name TYPE text;") == []
    narrow = ["changed-column-type", "narrowing-type-change", "rewriting-type-change"]
    assert sorted(rules("ALTER TABLE users ALTER COLUMN name TYPE varchar(20);")) == narrow


def test_statements_in_a_block_are_judged_like_all_others() -> None:
    block = "DO $$ BEGIN ALTER TABLE users DROP COLUMN email; CREATE INDEX i ON users (age); END $$;"
    assert sorted(rules(block)) == ["blocking-index-build", "dropped-column"]


def test_a_non_ascii_comment_moves_nothing() -> None:
    script = "-- Größe: naïve façade 🎉\nALTER TABLE users DROP COLUMN email;"
    options = LintOptions(catalog=load_schema(SCHEMA), settings={"lock_timeout": "2s"})
    (finding,) = LINTER.lint([Source(path="1.sql", text=script)], options).findings
    assert (finding.line, finding.column, finding.end_column) == (2, 1, 36)


def test_one_statement_that_cannot_be_read_costs_only_itself() -> None:
    script = "ALTER TABEL users ADD COLUMN a text;\nALTER TABLE users DROP COLUMN email;"
    assert rules(script) == ["unread-statement", "dropped-column"]


def test_a_rename_in_a_transaction_of_one_table_is_one_finding() -> None:
    script = "BEGIN; ALTER TABLE users ADD COLUMN a text; ALTER TABLE users ADD COLUMN b text; COMMIT;"
    assert rules(script) == []


def test_two_tables_in_one_transaction_are_found() -> None:
    script = "ALTER TABLE users ADD COLUMN a text; ALTER TABLE orders ADD COLUMN b text;"
    assert rules(script) == []
    assert rules(script, wrapped=True) == ["several-tables-locked"]


def test_a_table_that_is_renamed_on_the_way_is_still_one_table() -> None:
    script = "ALTER TABLE users RENAME TO people; ALTER TABLE people ADD COLUMN a text;"
    assert rules(script, wrapped=True) == ["renamed-table"]


def test_work_behind_a_strong_lock_is_found_and_rows_of_a_new_table_are_not() -> None:
    lock = "ALTER TABLE users ADD COLUMN a text;"
    assert rules(f"{lock} INSERT INTO countries SELECT name FROM users;", wrapped=True) == ["work-under-lock"]
    assert rules(f"{lock} CREATE TABLE t (a int); INSERT INTO t VALUES (1);", wrapped=True) == []


def test_an_enum_made_in_the_same_transaction_may_be_used() -> None:
    script = """
    CREATE TYPE state AS ENUM ('new', 'paid');
    CREATE TABLE bills (id bigint PRIMARY KEY, state state NOT NULL DEFAULT 'new');"""
    assert rules(script, wrapped=True) == []


def test_grants_on_what_the_script_makes_are_nobodys_loss() -> None:
    script = """
    CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1';
    REVOKE ALL ON FUNCTION one() FROM PUBLIC;
    GRANT EXECUTE ON FUNCTION one() TO reporting;"""
    assert rules(script) == []


def test_a_view_that_is_made_again_in_the_same_script_is_not_lost() -> None:
    script = "CREATE VIEW v AS SELECT 1 AS a; DROP VIEW v; CREATE VIEW v AS SELECT 2 AS b;"
    assert rules(script) == []
    again = "DROP VIEW IF EXISTS totals; CREATE VIEW totals AS SELECT count(*) FROM users;"
    assert rules(again) == []
