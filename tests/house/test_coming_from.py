"""The pages for those who come from other linters: their maps of rules, held against both programs."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django_migration_linter.sql_analyser.analyser import analyse_sql_statements
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

from migsafe.catalog.history import load_schema
from migsafe.config.model import Config, RuleLayer
from migsafe.config.words import Level
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "coming-from").glob("*.md"))
RULES = {rule.name: rule for rule in shipped_rules()}
LINTER = Linter(shipped_rules())
ALL_ON = Config(rules=RuleLayer(levels={"all": Level.ON}, where="test"))
TIMEOUTS = {"lock_timeout": "2s", "statement_timeout": "5s"}
LINK = re.compile(r"\[([a-z-]+)\]\(\.\./rules/([a-z-]+)\.md\)(?: (MS\d{3}))?")
ROW = re.compile(r"^\| ([A-Za-z_0-9][\w -]*) \| (-|\[.+?) \| (.*) ?\|$", re.MULTILINE)


def table(name: str) -> dict[str, Any]:
    text = (ROOT / "fixtures" / "coming-from" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def cases(name: str) -> list[Any]:
    return [pytest.param(rule, case, id=rule) for rule, case in table(name)["rules"].items()]


def our_rules(case: dict[str, Any], schema: str) -> set[str]:
    options = LintOptions(
        catalog=load_schema(schema),
        settings=TIMEOUTS if case.get("timeouts", True) else {},
        config=ALL_ON,
        wrapped=case.get("wrapped"),
    )
    source = Source(path="1.sql", text=case.get("own_sql", case["sql"]))
    return {finding.rule for finding in LINTER.lint([source], options).findings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_rule_that_a_page_names_exists_with_this_id(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert links
    for shown, linked, identity in links:
        assert shown == linked
        assert shown in RULES
        assert identity in {"", RULES[shown].id}, shown


@pytest.mark.parametrize("name", ["squawk", "strong-migrations", "django-migration-linter"])
def test_the_table_of_the_page_is_the_one_that_is_tested(name: str) -> None:
    text = (ROOT / "docs" / "coming-from" / f"{name}.md").read_text(encoding="utf-8")
    shown = {row[0]: row for row in ROW.findall(text[text.index("\n## Rules") :])}
    wanted = table(name)["rules"]
    assert list(shown) == list(wanted)
    for rule, (_, ours, what) in shown.items():
        assert [link[0] for link in LINK.findall(ours)] == wanted[rule]["ours"], rule
        assert wanted[rule]["ours"] or what.startswith("No rule"), rule
        on = [RULES[each].enabled for each in wanted[rule]["ours"]]
        assert what.startswith("off") == (len(on) == 1 and not on[0]), rule


@pytest.mark.parametrize(("rule", "case"), cases("squawk"))
def test_squawk_and_migsafe_find_in_a_script_what_the_table_says(rule: str, case: dict[str, Any]) -> None:
    command = [Path(sys.executable).parent / "squawk", "--reporter=json", *case.get("flags", ())]
    if case.get("include", True):
        command.append(f"--include={rule}")
    done = subprocess.run(command, input=case["sql"], capture_output=True, text=True, check=False)
    theirs = {each["rule_name"] for each in json.loads(done.stdout)}
    assert case.get("flagged_as", rule) in theirs
    found = our_rules(case, table("squawk")["schema"])
    assert found >= set(case["ours"])
    if not case["ours"]:
        # What the schema lets it add is said; about the hazard itself there is nothing.
        assert found <= {"missing-object", "unqualified-name"}


@pytest.mark.parametrize(("rule", "case"), cases("strong-migrations"))
def test_what_rails_sends_for_a_strong_migrations_check_is_found(rule: str, case: dict[str, Any]) -> None:
    assert our_rules(case, table("strong-migrations")["schema"]) >= set(case["ours"]), rule


@pytest.mark.parametrize(("rule", "case"), cases("django-migration-linter"))
def test_django_migration_linter_and_migsafe_find_what_the_table_says(
    rule: str, case: dict[str, Any]
) -> None:
    if case.get("is_sql", True):
        errors, _, warnings = analyse_sql_statements(PostgresqlAnalyser, case["sql"].strip().splitlines())
        assert rule in {each.code for each in [*errors, *warnings]}
        assert our_rules(case, table("django-migration-linter")["schema"]) >= set(case["ours"])
    else:
        assert case["ours"] == []
