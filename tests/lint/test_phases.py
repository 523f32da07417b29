"""Phases: what a script may do depends on when it says that it runs."""

from migsafe.config.model import Config
from migsafe.config.words import ScriptPhase
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source

LINTER = Linter(shipped_rules())
SANE = {"lock_timeout": "2s", "statement_timeout": "1min"}
DROP = "ALTER TABLE users DROP COLUMN name;"
ADD = "ALTER TABLE users ADD COLUMN full_name text;"
CONTRACT = "-- migsafe: phase contract\n"


def found(
    *scripts: str, one_release: bool = False, config: Config | None = None, phase: str = ""
) -> list[str]:
    sources = [
        Source(path=f"{number}.sql", text=text, phase=phase) for number, text in enumerate(scripts, start=1)
    ]
    options = LintOptions(settings=SANE, one_release=one_release, config=config or Config())
    return [finding.rule for finding in LINTER.lint(sources, options).findings]


def test_a_contract_operation_is_a_finding_until_the_script_declares_the_phase() -> None:
    assert found(DROP) == ["dropped-column"]
    assert found(f"-- migsafe: phase expand\n{DROP}") == ["dropped-column"]
    assert found(f"-- migsafe: phase backfill\n{DROP}") == ["dropped-column"]
    assert found(f"{CONTRACT}{DROP}") == []
    assert found("SELECT 1;\nDROP TABLE users;\n/* migsafe: phase contract: since 2.3 */") == []


def test_the_source_and_the_configuration_can_declare_it_and_the_comment_counts_most() -> None:
    config = Config(phases=(("1.sql", ScriptPhase.CONTRACT),))
    assert found(DROP, config=config) == []
    assert found(DROP, phase="contract") == []
    assert found(DROP, phase="expand", config=config) == ["dropped-column"]
    assert found(f"-- migsafe: phase expand\n{DROP}", phase="contract") == ["dropped-column"]


def test_locks_are_findings_in_every_phase() -> None:
    assert found(f"{CONTRACT}DROP INDEX users_name_idx;") == ["blocking-index-drop"]


def test_putting_the_old_shape_aside_under_another_name_is_right_in_contract() -> None:
    assert found("ALTER TABLE users RENAME COLUMN name TO name_old;") == ["renamed-column"]
    assert found(f"{CONTRACT}ALTER TABLE users RENAME COLUMN name TO name_old;") == []


def test_what_breaks_the_new_version_too_stays_a_finding_in_contract() -> None:
    assert found(f"{CONTRACT}TRUNCATE users;") == ["truncated-table"]


def test_a_new_column_that_must_have_a_value_stays_a_finding_in_contract() -> None:
    assert "required-column" in found(f"{CONTRACT}ALTER TABLE users ADD COLUMN plan text NOT NULL;")


def test_expand_and_contract_of_one_thing_in_one_script_is_a_finding() -> None:
    assert found(f"{CONTRACT}{ADD}\n{DROP}") == ["expand-beside-contract"]
    assert found(f"{CONTRACT}{DROP}\n{ADD}") == ["expand-beside-contract"]
    optional = "ALTER TABLE users ALTER COLUMN name DROP NOT NULL;"
    assert found(f"{CONTRACT}{optional}\n{DROP}") == ["expand-beside-contract"]


def test_expand_of_another_thing_is_none() -> None:
    assert found(f"{CONTRACT}{ADD.replace('users', 'orders')}\n{DROP}") == []
    assert found(f"{CONTRACT}ALTER TABLE users ALTER COLUMN mail DROP NOT NULL;\n{DROP}") == []
    made = "CREATE TABLE people (id bigint PRIMARY KEY); ALTER TABLE people ADD COLUMN a text;"
    assert found(f"{CONTRACT}{made}\n{DROP}") == []


def test_scripts_of_one_release_are_held_against_each_other() -> None:
    assert found(ADD, f"{CONTRACT}{DROP}", one_release=True) == ["expand-beside-contract"]
    assert found(f"{CONTRACT}{DROP}", ADD, one_release=True) == ["expand-beside-contract"]
    assert found(ADD, f"{CONTRACT}{DROP}") == []


def test_history_is_no_part_of_the_release() -> None:
    sources = [
        Source(path="1.sql", text=ADD, judged=False),
        Source(path="2.sql", text=f"{CONTRACT}{DROP}"),
    ]
    assert LINTER.lint(sources, LintOptions(settings=SANE, one_release=True)).findings == ()
