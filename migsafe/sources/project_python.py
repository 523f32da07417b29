"""Asks an Alembic or Django project for its migrations, in the project's own Python."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from migsafe.errors import UsageError
from migsafe.sources.process import ask
from migsafe.sources.settings import SourceSettings

# Makes the package `inside` importable under a name of its own, and nothing else of migsafe. The project's
# folder comes last: it often holds a folder `alembic`.
_START = """
import importlib.util, os, sys
sys.path[:] = [entry for entry in sys.path if entry] + [os.getcwd()]
folder = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "migsafe_inside", folder + "/__init__.py", submodule_search_locations=[folder])
module = importlib.util.module_from_spec(spec)
sys.modules["migsafe_inside"] = module
spec.loader.exec_module(module)
from migsafe_inside.main import main
main(sys.argv.pop())
"""
_VENVS = (".venv", "venv", "env", ".env")
_LEVELS = 4
_LOOK_TIMEOUT = 10  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a project could not be rendered: the kind of failure, what it said, and where."""

    kind: str
    message: str
    place: str


def ask_project(
    settings: SourceSettings, request: Mapping[str, object], *, folder: Path
) -> list[dict[str, object]] | Refusal:
    """The project's answer to a request (see inside/main.py), asked for with `folder` as current folder.

    Raises:
        UsageError: The project's Python is not there, took too long, or ended without an answer.
    """
    python = settings.python or find_python(str(request["tool"]), folder)
    inside = Path(__file__).parent / "inside"
    with tempfile.TemporaryDirectory(prefix="migsafe-") as scratch:
        answer_file = Path(scratch) / "answer.json"
        done = ask(
            [python, "-c", _START, str(inside), str(answer_file)],
            folder=folder,
            timeout=settings.timeout,
            environment={"PYTHONDONTWRITEBYTECODE": "1", **settings.environment},
            given=json.dumps(request).encode(),
        )
        try:
            answer = json.loads(answer_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            last = done.errors.strip().splitlines()[-1:] or ["it printed nothing"]
            raise UsageError(
                f"{python} ended with code {done.code} while it rendered the migrations: {last[0]}",
                advice="Run it by hand to see all of it, for example `alembic upgrade head --sql`.",
            ) from error
    if "error" in answer:
        refusal = Refusal(**answer["error"])
        return replace(refusal, place=_from_here(refusal.place))
    return list(answer["migrations"])


def _from_here(place: str) -> str:
    """A place ("/shop/env.py:3") from the current folder, if it is in it."""
    here = str(Path.cwd()) + os.sep
    return place.removeprefix(here)


def find_python(package: str, folder: Path) -> str:
    """The interpreter with a package: an active or near virtual environment's, our own, or one of PATH."""
    active = os.environ.get("VIRTUAL_ENV", "")
    levels = (folder.resolve(), *folder.resolve().parents[:_LEVELS])
    near = [level / name for level in levels for name in _VENVS]
    for venv in [*([Path(active)] if active else []), *near]:
        if any(venv.glob(f"lib/python3*/site-packages/{package}/__init__.py")):
            return str(venv / "bin" / "python")
    own = find_spec(package)
    if own is not None and own.origin is not None:  # a folder of that name has none
        return sys.executable
    for python in _on_path():
        if _has(python, package):
            return python
    raise UsageError(
        f"no Python with {package} was found for {folder.as_posix() or '.'}",
        advice=f"{package.capitalize()} runs in the project's own Python: activate its virtual environment, "
        "or name its interpreter under [[sources]] in migsafe.toml, for example "
        'python = ".venv/bin/python".',
    )


def _on_path() -> list[str]:
    """The interpreters of PATH that are not our own: in containers and CI jobs the project's is there."""
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    found = [folder / name for folder in folders for name in ("python3", "python")]
    own = Path(sys.prefix) / "bin"
    return [str(python) for python in found if python.parent != own and os.access(python, os.X_OK)]


def _has(python: str, package: str) -> bool:
    """Whether an interpreter finds a package, and not only a folder of that name."""
    code = f"import importlib.util as u, sys; s = u.find_spec({package!r}); sys.exit(not (s and s.origin))"
    try:
        return ask([python, "-c", code], folder=Path("/"), timeout=_LOOK_TIMEOUT).code == 0
    except UsageError:  # it does not start, or it hangs: it is not the one
        return False
