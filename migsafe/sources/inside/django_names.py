"""The names of constraints and indexes that a database has after the statements so far."""

from __future__ import annotations

import re
from typing import Any

_LONGEST = 63
_TABLE = r'ALTER TABLE "(?P<table>[^"]+)" '
_ADDED = re.compile(
    _TABLE
    + r'ADD CONSTRAINT "(?P<name>[^"]+)" (?P<kind>UNIQUE|PRIMARY KEY|FOREIGN KEY|CHECK)'
    + r"\s*\((?P<columns>[^()]*)"
)
_INLINE_KEY = re.compile(
    _TABLE + r'ADD COLUMN (?P<columns>"[^"]+") .*?CONSTRAINT "(?P<name>[^"]+)" REFERENCES'
)
_INDEX = re.compile(
    r'CREATE (?P<unique>UNIQUE )?INDEX (?:CONCURRENTLY )?"(?P<name>[^"]+)" ON "(?P<table>[^"]+)"'
    r"[^(]*\((?P<columns>[^()]*)"
)
_DROPPED = re.compile(r'DROP (?:CONSTRAINT|INDEX)(?: CONCURRENTLY)?(?: IF EXISTS)? "([^"]+)"')
_RENAMED_TABLE = re.compile(_TABLE + r'RENAME TO "(?P<new>[^"]+)"')
_RENAMED_COLUMN = re.compile(_TABLE + r'RENAME COLUMN "(?P<old>[^"]+)" TO "(?P<new>[^"]+)"')
_RENAMED_INDEX = re.compile(r'ALTER INDEX "(?P<old>[^"]+)" RENAME TO "(?P<new>[^"]+)"')
_COLUMN = re.compile(r'"([^"]+)"')


class Names:
    """What Django's introspection would find, had the statements so far run on an empty database."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, str] = {}

    def learn(self, sql: str) -> None:
        """Takes a statement of Django's own making."""
        if found := _ADDED.match(sql) or _INLINE_KEY.match(sql) or _INDEX.match(sql):
            self._add(found)
        for name in _DROPPED.findall(sql):
            self.known.pop(name, None)
            self.tables.pop(name, None)
        if found := _RENAMED_TABLE.match(sql):
            for name, table in self.tables.items():
                if table == found["table"]:
                    self.tables[name] = found["new"]
        if found := _RENAMED_COLUMN.match(sql):
            for name, table in self.tables.items():
                if table == found["table"]:
                    columns = self.known[name]["columns"]
                    columns[:] = [found["new"] if column == found["old"] else column for column in columns]
        if (found := _RENAMED_INDEX.match(sql)) and found["old"] in self.known:
            self.known[found["new"]] = self.known.pop(found["old"])
            self.tables[found["new"]] = self.tables.pop(found["old"])

    def of(self, editor: Any, model: Any) -> dict[str, dict[str, Any]]:
        """The constraints and indexes of a model's table, by name."""
        table = model._meta.db_table
        found = {name: facts for name, facts in self.known.items() if self.tables[name] == table}
        for field in model._meta.local_fields:
            if field.column is None:
                continue
            columns = [field.column]
            if field.primary_key:
                found[cut(table, "", "pkey")] = facts_of(columns, unique=True, primary_key=True)
            elif field.unique and not _has(found, columns, "unique"):
                found[cut(table, field.column, "key")] = facts_of(columns, unique=True)
            is_checked = field.db_parameters(connection=editor.connection).get("check")
            if is_checked and not _has(found, columns, "check"):
                found[cut(table, field.column, "check")] = facts_of(columns, check=True)
        return found

    def _add(self, found: re.Match[str]) -> None:
        groups = found.groupdict()
        kind = groups.get("kind") or ("FOREIGN KEY" if "unique" not in groups else "")
        self.known[found["name"]] = facts_of(
            _COLUMN.findall(found["columns"]),
            unique=kind in ("UNIQUE", "PRIMARY KEY") or bool(groups.get("unique")),
            primary_key=kind == "PRIMARY KEY",
            foreign_key=(found["table"], "") if kind == "FOREIGN KEY" else None,
            check=kind == "CHECK",
            index=not kind,
        )
        self.tables[found["name"]] = found["table"]


def facts_of(columns: list[str], **facts: Any) -> dict[str, Any]:
    """One constraint as Django's introspection describes it."""
    nothing = {"unique": False, "primary_key": False, "index": False, "check": False, "foreign_key": None}
    return {**nothing, **facts, "columns": columns, "type": "idx" if facts.get("index") else None}


def cut(table: str, column: str, ending: str) -> str:
    """The name that PostgreSQL gives to a constraint without one: the longer part is cut first."""
    while len("_".join(part for part in (table, column, ending) if part).encode()) > _LONGEST:
        if len(table) > len(column):
            table = table[:-1]
        else:
            column = column[:-1]
    return "_".join(part for part in (table, column, ending) if part)


def _has(found: dict[str, dict[str, Any]], columns: list[str], kind: str) -> bool:
    return any(facts[kind] and facts["columns"] == columns for facts in found.values())
