"""Every fixture is repaired as it says; what is repaired is clean, and repairing it again changes nothing."""

import pytest

from migsafe.config.model import Config, RuleLayer
from migsafe.config.words import Level
from migsafe.lint.engine import LintOptions
from migsafe.lint.fix.run import fix_sources
from migsafe.lint.model import Example, Rule
from migsafe.lint.rules import shipped_rules
from migsafe.sources.model import Source
from tests.lint.fix.cases import CASES, ROOT, Case, catalog_of, repair

cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cases
def test_a_script_is_repaired_as_its_fixture_says(case: Case, pytestconfig: pytest.Config) -> None:
    done = repair(case)
    if pytestconfig.getoption("--update-golden"):
        path = ROOT / f"{case.name}.sql"
        text = path.read_text(encoding="utf-8")
        if "---- fixed\n" in text:
            path.write_text(text.partition("---- fixed\n")[0] + f"---- fixed\n{done.text}", encoding="utf-8")
            return
    assert done.text == case.fixed
    assert sorted(finding.rule for finding in done.left) == sorted(case.left)
    if case.reason:
        assert case.reason in " ".join(finding.not_fixed for finding in done.left)


@cases
def test_repairing_twice_is_repairing_once(case: Case) -> None:
    assert repair(case, case.fixed).text == case.fixed


@cases
def test_a_fixture_is_repaired_or_says_why_not(case: Case) -> None:
    assert (case.fixed != case.script) != case.name.startswith("refused/")


@pytest.mark.parametrize(
    ("rule", "example"),
    [
        pytest.param(rule, example, id=f"{rule.name}-{number}")
        for rule in shipped_rules()
        if rule.fix
        for number, example in enumerate(rule.bad, start=1)
        if "CREATE TABLE" in example.setup
    ],
)
def test_an_example_of_a_rule_is_repaired_or_it_says_why_not(rule: Rule, example: Example) -> None:
    options = LintOptions(
        catalog=catalog_of(example.setup),
        settings=example.settings,
        config=Config(rules=RuleLayer(levels={rule.name: Level.ON}, where="the test")),
    )
    source = Source(path="m.sql", text=example.sql)
    (done,) = fix_sources([source], rules=shipped_rules(), options=options)
    left = [finding for finding in done.left if finding.rule == rule.name]
    if rule.name == "whole-table-rewrite":
        assert [finding.not_fixed for finding in left] in (
            ["PostgreSQL has no other form of it"],
            ["it needs a unique index on columns of the view, over all of its rows"],
        )
    else:
        assert left == []
        assert rule.name in {finding.rule for finding in done.fixed}
