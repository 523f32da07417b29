"""docs/rules is made from the rule files, and docs/hazards.md says of every known hazard who finds it."""

import re
from pathlib import Path

import pytest

from migsafe.lint.model import Rule
from migsafe.lint.rule_page import INDEX, pages
from migsafe.lint.rules import shipped_rules

DOCS = Path(__file__).parents[2] / "docs"
HAZARDS = 125
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
NAME = re.compile(r"\[([a-z-]+)\]\(rules/([a-z-]+)\.md\)")


def test_the_pages_of_the_rules_are_up_to_date() -> None:
    wanted = pages(shipped_rules())
    found = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "rules").glob("*.md")}
    assert sorted(found) == sorted(wanted), "run `make docs`"
    assert [name for name in wanted if found[name] != wanted[name]] == [], "run `make docs`"


@pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: rule.name)
def test_a_rule_is_in_the_index_and_its_page_says_all_of_it(rule: Rule) -> None:
    page = pages(shipped_rules())[f"{rule.name}.md"]
    assert rule.why in page
    assert rule.instead in page
    assert all(line in page for example in rule.bad for line in example.observed)
    assert f"[{rule.name}]({rule.name}.md)" in pages(shipped_rules())[INDEX]


def rows() -> list[tuple[int, str, str]]:
    text = DOCS.joinpath("hazards.md").read_text(encoding="utf-8")
    return [(int(number), hazard, answer) for number, hazard, answer in ROW.findall(text)]


def test_every_hazard_is_there_once_and_in_order() -> None:
    assert [number for number, _, _ in rows()] == list(range(1, HAZARDS + 1))


def test_every_hazard_has_a_rule_or_a_reason() -> None:
    for number, _, answer in rows():
        assert NAME.search(answer) or answer.startswith("No rule: "), number


def test_every_rule_that_is_named_exists_and_has_its_own_page() -> None:
    known = {rule.name for rule in shipped_rules()}
    for number, _, answer in rows():
        for shown, linked in NAME.findall(answer):
            assert shown == linked, number
            assert shown in known, (number, shown)


def test_every_rule_is_named_by_a_hazard_or_is_about_migsafe_itself() -> None:
    named = {name for _, _, answer in rows() for name, _ in NAME.findall(answer)}
    own = {
        "unread-statement",
        "unreadable-file",
        "malformed-comment",
        "unknown-suppression",
        "unused-suppression",
        "expand-beside-contract",
    }
    assert {rule.name for rule in shipped_rules()} - named - own == set()
