"""A plan as plain tables, and back: what a plan file holds, without its comments and layout."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from migsafe.plan.model import (
    FORMAT_VERSION,
    Change,
    ColumnChange,
    Contract,
    DownMap,
    Gate,
    Plan,
    Traffic,
)
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.toml.durations import format_duration
from migsafe.plan.toml.fields import NO_LINES, Fields
from migsafe.plan.toml.steps import read_step, step_table
from migsafe.sql.names import format_name

CHOICES = ("new_column", "on_misfit")
SECTIONS: Mapping[str, Stage] = {
    "expand": Stage.EXPANDED,
    "backfill": Stage.BACKFILLED,
    "verify": Stage.VERIFIED,
    "tombstone": Stage.TOMBSTONED,
    "drop": Stage.DROPPED,
}


def fingerprint(plan: Plan) -> str:
    """64 hexadecimal digits that change with anything that matters in the plan, and with nothing else."""
    text = json.dumps(to_document(plan), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def to_document(plan: Plan) -> dict[str, Any]:
    """The plan as nested tables of texts, numbers and lists."""
    document: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "name": plan.name,
        "summary": plan.summary,
        **({"server_version": plan.server_version} if plan.server_version else {}),
        "warnings": list(plan.warnings),
        **({"migration": plan.migration} if plan.migration else {}),
        **({"choices": dict(plan.choices)} if plan.choices else {}),
        "changes": [_change(change) for change in plan.changes],
        "compatibility": {
            "blue": _window(plan.compatibility.blue),
            "green": _window(plan.compatibility.green),
        },
        "contract": _contract(plan.contract),
    }
    if plan.traffic is not None:
        document["traffic"] = _traffic(plan.traffic)
    for section, stage in SECTIONS.items():
        steps = [step_table(step) for step in plan.steps_to(stage)]
        if steps:
            document[section] = steps
    return document


def _change(change: Change) -> dict[str, Any]:
    column = change.column
    return {
        "kind": change.kind,
        "summary": change.summary,
        "subject": format_name(change.subject),
        "down_map": change.down_map.value,
        "application_change": change.application_change,
        **({f"column_{key}": value for key, value in asdict(column).items()} if column else {}),
    }


def _window(window: Window) -> list[str]:
    return [window.first.value, window.last.value]


def _contract(contract: Contract) -> dict[str, Any]:
    name = contract.blue_application_name
    return {
        "soak": format_duration(contract.soak_seconds),
        "keep": format_duration(contract.keep_seconds),
        **({"blue_application_name": name} if name else {}),
    }


def _traffic(traffic: Traffic) -> dict[str, Any]:
    return {
        "provider": traffic.provider,
        "steps": list(traffic.steps),
        "step": format_duration(traffic.step_seconds),
        "hold": format_duration(traffic.hold_seconds),
        "options": dict(traffic.options),
        "gates": [{"name": gate.name, "kind": gate.kind, **gate.options} for gate in traffic.gates],
    }


def from_document(document: Mapping[str, Any], *, file: str, lines: Mapping[str, int] = NO_LINES) -> Plan:
    """The plan that a file's tables describe; `lines` are those of its keys and tables, for messages.

    Raises:
        PlanError: A key is unknown, missing or of the wrong type; says which, and where.
    """
    top = Fields(document, file=file, lines=lines)
    version = top.whole("format_version")
    if version > FORMAT_VERSION:
        raise top.error(
            f"the plan has format {version}, but this migsafe reads up to {FORMAT_VERSION}",
            key="format_version",
            advice="Upgrade migsafe, or make the plan again with this version.",
        )
    plan = Plan(
        name=top.text("name"),
        summary=top.text("summary"),
        server_version=top.whole("server_version", None),
        warnings=top.texts("warnings"),
        migration=top.text("migration", ""),
        choices=_read_choices(top.table("choices", optional=True)),
        changes=tuple(_read_change(fields) for fields in top.tables("changes")),
        compatibility=_read_compatibility(_needed(top, "compatibility")),
        contract=_read_contract(_needed(top, "contract")),
        traffic=read_traffic(top.table("traffic", optional=True)),
        steps=tuple(
            read_step(fields, stage) for section, stage in SECTIONS.items() for fields in top.tables(section)
        ),
    )
    top.done()
    if not plan.changes:
        raise top.error("'changes' is missing")
    ids = [step.id for step in plan.steps]
    doubled = next((step for step in ids if ids.count(step) > 1), None)
    if doubled:
        raise top.error(f"two steps have the id '{doubled}'")
    return plan


def _needed(fields: Fields, key: str) -> Fields:
    table = fields.table(key)
    if table is None:
        raise fields.error(f"'{key}' is missing")
    return table


def _read_choices(fields: Fields | None) -> dict[str, str]:
    if fields is None:
        return {}
    found = {key: fields.text(key, None) for key in CHOICES}
    fields.done()
    return {key: value for key, value in found.items() if value is not None}


def _read_change(fields: Fields) -> Change:
    change = Change(
        kind=fields.text("kind"),
        summary=fields.text("summary"),
        subject=fields.name("subject"),
        down_map=fields.member("down_map", DownMap),
        application_change=fields.flag("application_change"),
        column=_read_column(fields),
    )
    fields.done()
    return change


def _read_column(fields: Fields) -> ColumnChange | None:
    old = fields.text("column_old", None)
    if old is None:
        return None
    return ColumnChange(
        old=old,
        new=fields.text("column_new"),
        old_type=fields.text("column_old_type"),
        new_type=fields.text("column_new_type"),
    )


def _read_compatibility(fields: Fields) -> Compatibility:
    windows = []
    for version in ("blue", "green"):
        stages = fields.texts(version)
        known = {stage.value: stage for stage in Stage}
        if len(stages) != 2 or not set(stages) <= set(known):
            raise fields.error(f'\'{version}\' must hold two stages, e.g. ["planned", "fenced"]', key=version)
        windows.append(Window(first=known[stages[0]], last=known[stages[1]]))
    fields.done()
    return Compatibility(blue=windows[0], green=windows[1])


def _read_contract(fields: Fields) -> Contract:
    contract = Contract(
        soak_seconds=fields.seconds("soak", 0.0),
        keep_seconds=fields.seconds("keep", Contract().keep_seconds),
        blue_application_name=fields.text("blue_application_name", None),
    )
    fields.done()
    return contract


def read_traffic(fields: Fields | None) -> Traffic | None:
    """The traffic table of a plan, or of a file of its own.

    Raises:
        PlanError: It is not valid; says where.
    """
    if fields is None:
        return None
    options = fields.table("options", optional=True)
    defaults = Traffic(provider="")
    traffic = Traffic(
        provider=fields.text("provider"),
        options=options.rest() if options else {},
        steps=fields.wholes("steps", defaults.steps),
        step_seconds=fields.seconds("step", defaults.step_seconds),
        hold_seconds=fields.seconds("hold", defaults.hold_seconds),
        gates=tuple(
            Gate(name=gate.text("name"), kind=gate.text("kind"), options=gate.rest())
            for gate in fields.tables("gates")
        ),
    )
    fields.done()
    steps = traffic.steps
    if not steps or list(steps) != sorted(set(steps)) or steps[0] < 1 or steps[-1] != 100:
        raise fields.error(
            f"'steps' must rise from at least 1 to 100 percent, not {list(steps)}", key="steps"
        )
    return traffic
