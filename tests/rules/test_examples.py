"""Every rule is tested by its own examples: bad yields exactly the rule, good is clean, all of it is SQL."""

from dataclasses import replace
from functools import cache

import pytest
from _pytest.mark.structures import ParameterSet

from migsafe.catalog.model import Catalog
from migsafe.lint.engine import Linter, LintOptions
from migsafe.lint.model import Example, Finding, Rule
from migsafe.lint.rules import shipped_rules
from migsafe.lint.walk import walk
from migsafe.sources.model import Source
from migsafe.sources.sql_folder import decode
from migsafe.sql.script import read_script

RULES = shipped_rules()


@cache
def linter(name: str) -> Linter:
    """The rules that are on by default, and this one."""
    return Linter(replace(rule, enabled=True) if rule.name == name else rule for rule in RULES)


def examples(kind: str) -> list[ParameterSet]:
    return [
        pytest.param(rule, example, version, id=f"{rule.name}-{kind}-{number}-{version}")
        for rule in RULES
        for number, example in enumerate(rule.bad if kind == "bad" else rule.good, start=1)
        for version in sorted({example.since, 18})
    ]


def schema(example: Example, version: int) -> Catalog:
    setup = Source(path="setup.sql", text=example.setup)
    return walk(
        setup, catalog=Catalog(complete=True), server_version=version * 10_000, settings={}, wrapped=False
    ).catalog


def findings(rule: Rule, example: Example, *, version: int) -> tuple[Finding, ...]:
    options = LintOptions(
        catalog=schema(example, version),
        settings=example.settings,
        server_version=version * 10_000,
        wrapped=example.transaction,
    )
    source = decode(example.sql.encode(), path="example.sql")
    return linter(rule.name).lint([source], options).findings


@pytest.mark.parametrize(("rule", "example", "version"), examples("bad"))
def test_a_bad_example_yields_exactly_its_rule(rule: Rule, example: Example, version: int) -> None:
    found = [finding.rule for finding in findings(rule, example, version=version)]
    assert sorted(found) == sorted([rule.name, *example.also])


@pytest.mark.parametrize(("rule", "example", "version"), examples("good"))
def test_a_good_example_is_clean_under_all_rules(rule: Rule, example: Example, version: int) -> None:
    assert findings(rule, example, version=version) == (), rule.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_to_do_instead_is_sql_that_is_understood(rule: Rule) -> None:
    for statement in read_script(rule.instead).statements:
        assert statement.unread is None, statement.text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_to_do_instead_breaks_no_rule_itself(rule: Rule) -> None:
    if rule.instead:
        example = rule.bad[0]
        settings = {"lock_timeout": "2s", "statement_timeout": "1min"}
        instead = Example(sql=rule.instead, setup=example.setup, settings=settings)
        found = findings(rule, instead, version=example.since)
        assert [finding.message for finding in found] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_examples_are_sql_that_is_understood(rule: Rule) -> None:
    if rule.name in {"unread-statement", "unreadable-file"}:
        return
    for example in (*rule.bad, *rule.good):
        for statement in read_script(f"{example.setup};{example.sql};{example.application}").statements:
            assert statement.unread is None, statement.text


@pytest.mark.parametrize(("rule", "example", "version"), examples("bad"))
def test_a_message_is_filled_in(rule: Rule, example: Example, version: int) -> None:
    for finding in findings(rule, example, version=version):
        assert "{" not in finding.message
        assert "  " not in finding.message, rule.name
        assert not finding.message.startswith(" "), rule.name
