"""Rules as pages: one for each, and an index by family.

`python -m migsafe.lint.rule_page FOLDER` writes them.
"""

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from migsafe.lint.model import Example, Rule
from migsafe.lint.rules import shipped_rules

INDEX = "README.md"
MADE = "<!-- Made from the rule files by `make docs`; change those. -->"
FAMILY_TITLES = {
    "reading": "Reading and comments",
    "locks": "Locks",
    "rewrites": "Rewrites and scans",
    "compatibility": "Compatibility of running versions",
    "transactions": "Transactions and timeouts",
    "data": "Data loss and integrity",
    "indexes": "Indexes and retries",
    "replication": "Partitions and replication",
    "security": "Security",
    "naming": "Names",
    "types": "Types",
    "style": "Style",
}


def pages(rules: Iterable[Rule]) -> dict[str, str]:
    """The text of every page, by its file name."""
    found = tuple(rules)
    return {INDEX: index_page(found), **{f"{rule.name}.md": rule_page(rule) for rule in found}}


def index_page(rules: Iterable[Rule]) -> str:
    """All rules by family, in order of their ids."""
    found = tuple(rules)
    on = sum(rule.enabled for rule in found)
    parts = [
        MADE,
        "# Rules",
        f"{len(found)} rules; {on} are on by default, the others are marked *off*. The configuration"
        " turns a rule, or a whole family, on or off, and makes it an error or a warning:"
        " [linting](../linting.md).",
        "What a page says of a server was seen on PostgreSQL 14 to 18: the tests run every example there. No"
        " example that is given as safe does what the unsafe ones do.",
        "[Every known hazard](../hazards.md), with the rules that find it.",
    ]
    order = list(FAMILY_TITLES)
    by_family = sorted(found, key=lambda rule: (order.index(rule.family), rule.id))
    for family, members in groupby(by_family, key=lambda rule: rule.family):
        rows = "\n".join(_row(rule) for rule in members)
        head = "| id | rule | | what it finds |\n|---|---|---|---|"
        parts += [f"## {FAMILY_TITLES[family]}\n\nFamily `{family}`.", f"{head}\n{rows}"]
    return "\n\n".join(parts) + "\n"


def rule_page(rule: Rule) -> str:
    """Why, what to do instead, and what a real server did with the examples."""
    state = (
        f"{rule.severity} by default" if rule.enabled else f"off by default; {rule.severity} when it is on"
    )
    parts = [
        MADE,
        f"# {rule.name} ({rule.id})",
        f"{rule.title}.",
        f"Family `{rule.family}`; {state}. Accept a finding with",
        f"    -- migsafe: allow {rule.name}: why this is fine here",
        f"## Why\n\n{rule.why}",
        "## Instead\n\n"
        + (_code(rule.instead) if rule.instead else "No way is known that is safe for every table."),
        "## What is found",
        *(_example(example) for example in rule.bad),
    ]
    if rule.good:
        parts += ["## What is not", *(_example(example) for example in rule.good)]
    parts.append("## Sources\n\n" + "\n".join(f"- <{source}>" for source in rule.sources))
    return "\n\n".join(parts) + "\n"


def _row(rule: Rule) -> str:
    state = str(rule.severity) if rule.enabled else "*off*"
    return f"| {rule.id} | [{rule.name}]({rule.name}.md) | {state} | {rule.title} |"


def _example(example: Example) -> str:
    parts = [_code(example.sql)]
    notes: list[str] = []
    if example.setup:
        notes.append(f"With this schema:\n\n{_code(example.setup)}")
    if example.transaction:
        notes.append("Run by a tool that opens a transaction around it.")
    if example.since > 14:
        notes.append(f"From PostgreSQL {example.since} on.")
    if example.application:
        notes.append(f"The running application says:\n\n{_code(example.application)}")
    if example.observed:
        lines = "\n".join(f"- `{line}`" for line in example.observed)
        notes.append(f"A real server:\n\n{lines}")
    if example.also:
        others = ", ".join(f"[{name}]({name}.md)" for name in sorted(example.also))
        notes.append(f"Also found: {others}.")
    return "\n\n".join([*parts, *notes])


def _code(sql: str) -> str:
    return f"```sql\n{sql.strip()}\n```"


def main(folder: Path) -> None:
    """Writes all pages, and takes away those of rules that are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    written = pages(shipped_rules())
    for old in folder.glob("*.md"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        folder.joinpath(name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
