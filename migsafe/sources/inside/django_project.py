"""Renders a Django project's migrations without its database, inside the project's Python."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import sys
from importlib import import_module
from typing import Any

import django
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL

from .django_connection import editor_of, offline
from .django_names import Names
from .recorder import Failure, Recorder, describe, user_place
from .sessions import of_options

# As the argument of setdefault(), as a key of a dict, or assigned.
_SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*(?:,|:|\]\s*=)\s*["']([\w.]+)["']""")
_PYTHON = "RunPython runs Python code: what it does to the database is not judged"
_NO_SQL = "this operation has no SQL of its own: what it does to the database is not judged"


class Deferred(list[Any]):
    """Statements for the end of a migration, each with the place of the operation that wants it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self.places: dict[int, Any] = {}

    def append(self, item: Any) -> None:
        """Takes a statement."""
        self.places[id(item)] = self.recorder.place
        super().append(item)

    def extend(self, items: Any) -> None:
        """Takes statements."""
        for item in items:
            self.append(item)


def render(request: dict[str, Any]) -> list[dict[str, Any]]:
    """All migrations of all apps in the order in which `migrate` runs them on an empty database.

    Raises:
        Failure: The project cannot be set up, or its migrations cannot be read.
    """
    _set_up(request["manage"])
    connection = offline(request["section"] or "default", request["server_version"])
    try:
        loader = MigrationLoader(None, ignore_no_migrations=True)
        loader.check_consistent_history = lambda *_args: None
        plan = _plan(loader)
    except Exception as error:
        raise Failure("migrations", describe(error), user_place(error)) from error
    _simplify_extensions()
    names = Names()
    state = loader.project_state([], at_end=True)
    state.apps  # noqa: B018 -- made once here, it is then kept up to date instead of made again
    found = [_forward(migration, state, connection, names) for migration in plan]
    if request["direction"] != "up":
        found = [_back(loader, migration, connection, names) for migration in reversed(plan)]
    settings = of_options(str(connection.settings_dict.get("OPTIONS", {}).get("options", "")))
    return [{**each, "settings": settings} for each in found]


def _set_up(manage: str) -> None:
    with open(manage, encoding="utf-8", errors="replace") as file:
        found = _SETTINGS.search(file.read())
    sys.path.insert(0, os.path.dirname(os.path.abspath(manage)))
    if found:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", found.group(1))
    try:
        django.setup()
    except BaseException as error:
        raise Failure("settings", describe(error), user_place(error)) from error


def _simplify_extensions() -> None:
    """An extension is made if it is not there: Django asks whether it is, and then for its types."""
    with contextlib.suppress(ImportError):
        operations = import_module("django.contrib.postgres.operations")

        def forwards(self: Any, _app: str, editor: Any, _before: Any, _after: Any) -> None:
            editor.execute(f"CREATE EXTENSION IF NOT EXISTS {editor.quote_name(self.name)}")

        def backwards(self: Any, _app: str, editor: Any, _before: Any, _after: Any) -> None:
            editor.execute(f"DROP EXTENSION IF EXISTS {editor.quote_name(self.name)}")

        operations.CreateExtension.database_forwards = forwards
        operations.CreateExtension.database_backwards = backwards


def _plan(loader: Any) -> list[Any]:
    """As MigrationExecutor.migration_plan() makes it when nothing has been applied."""
    seen: dict[Any, Any] = {}
    for target in loader.graph.leaf_nodes():
        for node in loader.graph.forwards_plan(target):
            seen.setdefault(node, loader.graph.nodes[node])
    return list(seen.values())


def _forward(migration: Any, state: Any, connection: Any, names: Names) -> dict[str, Any]:
    path, places = _places(migration)
    recorder = Recorder(path)
    with _open(connection, names, recorder) as editor:
        for number, operation in enumerate(migration.operations):
            recorder.place = places(number)
            before = state.clone()
            try:
                operation.state_forwards(migration.app_label, state)
                if _is_rendered(operation, operation.__dict__.get("code"), recorder):
                    operation.database_forwards(migration.app_label, editor, before, state)
            except Exception as error:  # noqa: BLE001 -- one operation; the next ones are rendered
                recorder.failed(error)
            _take(editor, recorder)
    return _answer(migration, path, recorder)


def _back(loader: Any, migration: Any, connection: Any, names: Names) -> dict[str, Any]:
    path, places = _places(migration)
    recorder = Recorder(path)
    state = loader.project_state((migration.app_label, migration.name), at_end=False)
    steps = []
    for number, operation in enumerate(migration.operations):
        before = state.clone()
        operation.state_forwards(migration.app_label, state)
        steps.append((number, operation, before, state.clone()))
    with _open(connection, names, recorder) as editor:
        for number, operation, before, after in reversed(steps):
            recorder.place = places(number)
            if not operation.reversible:
                recorder.problem("this operation cannot be reversed")
                continue
            try:
                if _is_rendered(operation, operation.__dict__.get("reverse_code"), recorder):
                    operation.database_backwards(migration.app_label, editor, after, before)
            except Exception as error:  # noqa: BLE001 -- one operation; the next ones are rendered
                recorder.failed(error)
            _take(editor, recorder)
    return _answer(migration, path, recorder)


@contextlib.contextmanager
def _open(connection: Any, names: Names, recorder: Recorder) -> Any:
    """A schema editor; at its end come the statements that operations put off until then."""
    editor = editor_of(connection, names)
    editor.deferred_sql = deferred = Deferred(recorder)
    yield editor
    for statement in list(deferred):
        recorder.place = deferred.places.get(id(statement))
        editor.execute(statement, None)
        _take(editor, recorder)


def _take(editor: Any, recorder: Recorder) -> None:
    for text in editor.collected_sql:
        recorder.sql(text)
    editor.collected_sql.clear()


def _is_rendered(operation: Any, code: Any, recorder: Recorder) -> bool:
    if isinstance(operation, RunPython):
        if code is not RunPython.noop:
            recorder.problem(_PYTHON)
        return False
    if not operation.reduces_to_sql:
        recorder.problem(_NO_SQL)
        return False
    return not (isinstance(operation, RunSQL) and operation.sql == RunSQL.noop)


def _answer(migration: Any, path: str, recorder: Recorder) -> dict[str, Any]:
    return {
        "revision": f"{migration.app_label}.{migration.name}",
        "path": path,
        "phase": str(
            getattr(migration, "migsafe_phase", "")
            or getattr(sys.modules[migration.__module__], "migsafe_phase", "")
        ),
        "in_transaction": bool(migration.atomic),
        "is_own": "site-packages" not in path and "dist-packages" not in path,
        "statements": recorder.statements,
        "problems": recorder.problems,
    }


def _places(migration: Any) -> tuple[str, Any]:
    """The migration's file, and where in it each of its operations is written."""
    path = os.path.abspath(sys.modules[migration.__module__].__file__ or "")
    written: list[Any] = []
    line = 1
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == "Migration":
                line = node.lineno
                written = _operations(node)

    def place(number: int) -> dict[str, int]:
        if len(written) != len(migration.operations):
            return {"line": line}
        node = written[number]
        return {
            "line": node.lineno,
            "column": node.col_offset,
            "end_line": node.end_lineno,
            "end_column": node.end_col_offset,
        }

    return path, place


def _operations(node: ast.ClassDef) -> list[Any]:
    for statement in node.body:
        is_it = isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "operations" for target in statement.targets
        )
        if is_it and isinstance(statement.value, (ast.List, ast.Tuple)):  # type: ignore[attr-defined]
            return list(statement.value.elts)  # type: ignore[attr-defined]
    return []
