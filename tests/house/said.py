"""What the runner says when it stops, waits or refuses, read from its source: `…` stands for what varies."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("migsafe/run", "migsafe/rollout")
VARIES = "…"
_WAITS = {"Waiting": 0, "Held": 0, "pause": 2, "wait": 1, "ask": 9}  # which argument says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A text and where it is written; `kind` is the class or function that it is given to."""

    text: str
    kind: str
    place: str


def everything_said(errors: set[str]) -> tuple[Said, ...]:
    """The text of each of these errors, and each reason to wait, in the runner and the rollout."""
    found: list[Said] = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            place = str(path.relative_to(ROOT / "migsafe"))
            found.extend(_said(tree, errors, place))
    return tuple(found)


def _said(tree: ast.AST, errors: set[str], place: str) -> Iterator[Said]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            kind = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            argument = _argument(node, kind, errors)
            if argument is not None:
                text = " ".join(_text(argument, tree).split())
                yield Said(text=re.sub(rf"{VARIES}(?:[\s.]*{VARIES})+", VARIES, text), kind=kind, place=place)


def _argument(call: ast.Call, kind: str, errors: set[str]) -> ast.expr | None:
    if kind in errors:
        return call.args[0] if call.args else None
    if kind not in _WAITS:
        return None
    named = next((each.value for each in call.keywords if each.arg in ("reason", "what")), None)
    position = _WAITS[kind]
    return named or (call.args[position] if len(call.args) > position else None)


def _text(node: ast.expr, tree: ast.AST) -> str:
    """The text that this expression makes, as far as it is written in this module."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, tree) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, tree) + _text(right, tree)
        case ast.Name(id=name):
            texts = [each for each in _assigned(name, tree) if isinstance(each, ast.Constant | ast.JoinedStr)]
            return _text(texts[0], tree) if len(texts) == 1 else VARIES
        case _:
            return VARIES


def _assigned(name: str, tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(to, ast.Name) and to.id == name for to in node.targets
        ):
            yield node.value
