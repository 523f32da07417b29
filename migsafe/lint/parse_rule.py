"""One rule file, from TOML to a checked Rule. A mistake is an error that names the file and the key."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Formatter
from typing import Any, NoReturn

from migsafe.errors import RuleError
from migsafe.lint.facts import fact_types
from migsafe.lint.fix.names import fixer_names
from migsafe.lint.model import Condition, Example, FactValue, Rule, Severity
from migsafe.suggest import did_you_mean

# The first digit of an id says the family: the folder of the rule.
FAMILIES = {
    "reading": "MS0",
    "locks": "MS1",
    "rewrites": "MS2",
    "compatibility": "MS3",
    "transactions": "MS4",
    "data": "MS5",
    "indexes": "MS6",
    "replication": "MS7",
    "security": "MS8",
    "naming": "MS9",
    "types": "MS9",
    "style": "MS9",
}
_KEYS = (
    *("id", "name", "title", "message", "severity", "enabled", "why", "instead", "sources"),
    *("when", "bad", "good", "fix"),
)
_REQUIRED = ("id", "name", "title", "severity", "why", "sources", "when")
_EXAMPLE_KEYS = {
    "bad": ("sql", "setup", "settings", "observed", "also", "application", "since", "transaction"),
    "good": ("sql", "setup", "settings", "observed", "application", "since", "transaction"),
}
_NAME = re.compile(r"[a-z]+(-[a-z]+)*")
_ID = re.compile(r"MS\d{3}")
OLDEST, NEWEST = 14, 18  # the major versions of PostgreSQL that are supported
SANE_SETTINGS = {"lock_timeout": "2s", "statement_timeout": "1min"}


def parse_rule(raw: Mapping[str, Any], *, path: str) -> Rule:
    """The rule in this TOML document; `path` ends in <family>/<name>.toml.

    Raises:
        RuleError: A key is unknown, missing or of the wrong type, or the file is in the wrong place.
    """
    return _Reader(path).rule(raw)


class _Reader:
    """Reads one file; keeps its path for the messages."""

    def __init__(self, path: str) -> None:
        self.path = path

    def rule(self, raw: Mapping[str, Any]) -> Rule:
        self.known_keys(raw, _KEYS, "")
        for key in _REQUIRED:
            if key not in raw:
                self.fail(f"{key!r} is missing")
        name, family = self.text(raw, "name"), PurePosixPath(self.path).parent.name
        rule = Rule(
            id=self.text(raw, "id"),
            name=name,
            family=family,
            enabled=self.flag(raw, "enabled", default=True),
            title=self.text(raw, "title"),
            message=self.text(raw, "message") if "message" in raw else self.text(raw, "title"),
            severity=Severity(self.word(raw, "severity", tuple(Severity))),
            why=self.text(raw, "why").strip(),
            instead=self.text(raw, "instead").strip() if "instead" in raw else "",
            sources=self.texts(raw, "sources", ""),
            when=tuple(self.condition(table) for table in self.tables(raw, "when")),
            bad=tuple(self.example(table, "bad") for table in self.tables(raw, "bad")),
            good=tuple(self.example(table, "good") for table in self.tables(raw, "good")),
            fix=self.fixer(raw),
        )
        self.check_place(rule)
        self.check_completeness(rule)
        self.check_message(rule.message)
        return rule

    def fixer(self, raw: Mapping[str, Any]) -> str:
        return self.word(raw, "fix", fixer_names()) if "fix" in raw else ""

    def check_place(self, rule: Rule) -> None:
        if rule.family not in FAMILIES:
            self.fail(
                f"folder {rule.family!r} is not a family{did_you_mean(rule.family, FAMILIES)}",
                advice=f"Families: {', '.join(FAMILIES)}.",
            )
        if not _ID.fullmatch(rule.id) or not rule.id.startswith(FAMILIES[rule.family]):
            self.fail(f"id {rule.id!r} is not of the family {rule.family!r}: {FAMILIES[rule.family]}xx")
        if rule.name != PurePosixPath(self.path).stem:
            self.fail(f"name {rule.name!r} is not the file's name {PurePosixPath(self.path).stem!r}")
        if not _NAME.fullmatch(rule.name):
            self.fail(f"name {rule.name!r} is not kebab-case (lower case words joined by '-')")

    def check_completeness(self, rule: Rule) -> None:
        if not rule.when:
            self.fail("no [[when]], so the rule can never match")
        if not rule.sources:
            self.fail("'sources' is empty; name the page that proves the claim")
        if not rule.bad:
            self.fail("no [[bad]] example; a rule needs one that it finds")
        if not rule.good and rule.instead:
            self.fail("no [[good]] example; show that `instead` is clean")

    def check_message(self, message: str) -> None:
        try:
            names = [name for _, name, _, _ in Formatter().parse(message) if name is not None]
        except ValueError as error:
            self.fail(f"'message' cannot be filled in: {error}")
        for name in names:
            if name not in fact_types():
                self.fail(f"unknown fact {name!r} in 'message'{did_you_mean(name, fact_types())}")

    def condition(self, table: Mapping[str, Any]) -> Condition:
        if not table:
            self.fail("an empty [[when]] would match everything")
        return Condition(wanted=tuple((key, self.values(key, value)) for key, value in table.items()))

    def values(self, key: str, value: object) -> tuple[FactValue, ...]:
        kinds = fact_types()
        if key not in kinds:
            self.fail(f"unknown fact {key!r} in [[when]]{did_you_mean(key, kinds)}")
        values = tuple(value) if isinstance(value, list) else (value,)
        if not values:
            self.fail(f"{key!r} in [[when]] has no values")
        kind = kinds[key]
        for one in values:
            if kind is bool:
                if not isinstance(one, bool):
                    self.fail(f"{key!r} in [[when]] is true or false, not {one!r}")
            elif not isinstance(one, str):
                self.fail(f"{key!r} in [[when]] is text, not {one!r}")
            elif kind and one not in kind:
                self.fail(
                    f"{key!r} in [[when]] cannot be {one!r}{did_you_mean(one, kind)}",
                    advice=f"Possible: {', '.join(kind)}.",
                )
        return values

    def example(self, table: Mapping[str, Any], kind: str) -> Example:
        where = f" in [[{kind}]]"
        self.known_keys(table, _EXAMPLE_KEYS[kind], where)
        if "sql" not in table:
            self.fail(f"'sql' is missing{where}")
        settings = table.get("settings", SANE_SETTINGS)
        if not isinstance(settings, dict) or not all(isinstance(value, str) for value in settings.values()):
            self.fail(f"'settings'{where} is a table of texts, e.g. {{ lock_timeout = \"2s\" }}")
        return Example(
            sql=self.text(table, "sql", where),
            setup=self.text(table, "setup", where) if "setup" in table else "",
            observed=self.texts(table, "observed", where),
            also=self.texts(table, "also", where),
            settings=settings,
            application=self.text(table, "application", where) if "application" in table else "",
            since=self.since(table, where),
            transaction=self.flag(table, "transaction", where, default=False),
        )

    def since(self, table: Mapping[str, Any], where: str) -> int:
        value = table.get("since", OLDEST)
        if not isinstance(value, int) or isinstance(value, bool) or not OLDEST <= value <= NEWEST:
            self.fail(f"'since'{where} is a major version from {OLDEST} to {NEWEST}, not {value!r}")
        return value

    def flag(self, table: Mapping[str, Any], key: str, where: str = "", *, default: bool) -> bool:
        value = table.get(key, default)
        if not isinstance(value, bool):
            self.fail(f"{key!r}{where} is true or false, not {value!r}")
        return value

    def known_keys(self, table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in table:
            if key not in known:
                self.fail(f"unknown key {key!r}{where}{did_you_mean(key, known)}")

    def text(self, table: Mapping[str, Any], key: str, where: str = "") -> str:
        value = table[key]
        if not isinstance(value, str) or not value.strip():
            self.fail(f"{key!r}{where} is a text that says something, not {value!r}")
        return value

    def texts(self, table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.fail(f"{key!r}{where} is a list of texts, not {value!r}")
        return tuple(value)

    def word(self, table: Mapping[str, Any], key: str, words: tuple[str, ...]) -> str:
        value = self.text(table, key)
        if value not in words:
            self.fail(
                f"{key!r} cannot be {value!r}{did_you_mean(value, words)}",
                advice=f"Possible: {', '.join(words)}.",
            )
        return value

    def tables(self, raw: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        value = raw.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fail(f"{key!r} is written as [[{key}]] tables")
        return value

    def fail(self, problem: str, *, advice: str = "") -> NoReturn:
        raise RuleError(f"{self.path}: {problem}", advice=advice)
