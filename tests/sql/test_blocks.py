"""Code in DO blocks and routines: which SQL it runs, where it stands, and whether it surely runs."""

import pytest

from migsafe.sql.bodies import body_of
from migsafe.sql.changes import CreateFunction
from migsafe.sql.operations import (
    AddColumn,
    CreateTable,
    DropTable,
    OpaqueCode,
    OtherStatement,
    Query,
    SetSetting,
    Unread,
    Update,
)
from migsafe.sql.script import ReadStatement, read_script


def read_one(text: str) -> ReadStatement:
    (statement,) = read_script(text).statements
    return statement


def seen(text: str) -> list[tuple[str, str, bool]]:
    """Kind of each operation, its text in the script, and whether it is conditional."""
    return [(p.operation.kind, text[p.start : p.end], p.conditional) for p in read_one(text).parts]


def test_each_statement_of_a_block_stands_where_it_is_written() -> None:
    text = "-- é\n DO $do$ BEGIN\n ALTER TABLE t ADD a int;\n /* x */ DROP TABLE u; END $do$;"
    assert seen(text) == [
        ("add_column", "ALTER TABLE t ADD a int", False),
        ("drop_table", "DROP TABLE u", False),
    ]


def test_a_block_in_quotes_with_escapes_stands_as_a_whole() -> None:
    text = "DO 'BEGIN PERFORM f(''x''); DROP TABLE u; END'"
    assert seen(text) == [("query", text, False), ("drop_table", text, False)]


def test_a_block_in_quotes_without_escapes_has_exact_offsets() -> None:
    assert seen("DO LANGUAGE plpgsql 'BEGIN DROP TABLE u; END'") == [("drop_table", "DROP TABLE u", False)]


@pytest.mark.parametrize(
    "block",
    [
        "BEGIN IF a THEN DROP TABLE u; END IF; END",
        "BEGIN IF a THEN NULL; ELSIF b THEN DROP TABLE u; END IF; END",
        "BEGIN IF a THEN NULL; ELSE DROP TABLE u; END IF; END",
        "BEGIN CASE a WHEN 1 THEN DROP TABLE u; ELSE NULL; END CASE; END",
        "BEGIN FOR i IN 1..3 LOOP DROP TABLE u; END LOOP; END",
        "BEGIN WHILE a LOOP DROP TABLE u; END LOOP; END",
        "BEGIN DROP TABLE u; EXCEPTION WHEN others THEN NULL; END",
        "BEGIN NULL; EXCEPTION WHEN others THEN DROP TABLE u; END",
        "BEGIN BEGIN DROP TABLE u; EXCEPTION WHEN undefined_table THEN NULL; END; END",
    ],
)
def test_what_may_not_run_is_conditional(block: str) -> None:
    assert seen(f"DO $$ {block} $$") == [("drop_table", "DROP TABLE u", True)]


def test_behind_a_branch_all_is_certain_again() -> None:
    text = "DO $$ BEGIN IF a THEN NULL; END IF; DROP TABLE u; END $$"
    assert seen(text) == [("drop_table", "DROP TABLE u", False)]


def test_a_case_expression_ends_no_condition() -> None:
    text = "DO $$ BEGIN IF CASE WHEN a THEN b ELSE c END THEN DROP TABLE u; END IF; END $$"
    assert seen(text) == [("drop_table", "DROP TABLE u", True)]


def test_execute_of_a_constant_is_read_and_stands_as_the_whole_execute() -> None:
    text = "DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD a int' USING x; END $$"
    assert seen(text) == [("add_column", "EXECUTE 'ALTER TABLE t ADD a int' USING x", False)]


@pytest.mark.parametrize(
    "execute",
    [
        "EXECUTE 'DROP TABLE ' || x",
        "EXECUTE format('DROP TABLE %I', x)",
        "EXECUTE sql",
        "RETURN QUERY EXECUTE sql",
        "FOR r IN EXECUTE sql LOOP NULL; END LOOP",
        "OPEN c FOR EXECUTE sql",
        "COMMIT",
    ],
)
def test_what_is_decided_while_it_runs_is_opaque(execute: str) -> None:
    (part,) = read_one(f"DO $$ BEGIN {execute}; END $$").parts
    assert isinstance(part.operation, OpaqueCode)
    assert part.operation.tag == "DO"


def test_a_block_without_sql_is_read() -> None:
    statement = read_one("DO $$ BEGIN RAISE NOTICE 'x'; END $$")
    assert statement.operations == (OtherStatement(tag="DO NOTHING"),)


def test_into_names_variables_in_a_block() -> None:
    statement = read_one("DO $$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM t; END $$")
    (operation,) = statement.operations
    assert isinstance(operation, Query)
    assert [str(table) for table in operation.tables] == ["t"]


def test_a_setting_that_may_not_change_cannot_be_relied_on() -> None:
    (certain,) = read_one("DO $$ BEGIN SET lock_timeout = '1s'; END $$").operations
    (maybe,) = read_one("DO $$ BEGIN IF a THEN SET lock_timeout = '1s'; END IF; END $$").operations
    assert isinstance(certain, SetSetting)
    assert isinstance(maybe, OpaqueCode)


def test_what_is_not_understood_in_a_block_is_opaque_and_the_rest_is_read() -> None:
    first, second = read_one("DO $$ BEGIN ALTER TABLE t FROBNICATE; DROP TABLE u; END $$").operations
    assert isinstance(first, OpaqueCode)
    assert isinstance(second, DropTable)


@pytest.mark.parametrize("code", ["DO LANGUAGE plpython3u 'x = 1'", "CALL p()", "EXECUTE p (1)"])
def test_other_code_is_opaque(code: str) -> None:
    (operation,) = read_one(code).operations
    assert isinstance(operation, OpaqueCode)


def test_a_conditional_operation_is_replayed_as_if_its_work_may_be_done() -> None:
    text = "DO $$ BEGIN IF a THEN ALTER TABLE t ADD c int; CREATE TABLE v (); DROP TABLE u; END IF; END $$"
    added, made, dropped = read_one(text).replayed
    assert isinstance(added, AddColumn)
    assert added.if_not_exists
    assert isinstance(made, CreateTable)
    assert made.if_not_exists
    assert isinstance(dropped, DropTable)
    assert dropped.if_exists
    assert not any(getattr(o, "if_not_exists", False) for o in read_one(text).operations)


def routine(text: str) -> CreateFunction:
    (operation,) = read_one(text).operations
    assert isinstance(operation, OtherStatement)
    (change,) = operation.changes
    assert isinstance(change, CreateFunction)
    return change


@pytest.mark.parametrize(
    "text",
    [
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ UPDATE t SET a = 1 $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'UPDATE t SET a = 1'",
        "CREATE FUNCTION f() RETURNS void BEGIN ATOMIC UPDATE t SET a = 1; END",
        "CREATE PROCEDURE f() LANGUAGE plpgsql AS $x$ BEGIN UPDATE t SET a = 1; END $x$",
        "/* c */ CREATE OR REPLACE PROCEDURE f() LANGUAGE plpgsql AS $x$ BEGIN UPDATE t SET a = 1; END $x$",
    ],
)
def test_the_body_of_a_routine_is_read_with_offsets(text: str) -> None:
    made = routine(text)
    (part,) = body_of(made)
    assert isinstance(part.operation, Update)
    assert made.body[part.start : part.end] == "UPDATE t SET a = 1"
    (statement,) = read_script(text).statements
    start = statement.start + made.body_start
    assert text[start + part.start : start + part.end] == "UPDATE t SET a = 1"


def test_a_routine_inside_of_a_block_has_its_offset_in_its_own_statement() -> None:
    inner = "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $b$ DELETE FROM t $b$"
    (part,) = read_one(f"DO $$ BEGIN {inner}; END $$").parts
    assert isinstance(part.operation, OtherStatement)
    (change,) = part.operation.changes
    assert isinstance(change, CreateFunction)
    assert inner[change.body_start :].startswith(" DELETE FROM t ")


def test_a_body_in_another_language_is_opaque() -> None:
    (part,) = body_of(routine("CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'return 1'"))
    assert isinstance(part.operation, OpaqueCode)


@pytest.mark.parametrize("text", ["DO $$ BEGIN", "DO", "DO $$ BEGIN END $$ x"])
def test_a_broken_do_is_unread(text: str) -> None:
    assert isinstance(read_one(text).operations[0], Unread)
