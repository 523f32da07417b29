"""A plan as plain tables, and back: what a plan file holds, without its comments and layout."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from migsafe.effects.model import Lock, LockMode
from migsafe.plan.durations import format_duration
from migsafe.plan.fields import Fields
from migsafe.plan.model import (
    FORMAT_VERSION,
    BackfillStep,
    Change,
    ColumnChange,
    ConcurrentStep,
    Contract,
    CopyRows,
    DdlStep,
    DownMap,
    Gate,
    IndexStep,
    Plan,
    Step,
    Traffic,
    VerifyStep,
)
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.sql.names import format_name, parse_name
from migsafe.sql.split import split

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
        steps = [_step(step) for step in plan.steps_to(stage)]
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


def _step(step: Step) -> dict[str, Any]:
    head = {"id": step.id, "title": step.title}
    undo: dict[str, Any] = {"undo": script(step.undo)} if step.undo else {}
    if step.undo_apart:
        undo["undo_apart"] = True
    match step:
        case DdlStep():
            locks = [f"{lock.mode.label} on {format_name(lock.relation)}" for lock in step.locks]
            patient = {"patient": True} if step.patient else {}
            return {**head, "kind": "ddl", "locks": locks, **patient, "sql": script(step.sql), **undo}
        case IndexStep():
            names = {"index": format_name(step.index), "table": format_name(step.table)}
            return {**head, "kind": "index", **names, "sql": script((step.sql,)), **undo}
        case ConcurrentStep():
            looks = {"done": step.done, "broken": step.broken, "mend": step.mend}
            told = {key: value for key, value in looks.items() if value}
            names = {"table": format_name(step.table)}
            return {**head, "kind": "concurrent", **names, "sql": script((step.sql,)), **told, **undo}
        case BackfillStep():
            names = {"table": format_name(step.table)}
            return {**head, "kind": "backfill", **names, **_rows(step), "where": step.pending, **undo}
        case VerifyStep():
            proof = {"key": list(step.key), "mismatch": step.mismatch, "passes": step.passes}
            return {**head, "kind": "verify", "table": format_name(step.table), **proof, **undo}
        case _:
            raise TypeError(f"no form in a plan file for {type(step).__name__}")


def _rows(step: BackfillStep) -> dict[str, Any]:
    """What becomes of the rows of a batch."""
    if step.delete:
        return {"delete": True}
    if step.copy is None:
        return {"set": step.assignments}
    copy = step.copy
    return {"into": format_name(copy.into), "columns": list(copy.columns), "values": list(copy.values)}


def script(statements: tuple[str, ...]) -> str:
    """Statements as one text, each on lines of its own and ended by a semicolon."""
    return "".join(f"{statement};\n" for statement in statements)


def from_document(document: Mapping[str, Any], *, file: str) -> Plan:
    """The plan that a file's tables describe.

    Raises:
        PlanError: A key is unknown, missing or of the wrong type; says which, and where.
    """
    top = Fields(document, file=file)
    version = top.whole("format_version")
    if version > FORMAT_VERSION:
        raise top.error(
            f"the plan has format {version}, but this migsafe reads up to {FORMAT_VERSION}",
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
            _read_step(fields, stage) for section, stage in SECTIONS.items() for fields in top.tables(section)
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
            raise fields.error(f'\'{version}\' must hold two stages, e.g. ["planned", "fenced"]')
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
        raise fields.error(f"'steps' must rise from at least 1 to 100 percent, not {list(steps)}")
    return traffic


def _read_step(fields: Fields, stage: Stage) -> Step:
    head = {
        "id": fields.text("id"),
        "title": fields.text("title"),
        "stage": stage,
        "undo": _statements(fields, "undo", optional=True),
        "undo_apart": fields.flag("undo_apart", default=False),
    }
    step: Step
    match fields.text("kind"):
        case "ddl":
            locks = tuple(_read_lock(fields, text) for text in fields.texts("locks"))
            patient = fields.flag("patient", default=False)
            step = DdlStep(**head, sql=_statements(fields, "sql"), locks=locks, patient=patient)
        case "index":
            (sql,) = _one_statement(fields)
            step = IndexStep(**head, index=fields.name("index"), table=fields.name("table"), sql=sql)
        case "concurrent":
            (sql,) = _one_statement(fields)
            looks = {key: fields.text(key, "") for key in ("done", "broken", "mend")}
            step = ConcurrentStep(**head, table=fields.name("table"), sql=sql, **looks)
        case "backfill":
            step = BackfillStep(
                **head, table=fields.name("table"), pending=fields.text("where"), **_read_rows(fields)
            )
        case "verify":
            step = VerifyStep(
                **head,
                table=fields.name("table"),
                key=fields.texts("key"),
                mismatch=fields.text("mismatch"),
                passes=fields.whole("passes", 2),
            )
        case other:
            known = "ddl, index, concurrent, backfill, verify"
            raise fields.error(f"unknown kind '{other}'", advice=f"Known kinds: {known}.")
    fields.done()
    return step


def _one_statement(fields: Fields) -> tuple[str]:
    statements = _statements(fields, "sql")
    if len(statements) != 1:
        raise fields.error("'sql' must be one statement")
    return (statements[0],)


def _read_rows(fields: Fields) -> dict[str, Any]:
    assignments = fields.text("set", "")
    delete = fields.flag("delete", default=False)
    into = fields.text("into", None)
    columns, values = fields.texts("columns"), fields.texts("values")
    if bool(assignments) + delete + (into is not None) != 1:
        raise fields.error(
            "a backfill has one of: 'set', 'delete = true', 'into' with 'columns' and 'values'"
        )
    if into is None:
        return {"assignments": assignments, "delete": delete}
    target = parse_name(into)
    if target is None or not columns or len(columns) != len(values):
        raise fields.error("'into' must be a table, and 'columns' and 'values' lists of the same length")
    return {"copy": CopyRows(into=target, columns=columns, values=values)}


def _statements(fields: Fields, key: str, *, optional: bool = False) -> tuple[str, ...]:
    text = fields.text(key, "" if optional else ...)
    statements = split(text).statements
    broken = next((each.problem for each in statements if each.problem), "")
    if broken:
        raise fields.error(f"'{key}' cannot be read: {broken}")
    if not statements and not optional:
        raise fields.error(f"'{key}' holds no statement")
    return tuple(each.text for each in statements)


def _read_lock(fields: Fields, text: str) -> Lock:
    mode, _, relation = text.partition(" on ")
    name = parse_name(relation)
    modes = {each.label: each for each in LockMode}
    if mode not in modes or name is None:
        raise fields.error(f"'locks' has {text!r}, but needs e.g. 'ACCESS EXCLUSIVE on public.users'")
    return Lock(name, modes[mode])
