"""Which failures of a revision only come of an answer that it did not get, or of a failure before.

A question to the database is answered with nothing; a statement that takes something out of the answer then
fails, and so does what uses the names that it should have set. All that is one problem: the first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

# Methods that change the object they belong to.
_FILLS = {"add", "append", "extend", "insert", "prepare", "reflect", "setdefault", "update"}
_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.FunctionDef, ast.ClassDef)


class Statement:
    """One statement, or the head of a block: its lines, and the names that it uses and sets."""

    def __init__(self, node: Any, function: Any) -> None:
        body: Any = getattr(node, "body", None)
        is_block = isinstance(node, _BLOCKS) and bool(body)
        self.first = node.lineno
        self.last = max(node.lineno, body[0].lineno - 1) if is_block else node.end_lineno
        self.function = function
        self.uses: set[str] = set()
        self.sets: set[str] = set()
        for part in heads(node) if is_block else [node]:
            for found in ast.walk(part):
                if isinstance(found, ast.Name):
                    (self.uses if isinstance(found.ctx, ast.Load) else self.sets).add(found.id)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            self.uses.add(node.target.id)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            if (
                isinstance(called, ast.Attribute)
                and called.attr in _FILLS
                and isinstance(called.value, ast.Name)
            ):
                self.sets.add(called.value.id)


class Causes:
    """Looks at the problems of one file in the order in which they come up."""

    def __init__(self, tree: Any) -> None:
        self.statements = list(statements(tree, None))
        self.touched: set[int] = set()
        self.spoilt: set[tuple[Any, str]] = set()
        # Calls whose value nobody takes: a query there asks for nothing.
        self.discarded = {
            (node.value.lineno, node.value.col_offset)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        }

    def follows(self, lines: list[int]) -> bool:
        """Whether a failure at these lines (the innermost first) comes of what is known already."""
        found = self._at(lines[0]) if lines else None
        return found is not None and (
            id(found) in self.touched or any((found.function, name) in self.spoilt for name in found.uses)
        )

    def note(self, lines: list[int]) -> None:
        """Takes a problem that came up at these lines: what is set there is not to be relied on."""
        for line in lines:
            found = self._at(line)
            if found is not None:
                self.touched.add(id(found))
                self.spoilt |= {(found.function, name) for name in found.sets}
        before = -1
        while before < len(self.spoilt):
            before = len(self.spoilt)
            for each in self.statements:
                if any((each.function, name) in self.spoilt for name in each.uses):
                    self.spoilt |= {(each.function, name) for name in each.sets}

    def _at(self, line: int) -> Statement | None:
        near = [each for each in self.statements if each.first <= line <= each.last]
        return min(near, key=lambda each: each.last - each.first, default=None)


def statements(node: Any, function: Any) -> Iterator[Statement]:
    """All statements below a node; `function` is the one they are in."""
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.FunctionDef) else function
        if isinstance(child, ast.stmt):
            yield Statement(child, function)
        if isinstance(child, (ast.stmt, ast.ExceptHandler)):
            yield from statements(child, inside)


def heads(node: Any) -> list[Any]:
    """What of a block is not in its body."""
    if isinstance(node, (ast.If, ast.While)):
        return [node.test]
    if isinstance(node, ast.For):
        return [node.target, node.iter]
    return list(node.items) if isinstance(node, ast.With) else []
