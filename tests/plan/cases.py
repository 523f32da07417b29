"""The rollouts under fixtures/rollouts: a schema, a migration, and what both versions of an application do.

Every file is one case:

    title = "A column's new name"
    schema_from = "shop.sql"        # or: schema = "CREATE TABLE ..."
    before = "UPDATE ..."           # more rows, optional
    migration = "ALTER TABLE ..."   # as a developer would write it
    naive = "..."                   # what to compare the end with, where it is not the migration itself
    same_rows = "SELECT ..."        # rows that must be the same at the end, compared with the naive migration
    stays = "ALTER TYPE ..."        # what a revert cannot take back: done to the schema, it looks the same
    min_version = 150000            # the oldest server_version_num that knows the statements
    [options]                       # new_column, on_misfit
    [blue]                          # the old version of the application; [green] is the new one
    view = "SELECT id, note FROM orders"   # all that it sees: the same rows in both, column by column where
                                           # both have as many, else in the columns of the same name
    reads = ["SELECT note FROM orders WHERE id = %(id)s"]
    writes = ["UPDATE orders SET note = %(text)s WHERE id = %(id)s"]

A statement may use %(id)s (1 to 2000), %(new)s (never used before, above 1,000,000), %(text)s (short, another
one each time), %(int)s (0 to 1000), %(day)s (a date of 2025); a percent sign of its own is written twice. The
first column of a view is the key of its rows: the number in it says whose they are (load/values.py). Each
write should change rows of %(id)s or %(new)s only, so that it can be told from what others wrote.
"""

import os
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migsafe.plan.model import Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.sync.pair import OnMisfit

FOLDER = Path(__file__).parents[2] / "fixtures" / "rollouts"
_KEYS = {
    *("title", "schema", "schema_from", "before", "migration", "naive", "same_rows", "min_version", "stays"),
    *("options", "blue", "green"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One version of the application: what it sees, reads and writes. Nothing of it when it does not care."""

    view: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One rollout to try."""

    name: str  # family/file
    title: str
    schema: str
    migration: str
    naive: str
    same_rows: str
    stays: str
    min_version: int
    options: dict[str, Any]
    blue: Application
    green: Application

    def plan_options(self, name: str) -> PlanOptions:
        """The options under which it is planned, with the rollout called `name`."""
        chosen = dict(self.options)
        if "on_misfit" in chosen:
            chosen["on_misfit"] = OnMisfit(chosen["on_misfit"])
        return PlanOptions(name=name, **chosen)


def is_taken_back(plan: Plan) -> bool:
    """Whether a revert leaves the schema as it was; what does not is named before the plan starts."""
    return not any("is not taken back by a revert" in warning for warning in plan.warnings)


def load_cases() -> dict[str, Case]:
    """All cases by name."""
    found = [_load(path) for path in sorted(FOLDER.glob("*/*.toml"))]
    return {case.name: case for case in found}


def one_of_each_family(names: Iterable[str]) -> tuple[str, ...]:
    """A sample of the cases."""
    return tuple({name.partition("/")[0]: name for name in names}.values())


def to_prove(names: Iterable[str]) -> tuple[str, ...]:
    """All of these cases; with MIGSAFE_PROOF=sample one of each family, since all take long."""
    return one_of_each_family(names) if os.environ.get("MIGSAFE_PROOF") == "sample" else tuple(names)


def _load(path: Path) -> Case:
    table = tomllib.loads(path.read_text())
    unknown = set(table) - _KEYS
    assert not unknown, f"{path}: unknown keys {unknown}"
    schema = table["schema"] if "schema" in table else (FOLDER / table["schema_from"]).read_text()
    return Case(
        name=f"{path.parent.name}/{path.stem}",
        title=table["title"],
        schema=f"{schema}\n{table.get('before', '')}",
        migration=table["migration"],
        naive=table.get("naive", table["migration"]),
        same_rows=table.get("same_rows", ""),
        stays=table.get("stays", ""),
        min_version=table.get("min_version", 140000),
        options=table.get("options", {}),
        blue=_application(table.get("blue", {})),
        green=_application(table.get("green", {})),
    )


def _application(table: dict[str, Any]) -> Application:
    return Application(
        view=table.get("view", ""),
        reads=tuple(table.get("reads", ())),
        writes=tuple(table.get("writes", ())),
    )
