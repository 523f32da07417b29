"""Plan files: TOML that is made to be reviewed in a pull request, and edited."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, String, StringType, Table, Trivia

from migsafe.catalog.model import Catalog
from migsafe.errors import PlanError, UsageError
from migsafe.plan.model import Change, Plan, Step, Traffic
from migsafe.plan.remarks import about_down_map, about_section, about_step
from migsafe.plan.report.estimate import estimate
from migsafe.plan.toml.document import SECTIONS, fingerprint, from_document, read_traffic, to_document
from migsafe.plan.toml.fields import Fields
from migsafe.plan.toml.places import find_places

__all__ = ["dump_plan", "fingerprint", "load_plan", "load_traffic", "read_plan"]

_HEADER = (
    "A migsafe plan. Review it like code: every statement that will run is in it.",
    "Carry it out with `migsafe run`. Once a rollout has begun, its plan must not change any more.",
)
_ESTIMATES = "Times are estimates from the sizes of the tables when the plan was made; they promise nothing."


def dump_plan(plan: Plan, catalog: Catalog | None = None) -> str:
    """The text of a plan file. With a catalog that knows sizes, its comments say how long steps may take."""
    document = to_document(plan)
    text = tomlkit.document()
    sized = any(estimate(step, catalog) for step in plan.steps)
    for line in (*_HEADER, *((_ESTIMATES,) if sized else ())):
        text.add(tomlkit.comment(line))
    for key, value in document.items():
        if key in SECTIONS:
            stage = SECTIONS[key]
            text.add(tomlkit.nl())
            for line in about_section(plan, stage):
                text.add(tomlkit.comment(line))
            text.add(key, _steps(value, plan.steps_to(stage), catalog))
        elif key == "changes":
            text.add(key, _changes(value, plan.changes))
        else:
            text.add(key, _value(value))
    return tomlkit.dumps(text)


def _steps(tables: list[dict[str, Any]], steps: Sequence[Step], catalog: Catalog | None) -> AoT:
    array = tomlkit.aot()
    for values, step in zip(tables, steps, strict=True):
        array.append(_table(values, head=tuple(about_step(step, catalog))))
    return array


def _changes(tables: list[dict[str, Any]], changes: Sequence[Change]) -> AoT:
    array = tomlkit.aot()
    for values, change in zip(tables, changes, strict=True):
        array.append(_table(values, head=(about_down_map(change),)))
    return array


def load_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        UsageError: The file cannot be read.
        PlanError: It is not a plan: which key, and where.
    """
    return read_plan(read_text(path), file=str(path))


def read_plan(text: str, *, file: str) -> Plan:
    """The plan in a text; `file` is for messages.

    Raises:
        PlanError: It is not a plan: which key, and where.
    """
    return from_document(_parse(text, file), file=file, lines=find_places(text).lines)


def load_traffic(path: Path) -> Traffic:
    """How traffic moves, from a file of its own that holds the table of a plan's `[traffic]`.

    Raises:
        UsageError: The file cannot be read.
        PlanError: It is not valid: which key, and where.
    """
    text = read_text(path)
    traffic = read_traffic(Fields(_parse(text, str(path)), file=str(path), lines=find_places(text).lines))
    if traffic is None:
        raise PlanError(f"{path}: there is no traffic in it")
    return traffic


def read_text(path: Path) -> str:
    """The text of a file that should be a plan.

    Raises:
        UsageError: It cannot be read.
        PlanError: It is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"there is no file {path}", advice="Make a plan with: migsafe plan MIGRATION.sql"
        ) from None
    except UnicodeDecodeError:
        raise PlanError(f"{path} is not a text file in UTF-8, so it is no plan") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _parse(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{file} is not valid TOML: {error}") from None


def _sections(steps: list[dict[str, Any]]) -> AoT:
    array = tomlkit.aot()
    for step in steps:
        array.append(_table(step))
    return array


def _table(values: dict[str, Any], *, head: Sequence[str] = ()) -> Table:
    table = tomlkit.table()
    for line in head:
        table.add(tomlkit.comment(line))
    for key, value in values.items():
        table.add(key, _value(value))
    return table


def _value(value: Any) -> Any:
    match value:
        case str() if "\n" in value:
            if "'''" in value or not all(line.isprintable() for line in value.split("\n")):
                return tomlkit.string(value, multiline=True)
            # TOML drops a line end right after the quotes: every statement begins a line of its own.
            return String(StringType.MLL, value, f"\n{value}", Trivia())
        case str() if '"' in value and "'" not in value and value.isprintable():
            return tomlkit.string(value, literal=True)
        case dict():
            return _table(value)
        case list() if value and isinstance(value[0], dict):
            return _sections(value)
        case list():
            array = tomlkit.array()
            array.extend(value)
            return array.multiline(len(str(value)) > 90)
        case _:
            return value
