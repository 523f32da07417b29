"""What each tool's files mean: which half runs, in which transaction, in which order."""

import io
from pathlib import Path

import pytest

from migsafe.lint.request import LintRequest
from migsafe.lint.run import lint_paths
from migsafe.sources.gather import Request, gather
from migsafe.sources.model import Source
from migsafe.sources.settings import Direction, SourceKind, SourceSettings
from migsafe.sources.tools import dbmate, flyway, goose, liquibase, node_pg_migrate, sqitch
from migsafe.sql.script import read_script

UP, DOWN = Direction.UP, Direction.DOWN


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def read(folder: Path, direction: Direction = UP) -> list[Source]:
    found = gather(Request(paths=(str(folder),), direction=direction), stdin=io.BytesIO())
    return [source for source in found if source.judged]


def statements(text: str) -> list[str]:
    return [statement.text for statement in read_script(text).statements]


def names(sources: list[Source]) -> list[str]:
    return [Path(source.path).name for source in sources]


GOOSE = """-- migsafe: allow-file x: y
-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'
-- +goose StatementEnd
CREATE TABLE t (id int);

-- +goose Down
DROP TABLE t;
"""


def test_goose_runs_one_half_in_a_transaction() -> None:
    up = goose.mark(GOOSE, UP)
    assert up.in_transaction is True
    assert statements(up.text) == [
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2'",
        "CREATE TABLE t (id int)",
    ]
    assert statements(goose.mark(GOOSE, DOWN).text) == ["DROP TABLE t"]


def test_what_stands_above_the_first_marker_speaks_for_both_halves() -> None:
    for direction in Direction:
        assert "allow-file" in goose.mark(GOOSE, direction).text


def test_goose_no_transaction_counts_in_any_case() -> None:
    text = "-- +goose no transaction\n-- +goose up\nCREATE INDEX CONCURRENTLY i ON t (a);"
    assert goose.mark(text, UP).in_transaction is False


def test_goose_placeholders_become_names_of_the_same_length() -> None:
    text = "-- +goose Up\n-- +goose ENVSUB ON\nCREATE TABLE ${SCHEMA}.t (id int);"
    marked = goose.mark(text, UP)
    assert len(marked.text) == len(text)
    assert "$" not in statements(marked.text)[0]


def test_dbmate_reads_the_option_of_each_half() -> None:
    text = "-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2;\n"
    up, down = dbmate.mark(text, UP), dbmate.mark(text, DOWN)
    assert (up.in_transaction, statements(up.text)) == (False, ["SELECT 1"])
    assert (down.in_transaction, statements(down.text)) == (True, ["SELECT 2"])


def test_dbmate_without_a_transaction_sends_several_statements_as_one() -> None:
    text = "-- migrate:up transaction:false\nSELECT 1;\nSELECT 2;\n-- migrate:down\n"
    assert dbmate.mark(text, UP).in_transaction is True


def test_dbmate_sorts_names_as_text(tmp_path: Path) -> None:
    text = "-- migrate:up\nSELECT 1;\n-- migrate:down\n"
    put(tmp_path, {"2_b.sql": text, "10_c.sql": text})
    assert names(read(tmp_path)) == ["10_c.sql", "2_b.sql"]


def test_node_pg_migrate_without_markers_is_all_up() -> None:
    assert statements(node_pg_migrate.mark("SELECT 1;", UP).text) == ["SELECT 1"]
    assert not node_pg_migrate.mark("SELECT 1;", DOWN).applies


def test_node_pg_migrate_has_its_halves_in_either_order() -> None:
    text = "-- Down Migration\nSELECT 2;\n---- up migration of all\nSELECT 1;"
    assert statements(node_pg_migrate.mark(text, UP).text) == ["SELECT 1"]
    assert statements(node_pg_migrate.mark(text, DOWN).text) == ["SELECT 2"]


LIQUIBASE = """--liquibase formatted sql

--changeset ann:1
CREATE TABLE t (id int);
--rollback DROP TABLE t;

--changeset ann:2 runInTransaction:false
CREATE INDEX CONCURRENTLY i ON t (id);
--rollback DROP INDEX i;

--changeset ann:3 dbms:mysql
CREATE TABLE u (id int) ENGINE=InnoDB;

--changeset ann:"4 and more" endDelimiter:// dbms:postgresql,h2
CREATE TABLE v (id int)
//
CREATE TABLE w (id int)
//
/* liquibase rollback
DROP TABLE w;
DROP TABLE v;
*/
"""


def test_liquibase_gives_every_changeset_its_own_transaction() -> None:
    marked = liquibase.mark(LIQUIBASE, UP)
    assert marked.in_transaction is False
    assert statements(marked.text) == [
        "BEGIN",
        "CREATE TABLE t (id int)",
        "COMMIT",
        "CREATE INDEX CONCURRENTLY i ON t (id)",
        "BEGIN",
        "CREATE TABLE v (id int)",
        "CREATE TABLE w (id int)",
        "COMMIT",
    ]


def test_liquibase_statements_keep_their_places() -> None:
    marked = liquibase.mark(LIQUIBASE, UP)
    for statement in read_script(marked.text).statements:
        if statement.text not in {"BEGIN", "COMMIT"}:
            assert LIQUIBASE[statement.start : statement.end] == statement.text


def test_what_an_earlier_changeset_made_is_in_use_when_a_later_one_runs(tmp_path: Path) -> None:
    index = "CREATE INDEX {0}_idx ON {0} (id);\n"
    put(
        tmp_path,
        {
            "changelog.sql": "--liquibase formatted sql\n"
            "--changeset ann:1\nCREATE TABLE old (id int);\n" + index.format("old") + "--changeset ann:2\n"
            "CREATE TABLE new (id int);\n" + index.format("new") + index.format("old"),
        },
    )
    report = lint_paths(LintRequest(paths=(str(tmp_path / "changelog.sql"),)), stdin=io.BytesIO())
    found = [(finding.rule, finding.line) for file in report.files for finding in file.findings]
    assert ("blocking-index-build", 8) in found
    assert not {line for rule, line in found if rule == "blocking-index-build"} - {8}


def test_liquibase_rollbacks_are_the_way_back() -> None:
    marked = liquibase.mark(LIQUIBASE, DOWN)
    assert [text for text in statements(marked.text) if text not in {"BEGIN", "COMMIT"}] == [
        "DROP TABLE t",
        "DROP INDEX i",
        "DROP TABLE w",
        "DROP TABLE v",
    ]


def test_a_single_liquibase_changeset_stays_as_it_is() -> None:
    text = "--liquibase formatted sql\n--changeset a:1\nSELECT 1;\n"
    assert liquibase.mark(text, UP).text == text
    assert liquibase.mark(text, UP).in_transaction is True


def test_liquibase_ignores_the_lines_it_is_told_to() -> None:
    text = (
        "--liquibase formatted sql\n--changeset a:1\n--ignoreLines:start\nSET x\n--ignoreLines:end\nSELECT 1;"
    )
    assert statements(liquibase.mark(text, UP).text) == ["SELECT 1"]


def test_flyway_runs_versions_by_number_and_repeatables_last(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "R__views.sql": "SELECT 5;",
            "b/V2__b.sql": "SELECT 2;",
            "a/V10__c.sql": "SELECT 4;",
            "a/V2_1__b.sql": "SELECT 3;",
            "V1__a.sql": "SELECT 1;",
            "U1__a.sql": "SELECT 9;",
            "afterMigrate.sql": "SELECT 8;",
        },
    )
    assert names(read(tmp_path)) == ["V1__a.sql", "V2__b.sql", "V2_1__b.sql", "V10__c.sql", "R__views.sql"]
    assert names(read(tmp_path, DOWN)) == ["U1__a.sql"]


def test_flyway_opts_out_of_the_transaction_by_its_script_configuration(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "V1__a.sql": "SELECT 1;",
            "V2__b.sql": "SELECT 1;",
            "V2__b.sql.conf": "executeInTransaction=false\n",
            "V3__c.sql": "CREATE INDEX CONCURRENTLY i ON t (a);",
        },
    )
    assert [source.in_transaction for source in read(tmp_path)] == [True, False, False]


def test_flyway_placeholders_have_values_and_places(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "flyway.toml": '[flyway.placeholders]\nschema = "shop"\n',
            "V1__a.sql": "CREATE TABLE ${schema}.t (id int);\nDROP TABLE ${other}.u;",
        },
    )
    (source,) = read(tmp_path)
    assert statements(source.text) == ["CREATE TABLE shop.t (id int)", "DROP TABLE p_other_.u"]
    assert source.shown == "CREATE TABLE ${schema}.t (id int);\nDROP TABLE ${other}.u;"
    assert [(origin.line, origin.column, origin.copied) for origin in source.origins] == [
        (1, 1, True),
        (1, 14, False),
        (1, 23, True),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("V1.0__a.sql", (0, (1,), "V")), ("V1_2__a.sql", (0, (1, 2), "V")), ("R__z.sql", (1, (), "z"))],
)
def test_flyway_versions_are_numbers(name: str, expected: tuple[int, tuple[int, ...], str]) -> None:
    assert flyway.order(name) == expected


def test_golang_migrate_sends_a_file_as_one_message(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "2_b.up.sql": "CREATE TABLE t (id int); CREATE TABLE u (id int);",
            "2_b.down.sql": "DROP TABLE t; DROP TABLE u;",
            "10_c.up.sql": "CREATE INDEX CONCURRENTLY i ON t (id);",
            "10_c.down.sql": "DROP INDEX CONCURRENTLY i;",
        },
    )
    up = read(tmp_path)
    assert [(Path(s.path).name, s.in_transaction) for s in up] == [
        ("2_b.up.sql", True),
        ("10_c.up.sql", False),
    ]
    assert names(read(tmp_path, DOWN)) == ["10_c.down.sql", "2_b.down.sql"]


def test_a_message_that_brings_its_own_transaction_is_in_no_other(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "1_a.up.sql": "-- note\nbegin;\nCREATE TABLE t (id int);\nROLLBACK TO SAVEPOINT s;\ncommit;\n",
            "2_b.up.sql": "BEGIN; CREATE TABLE u (id int); COMMIT; CREATE INDEX CONCURRENTLY i ON t (id);",
            "3_c.up.sql": "CREATE TABLE v (id int); COMMIT;",
            "4_d.up.sql": "START TRANSACTION; CREATE TABLE w (id int); COMMIT; BEGIN; SELECT 1; COMMIT;",
        },
    )
    assert [source.in_transaction for source in read(tmp_path)] == [False, True, True, True]


def test_going_back_starts_from_the_schema_that_going_forward_leaves(tmp_path: Path) -> None:
    put(tmp_path, {"1_a.up.sql": "SELECT 1;", "1_a.down.sql": "SELECT 2;"})
    found = gather(Request(paths=(str(tmp_path),), direction=DOWN), stdin=io.BytesIO())
    assert [(Path(s.path).name, s.judged) for s in found] == [("1_a.up.sql", False), ("1_a.down.sql", True)]


def test_prisma_is_known_by_its_lock_file(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "migration_lock.toml": 'provider = "postgresql"',
            "20240102000000_b/migration.sql": "SELECT 2;",
            "20240101000000_a/migration.sql": "SELECT 1;",
            "20240101000000_a/down.sql": "SELECT 0;",
        },
    )
    found = read(tmp_path)
    assert [(source.tool, source.revision) for source in found] == [
        ("prisma", "20240101000000_a"),
        ("prisma", "20240102000000_b"),
    ]


def test_diesel_reads_its_metadata(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "1_a/up.sql": "SELECT 1;",
            "1_a/down.sql": "SELECT 2;",
            "2_b/up.sql": "SELECT 3;",
            "2_b/metadata.toml": "run_in_transaction = false",
        },
    )
    assert [(s.tool, s.in_transaction) for s in read(tmp_path)] == [("diesel", True), ("diesel", False)]
    assert [Path(s.path).parent.name for s in read(tmp_path, DOWN)] == ["1_a"]


def test_one_file_without_a_transaction_says_that_the_others_have_one(tmp_path: Path) -> None:
    put(tmp_path, {"1.sql": "-- no-transaction\nSELECT 1;", "2.sql": "SELECT 2;"})
    assert [source.in_transaction for source in read(tmp_path)] == [False, True]


def test_nothing_is_known_of_the_transaction_of_plain_sql(tmp_path: Path) -> None:
    put(tmp_path, {"1.sql": "SELECT 1;"})
    assert read(tmp_path)[0].in_transaction is None


PLAN = """%syntax-version=1.0.0
%project=shop

users 2024-01-01T00:00:00Z Ann <ann@example.org> # first
@v1 2024-01-02T00:00:00Z Ann <ann@example.org> # release
orders [users] 2024-01-03T00:00:00Z Ann <ann@example.org> # second
users [users@v1] 2024-01-04T00:00:00Z Ann <ann@example.org> # reworked
"""


def test_sqitch_runs_what_its_plan_says_in_its_order(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "sqitch.plan": PLAN,
            "sqitch.conf": "[core]\n\tengine = pg\n",
            "deploy/users.sql": "SELECT 3;",
            "deploy/users@v1.sql": "SELECT 1;",
            "deploy/orders.sql": "SELECT 2;",
            "deploy/unplanned.sql": "SELECT 9;",
            "revert/users.sql": "SELECT -3;",
            "revert/users@v1.sql": "SELECT -1;",
            "revert/orders.sql": "SELECT -2;",
        },
    )
    assert [source.text for source in read(tmp_path)] == ["SELECT 1;", "SELECT 2;", "SELECT 3;"]
    assert [source.text for source in read(tmp_path, DOWN)] == ["SELECT -3;", "SELECT -2;", "SELECT -1;"]
    assert {source.in_transaction for source in read(tmp_path)} == {False}


def test_a_sqitch_plan_is_read_line_by_line() -> None:
    changes = sqitch.read_plan(PLAN)
    assert [(change.name, change.tags, change.reworked) for change in changes] == [
        ("users", ("v1",), True),
        ("orders", (), False),
        ("users", (), False),
    ]


def test_scripts_of_other_databases_are_left_out_where_ours_are_named(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "1_a.postgres.up.sql": "SELECT 1;",
            "1_a.mysql.up.sql": "SELECT 2;",
            "2_b.up.sql": "SELECT 3;",
            "sqlite/3_c.up.sql": "SELECT 4;",
        },
    )
    assert names(read(tmp_path)) == ["1_a.postgres.up.sql", "2_b.up.sql"]


def test_a_folder_called_mysql_alone_is_read(tmp_path: Path) -> None:
    put(tmp_path, {"mysql/1.sql": "SELECT 1;"})
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("1.sql", "-- +goose Up\n", SourceKind.GOOSE),
        ("1.sql", "-- migrate:up\n", SourceKind.DBMATE),
        ("1.sql", "--liquibase formatted sql\n", SourceKind.LIQUIBASE),
        ("1.sql", "-- Up Migration\n", SourceKind.NODE_PG_MIGRATE),
        ("V1__a.sql", "SELECT 1;", SourceKind.FLYWAY),
        ("1_a.up.sql", "SELECT 1;", SourceKind.GOLANG_MIGRATE),
        ("1_a.sql", "SELECT 1;", SourceKind.SQL),
        ("1_a.sql", "SELECT '-- +goose Upside down';", SourceKind.SQL),
    ],
)
def test_the_tool_is_known_by_name_or_marker(tmp_path: Path, name: str, text: str, kind: SourceKind) -> None:
    put(tmp_path, {name: text})
    assert read(tmp_path / name)[0].tool == kind


def test_a_kind_that_is_configured_is_not_guessed(tmp_path: Path) -> None:
    put(tmp_path, {"1.sql": "SELECT 1;"})
    settings = SourceSettings(kind=SourceKind.NODE_PG_MIGRATE, path=str(tmp_path))
    (source,) = gather(Request(sources=(settings,)), stdin=io.BytesIO())
    assert source.in_transaction is True
