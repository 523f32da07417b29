"""One revision's functions, made to give all they can, each statement with its place."""

from __future__ import annotations

import ast
import contextlib
from collections import UserList
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.operations.batch import BatchOperationsImpl

from .causes import Causes
from .recorder import Recorder

_GUARDED = ("upgrade", "downgrade")


class Batch(UserList[Any]):
    """The operations of one `with batch_alter_table` block, each with the place where it was said.

    Alembic emits them when the block ends.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self.places: list[Any] = []

    def append(self, item: Any) -> None:
        """Takes an operation."""
        super().append(item)
        self.places.append(self.recorder.here())

    def __iter__(self) -> Iterator[Any]:
        for number, item in enumerate(list(self.data)):
            self.recorder.place = self.places[number]
            yield item
        self.recorder.place = None


@contextlib.contextmanager
def placed_batches(recorder: Recorder) -> Iterator[None]:
    """While it is open, batch operations keep their places."""
    batches: Any = BatchOperationsImpl
    make = batches.__init__

    def make_placed(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self.batch = Batch(recorder)

    batches.__init__ = make_placed
    try:
        yield
    finally:
        batches.__init__ = make
        recorder.place = None


def guarded(module: Any, name: str, recorder: Recorder) -> Any:
    """The function with every statement on its own: one that fails is a problem, the next ones still run."""
    path = module.__file__
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        tree = ast.parse(Path(path).read_bytes(), path)
        recorder.causes = Causes(tree)
        wanted = [
            node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith(_GUARDED)
        ]
        for node in wanted:
            node.body = guard(node.body)
        tree.body = list(wanted)
        scope = vars(module)
        scope["__migsafe_failed"], scope["__migsafe_error"] = recorder.failed, Exception
        exec(compile(ast.fix_missing_locations(tree), path, "exec"), scope)  # noqa: S102 -- the revision itself
    return getattr(module, name, lambda **_arguments: None)


def guard(body: list[Any]) -> list[Any]:
    """The statements, each in a try of its own; not those of a `while`, which might then never end."""
    left_alone = (
        ast.Return, ast.Break, ast.Continue, ast.Pass, ast.Global, ast.Nonlocal, ast.Raise, ast.Try,
        ast.FunctionDef, ast.ClassDef,
    )  # fmt: skip
    guarded_: list[Any] = []
    for number, node in enumerate(body):
        if isinstance(node, (ast.With, ast.If, ast.For)):
            node.body = guard(node.body)
            if not isinstance(node, ast.With):
                node.orelse = guard(node.orelse)
        is_docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, left_alone) or is_docstring:
            guarded_.append(node)
            continue
        call = ast.Call(
            func=ast.Name("__migsafe_failed", ast.Load()),
            args=[ast.Name("__migsafe_raised", ast.Load())],
            keywords=[],
        )
        handler = ast.ExceptHandler(
            type=ast.Name("__migsafe_error", ast.Load()), name="__migsafe_raised", body=[ast.Expr(call)]
        )
        attempt = ast.Try(body=[node], handlers=[handler], orelse=[], finalbody=[])
        guarded_.append(ast.copy_location(attempt, node))
    return guarded_
