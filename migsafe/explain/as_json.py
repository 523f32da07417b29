"""Explanations for programs: the stable JSON of `migsafe explain`, format version 1."""

import json
from typing import Any

from migsafe.effects.model import LockMode
from migsafe.effects.script import StatementEffects
from migsafe.explain.run import ExplainedFile, Explanation
from migsafe.lint.places import Places

FORMAT_VERSION = 1
_SHOWN_FROM = LockMode.SHARE_UPDATE_EXCLUSIVE


def render(explanation: Explanation, *, color: bool = False) -> str:
    """The explanation as JSON. Fields may be added within a format version, never removed or changed."""
    del color
    document = {"format_version": FORMAT_VERSION, "files": [_file(file) for file in explanation.files]}
    return json.dumps(document, indent=2) + "\n"


def _file(file: ExplainedFile) -> dict[str, Any]:
    places = file.places
    more: dict[str, Any] = {"problem": file.problem} if file.problem else {}
    if file.problems:
        more["problems"] = [{"line": each.line, "message": each.message} for each in file.problems]
    return {"path": file.path, "statements": [_statement(each, places) for each in file.statements], **more}


def _statement(each: StatementEffects, places: Places) -> dict[str, Any]:
    return {
        "line": places.place(each.statement.start, each.statement.end).start.line,
        "sql": each.statement.text,
        "operations": [operation.kind for operation in each.statement.operations],
        "effects": effects(each),
        "compatibility": {"old": each.compatibility.old, "new": each.compatibility.new},
        "phase": each.phase.value,
        "transaction": each.transaction,
        "lock_timeout_ms": each.lock_timeout,
        "statement_timeout_ms": each.statement_timeout,
    }


def effects(each: StatementEffects) -> dict[str, Any]:
    """The effects of one statement, names as people write them."""
    found = each.effects
    return {
        "locks": [
            {"relation": str(lock.relation), "mode": lock.mode.label}
            for lock in found.locks
            if lock.mode >= _SHOWN_FROM
        ],
        "rewrites": [str(name) for name in found.rewrites],
        "scans": [str(name) for name in found.scans],
        "blocks": found.blocks.value,
        "certain": found.certain,
        "depends_on": list(found.depends_on),
        "builds_index": found.builds_index,
        "lasts": found.lasts.value,
        "needs_no_transaction": found.needs_no_transaction,
        "fails": found.fails,
    }
