"""Loads the rule files: every one is checked completely before any of them is used."""

import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import migsafe
from migsafe.errors import RuleError, UsageError
from migsafe.lint.model import Rule
from migsafe.lint.parse_rule import parse_rule
from migsafe.suggest import did_you_mean


def rules_folder() -> Path:
    """The folder of the shipped rules: inside an installed package, else of the checkout.

    Raises:
        RuleError: There is neither, so the installation is broken.
    """
    package = Path(migsafe.__file__).parent
    for folder in (package / "_rules", package.parent / "rules"):
        if folder.is_dir():
            return folder
    raise RuleError(f"no rules found next to {package}", advice="Install migsafe again.")


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """All shipped rules, in order of their ids."""
    return load_rules(rules_folder())


def load_rules(folder: Path) -> tuple[Rule, ...]:
    """All rules of <folder>/<family>/<name>.toml, in order of their ids.

    Raises:
        RuleError: A file is not valid, or two files claim one id or name.
    """
    rules: list[Rule] = []
    paths: dict[str, Path] = {}
    for path in sorted(folder.glob("*/*.toml")):
        rule = parse_rule(_read(path), path=path.relative_to(folder.parent).as_posix())
        for key, value in (("id", rule.id), ("name", rule.name)):
            if value in paths:
                raise RuleError(
                    f"{path}: {key} {value!r} is taken by {paths[value]}",
                    advice="An id is given once and never again; choose the next free one.",
                )
            paths[value] = path
        rules.append(rule)
    if not rules:
        raise RuleError(f"{folder}: no rule files", advice="Rules are files <family>/<name>.toml.")
    _check_also(rules)
    return tuple(sorted(rules, key=lambda rule: rule.id))


def find_rule(rules: Iterable[Rule], wanted: str) -> Rule:
    """The rule of this name or id.

    Raises:
        UsageError: There is none; the message says which one was probably meant.
    """
    known: dict[str, Rule] = {}
    for rule in rules:
        known |= {rule.name: rule, rule.id: rule}
    found = known.get(wanted) or known.get(wanted.upper())
    if found is None:
        raise UsageError(
            f"no rule {wanted!r}{did_you_mean(wanted, known)}", advice="`migsafe rules` lists all rules."
        )
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: not valid TOML: {error}") from error


def _check_also(rules: list[Rule]) -> None:
    names = {rule.name for rule in rules}
    for rule in rules:
        for other in (name for example in rule.bad for name in example.also):
            if other not in names:
                raise RuleError(
                    f"rule {rule.name}: unknown rule {other!r} in [[bad]] also{did_you_mean(other, names)}"
                )
