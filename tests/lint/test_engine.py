"""Findings for scripts in their context: what is exempt, where a finding stands, and in which order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.catalog.model import Catalog
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import Finding, LintReport, Severity
from migsafe.lint.reports import formats, render
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from migsafe.sources.sql_folder import decode

LINTER = Linter(shipped_rules())
SANE = {"lock_timeout": "2s"}


def lint(*scripts: str, wrapped: bool | None = None, complete: bool = False) -> LintReport:
    sources = [Source(path=f"{number}.sql", text=text) for number, text in enumerate(scripts, start=1)]
    options = LintOptions(catalog=Catalog(complete=complete), settings=SANE, wrapped=wrapped)
    return LINTER.lint(sources, options)


def found(*scripts: str, wrapped: bool | None = None) -> list[str]:
    return [finding.rule for finding in lint(*scripts, wrapped=wrapped).findings]


def place(finding: Finding) -> tuple[int, int, int, int]:
    return finding.line, finding.column, finding.end_line, finding.end_column


def test_a_finding_stands_where_its_statement_is_in_code_points() -> None:
    (finding,) = lint("/* größer */\n  SELECT '🐘'; DROP TABLE\n  old_plans ;").findings
    assert place(finding) == (2, 15, 3, 12)


def test_a_windows_file_with_a_bom_has_the_same_places() -> None:
    (finding,) = lint("\ufeffDROP TABLE a;").findings
    assert place(finding) == (1, 1, 1, 13)
    (finding,) = lint("SELECT 1;\r\nDROP TABLE a;\r\n").findings
    assert place(finding) == (2, 1, 2, 13)


def test_one_operation_gives_one_finding_for_a_rule_and_each_operation_its_own() -> None:
    script = "ALTER TABLE users DROP COLUMN a, DROP COLUMN b, RENAME_IT;"
    assert found(script) == ["unread-statement"]
    assert found("ALTER TABLE users DROP COLUMN a, DROP COLUMN b;") == ["dropped-column"] * 2


def test_tables_emptied_by_one_truncate_may_refer_to_each_other() -> None:
    tables = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a_id int REFERENCES a (id));"
    assert "refused-statement" not in found(tables, "TRUNCATE a, b;")
    assert "refused-statement" in found(tables, "TRUNCATE a;")


def test_findings_come_in_order_of_their_place() -> None:
    report = lint("DROP TABLE a;\nTRUNCATE b;\nDROP TABLE c;", "DROP TABLE d;")
    assert [(finding.path, finding.line) for finding in report.findings] == [
        ("1.sql", 1),
        ("1.sql", 2),
        ("1.sql", 3),
        ("2.sql", 1),
    ]


def test_what_cannot_be_read_costs_that_statement_only() -> None:
    assert found("FROBNICATE;\nDROP TABLE a;") == ["unread-statement", "dropped-table"]


def test_an_unended_string_is_a_finding_where_it_starts() -> None:
    (finding,) = lint("SELECT 1;\nSELECT 'oh").findings
    assert (finding.rule, finding.line) == ("unread-statement", 2)
    assert "does not end" in finding.message


def test_a_message_names_the_table_and_the_column() -> None:
    (finding,) = lint('ALTER TABLE "Users" RENAME COLUMN "Full Name" TO name;').findings
    assert "Users.Full Name to name" in finding.message


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t (a int); ALTER TABLE t ADD COLUMN b uuid DEFAULT gen_random_uuid();",
        "CREATE TABLE t (a int); CREATE INDEX i ON t (a); DROP INDEX i; DROP TABLE t;",
        "CREATE TABLE t (a int); ALTER TABLE t RENAME TO u; ALTER TABLE u RENAME COLUMN a TO b;",
        "CREATE TABLE t (a int); ALTER TABLE t SET SCHEMA s; ALTER TABLE s.t DROP COLUMN a;",
        "CREATE TEMP TABLE t AS SELECT 1 AS a; UPDATE t SET a = 2; CREATE INDEX ON t (a); TRUNCATE t;",
        "CREATE TABLE t AS SELECT 1 AS a; ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
        "CREATE TABLE public.t (a int); ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);",
        "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a; CREATE INDEX ON v (a);",
    ],
)
def test_a_table_made_in_the_same_script_is_exempt(script: str) -> None:
    assert found(script) == []


@pytest.mark.parametrize(
    ("script", "rules"),
    [
        ("CREATE TABLE t (a int); DROP TABLE t; DROP TABLE t;", ["dropped-table"]),
        ("BEGIN; CREATE TABLE t (a int); ROLLBACK; ALTER TABLE t DROP COLUMN a;", ["dropped-column"]),
        ("CREATE TABLE s.t (a int); ALTER TABLE t DROP COLUMN a;", ["dropped-column"]),
    ],
)
def test_a_table_that_is_not_that_one_is_not_exempt(script: str, rules: list[str]) -> None:
    assert found(script) == rules


def test_a_table_made_in_an_earlier_script_is_not_exempt() -> None:
    assert found("CREATE TABLE t (a int);", "ALTER TABLE t DROP COLUMN a;") == ["dropped-column"]


def test_create_table_if_not_exists_of_a_known_table_makes_nothing() -> None:
    second = "CREATE TABLE IF NOT EXISTS t (a int); ALTER TABLE t DROP COLUMN a;"
    assert found("CREATE TABLE t (a int);", second) == ["dropped-column"]
    assert found(second) == []


@pytest.mark.parametrize(
    ("script", "rules"),
    [
        ("BEGIN; UPDATE t SET a = 1; COMMIT; ALTER TABLE t ADD b int;", ["unbounded-update"]),
        ("BEGIN; UPDATE t SET a = 1; ALTER TABLE t ADD b int; COMMIT;", ["backfill-beside-ddl"]),
        ("UPDATE t SET a = 1; ALTER TABLE t ADD b int;", ["backfill-beside-ddl"]),
        ("DELETE FROM t; ALTER TABLE t ADD b int;", ["backfill-beside-ddl"]),
        ("UPDATE t SET a = 1; CREATE TABLE u (a int);", ["unbounded-update"]),
        ("UPDATE t SET a = 1 WHERE a = 2; ALTER TABLE t ADD b int;", []),
    ],
)
def test_ddl_beside_an_update_is_in_the_same_transaction_or_script(script: str, rules: list[str]) -> None:
    assert found(script) == rules


def test_validation_is_in_the_transaction_of_the_tool_when_there_is_one() -> None:
    script = "ALTER TABLE t ADD CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT t_a_check;"
    assert found(script) == []
    assert found(script, wrapped=True) == ["validation-under-lock"]


def test_a_source_can_say_that_it_runs_in_a_transaction() -> None:
    text = "CREATE INDEX CONCURRENTLY i ON t (a);"
    wrapped = Source(path="1.sql", text=text, in_transaction=True)
    assert [f.rule for f in LINTER.lint([wrapped], LintOptions(settings=SANE)).findings] == [
        "concurrently-in-transaction"
    ]
    assert LINTER.lint([wrapped], LintOptions(settings=SANE, wrapped=False)).findings == ()


def test_a_missing_lock_timeout_is_said_once_until_one_is_set() -> None:
    script = "ALTER TABLE t ADD a int; ALTER TABLE t ADD b int; SET lock_timeout = '1s'; RESET lock_timeout;"
    report = LINTER.lint([Source(path="1.sql", text=f"{script} ALTER TABLE t ADD c int;")], LintOptions())
    assert [finding.column for finding in report.findings] == [1, len(script) + 2]


def test_every_script_starts_with_the_settings_of_a_new_session() -> None:
    scripts = [Source(path=f"{n}.sql", text="SET lock_timeout = 0;") for n in (1, 2)]
    sources = [scripts[0], Source(path="2.sql", text="ALTER TABLE t ADD a int;")]
    assert LINTER.lint(sources, LintOptions(settings=SANE)).findings == ()


def test_a_file_that_is_not_text_counts_as_unread() -> None:
    report = LINTER.lint([decode(b"SELECT 1;\n\xff", path="x.sql")], LintOptions())
    assert [place(finding) for finding in report.findings] == [(2, 1, 2, 2)]
    assert (report.files[0].unread, report.count(Severity.ERROR)) == (1, 1)


WORDS = st.sampled_from(
    [
        *(
            "ALTER TABLE",
            "t",
            "ADD COLUMN",
            "a",
            "int",
            "NOT NULL",
            "DEFAULT",
            "now()",
            ";",
            ",",
            "(",
            ")",
            "'",
        ),
        *(
            "CREATE INDEX",
            "CONCURRENTLY",
            "ON",
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT",
            "SET",
            "lock_timeout",
        ),
        *(
            "=",
            "0",
            "DROP",
            "TABLE",
            "RENAME",
            "TO",
            "VALIDATE CONSTRAINT",
            "UPDATE",
            "$$",
            "--",
            "\n",
            "\\",
            '"',
        ),
        *("CHECK", "NOT VALID", "UNIQUE", "REFERENCES", "u", "{table}", "\u202e", "🐘", "\x00", "\x1b[31m"),
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS, max_size=30).map(" ".join)))
def test_lint_never_raises_on_any_text_and_every_report_can_be_shown(text: str) -> None:
    report = lint(text)
    for format_name in formats():
        shown = render(report, format_name)
        assert "\x1b" not in shown
    lines = text.count("\n") + text.count("\r") + 1
    for finding in report.findings:
        assert 1 <= finding.line <= finding.end_line <= lines
        assert (finding.line, finding.column) <= (finding.end_line, finding.end_column)


@given(st.binary())
def test_lint_never_raises_on_any_bytes(data: bytes) -> None:
    render(LINTER.lint([decode(data, path="x.sql")], LintOptions()), "text")


@given(st.lists(WORDS, max_size=30).map(" ".join))
def test_the_same_script_gives_the_same_findings(text: str) -> None:
    assert lint(text) == lint(text)
