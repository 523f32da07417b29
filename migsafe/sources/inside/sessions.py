"""The timeouts that a project sets for its sessions before a migration runs, as its code says them.

A rendering sees only what a migration itself says. Many projects set lock_timeout where they connect.
"""

from __future__ import annotations

import ast
import contextlib
import re

_TIMEOUTS = r"(lock_timeout|statement_timeout|transaction_timeout)"
_SET = re.compile(
    rf"\s*SET\s+(?:SESSION\s+)?{_TIMEOUTS}\s*(?:=|\bTO\b)\s*'?\s*(\d+\s*[a-z]*)\s*'?\s*;?\s*", re.IGNORECASE
)
_OPTION = re.compile(rf"(?:-c\s*|--){_TIMEOUTS}=(\d+[a-z]*)(?!\S)", re.IGNORECASE)


def of_code(path: str) -> dict[str, str]:
    """What strings in a Python file set for the session: `SET lock_timeout = ...`, or an option of libpq."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                set_ = _SET.fullmatch(node.value)
                if set_:
                    found[set_.group(1).lower()] = set_.group(2)
                found.update(of_options(node.value))
            elif isinstance(node, ast.Call) and _name(node.func) == "protect":
                found.update(_protected(node, tree))
    return found


def _protected(call: ast.Call, tree: ast.AST) -> dict[str, str]:
    """What migsafe's own helper for env.py sets: `protect(context)`."""
    imported = any(
        isinstance(node, ast.ImportFrom) and node.module == "migsafe.integrations.alembic"
        for node in ast.walk(tree)
    )
    if not imported:
        return {}
    given = {
        word.arg: word.value.value
        for word in call.keywords
        if word.arg and isinstance(word.value, ast.Constant)
    }
    found = {
        "lock_timeout": given.get("lock_timeout", 0.8),
        "statement_timeout": given.get("statement_timeout"),
    }
    return {
        name: f"{round(value * 1000)}ms" for name, value in found.items() if isinstance(value, (int, float))
    }


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def of_options(options: str) -> dict[str, str]:
    """What the `options` of a connection set: `-c lock_timeout=2s`."""
    return {name.lower(): value for name, value in _OPTION.findall(options)}
