"""Rules as text and as JSON: the list, and one of them in full."""

import json
import textwrap
from collections.abc import Iterable

from migsafe.lint.effective import OFF, RuleSetting
from migsafe.lint.model import Example, Rule

FORMAT_VERSION = 1
WIDTH = 100


def list_as_text(rules: Iterable[RuleSetting]) -> str:
    """One line for each rule, by group: id, name, what it is set to, title."""
    rules = tuple(rules)
    width = max(len(each.rule.name) for each in rules)
    lines: list[str] = []
    group = ""
    for each in rules:
        if each.rule.family != group:
            group = each.rule.family
            lines += ["", f"{group}:"] if lines else [f"{group}:"]
        rule = each.rule
        lines.append(f"{rule.id}  {rule.name:<{width}}  {each.level:<7}  {rule.title}")
    off = sum(each.level == OFF for each in rules)
    return (
        "\n".join(
            [
                *lines,
                "",
                f"{len(rules)} rules, {off} of them off. `migsafe rules NAME` shows one with examples;",
                "the configuration sets a rule, a group, or all of them to error, warning, on or off.",
            ]
        )
        + "\n"
    )


def rule_as_text(rule: Rule) -> str:
    """The rule with its reasons, what to do instead, examples and sources."""
    parts = [
        f"{rule.id} {rule.name} ({rule.severity})\n{rule.title}",
        "Why\n"
        + textwrap.fill(" ".join(rule.why.split()), WIDTH, initial_indent="  ", subsequent_indent="  "),
        "Instead\n" + textwrap.indent(rule.instead or "No safe way is known.", "  "),
        *(f"Found\n{textwrap.indent(example.sql.strip(), '  ')}" for example in rule.bad),
        *(f"Not found\n{textwrap.indent(example.sql.strip(), '  ')}" for example in rule.good),
        "Sources\n" + "\n".join(f"  {source}" for source in rule.sources),
    ]
    return "\n\n".join(parts) + "\n"


def list_as_json(rules: Iterable[RuleSetting]) -> str:
    """All rules without their examples; `level` is what each is set to."""
    listed = [
        _summary(each.rule) | {"enabled": each.rule.enabled, "level": each.level, "from": each.source}
        for each in rules
    ]
    return _document({"rules": listed})


def rule_as_json(rule: Rule) -> str:
    """One rule in full."""
    return _document(
        {
            "rule": _summary(rule)
            | {
                "why": rule.why,
                "instead": rule.instead,
                "sources": list(rule.sources),
                "bad": [_example(example) for example in rule.bad],
                "good": [_example(example) for example in rule.good],
            }
        }
    )


def _summary(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "name": rule.name,
        "family": rule.family,
        "severity": rule.severity,
        "title": rule.title,
    }


def _example(example: Example) -> dict[str, object]:
    return {"sql": example.sql.strip(), "setup": example.setup.strip()}


def _document(content: dict[str, object]) -> str:
    return json.dumps({"format_version": FORMAT_VERSION, **content}, indent=2) + "\n"
