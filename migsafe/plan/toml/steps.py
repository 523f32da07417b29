"""The steps of a plan as tables, and back."""

from typing import Any

from migsafe.effects.model import Lock, LockMode
from migsafe.plan.model import (
    BackfillStep,
    ConcurrentStep,
    CopyRows,
    DdlStep,
    IndexStep,
    Step,
    VerifyStep,
)
from migsafe.plan.stages import Stage
from migsafe.plan.toml.fields import Fields
from migsafe.sql.names import format_name, parse_name
from migsafe.sql.split import split


def step_table(step: Step) -> dict[str, Any]:
    """What stands in the file for this step."""
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
            if step.again:
                proof["again"] = step.again
            if step.again_table:
                proof["again_table"] = format_name(step.again_table)
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
    lists = {"columns": list(copy.columns), "values": list(copy.values)}
    key = {"key": list(copy.key)} if copy.key else {}
    return {"into": format_name(copy.into), **lists, **key}


def script(statements: tuple[str, ...]) -> str:
    """Statements as one text, each on lines of its own and ended by a semicolon."""
    return "".join(f"{statement};\n" for statement in statements)


def read_step(fields: Fields, stage: Stage) -> Step:
    """The step that a table describes; it leads to this stage.

    Raises:
        PlanError: A key is unknown, missing or of the wrong type; says which, and where.
    """
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
                again=fields.text("again", ""),
                again_table=fields.optional_name("again_table"),
            )
        case other:
            known = "ddl, index, concurrent, backfill, verify"
            raise fields.error(f"unknown kind '{other}'", key="kind", advice=f"Known kinds: {known}.")
    fields.done()
    return step


def _one_statement(fields: Fields) -> tuple[str]:
    statements = _statements(fields, "sql")
    if len(statements) != 1:
        raise fields.error("'sql' must be one statement", key="sql")
    return (statements[0],)


def _read_rows(fields: Fields) -> dict[str, Any]:
    assignments = fields.text("set", "")
    delete = fields.flag("delete", default=False)
    into = fields.text("into", None)
    columns, values, key = fields.texts("columns"), fields.texts("values"), fields.texts("key")
    if bool(assignments) + delete + (into is not None) != 1:
        raise fields.error(
            "a backfill has one of: 'set', 'delete = true', 'into' with 'columns' and 'values'"
        )
    if into is None:
        return {"assignments": assignments, "delete": delete}
    target = parse_name(into)
    if target is None or not columns or len(columns) != len(values):
        raise fields.error("'into' must be a table, and 'columns' and 'values' lists of the same length")
    return {"copy": CopyRows(into=target, columns=columns, values=values, key=key)}


def _statements(fields: Fields, key: str, *, optional: bool = False) -> tuple[str, ...]:
    text = fields.text(key, "" if optional else ...)
    statements = split(text).statements
    broken = next((each.problem for each in statements if each.problem), "")
    if broken:
        raise fields.error(f"'{key}' cannot be read: {broken}", key=key)
    if not statements and not optional:
        raise fields.error(f"'{key}' holds no statement", key=key)
    return tuple(each.text for each in statements)


def _read_lock(fields: Fields, text: str) -> Lock:
    mode, _, relation = text.partition(" on ")
    name = parse_name(relation)
    modes = {each.label: each for each in LockMode}
    if mode not in modes or name is None:
        raise fields.error(
            f"'locks' has {text!r}, but needs e.g. 'ACCESS EXCLUSIVE on public.users'", key="locks"
        )
    return Lock(name, modes[mode])
