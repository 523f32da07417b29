"""The files from which a tool is asked for its migrations: alembic.ini, pyproject.toml, manage.py."""

from pathlib import Path

from migsafe.sources.settings import SourceKind
from migsafe.sources.tools import sqitch

ALEMBIC_INI = "alembic.ini"
PYPROJECT = "pyproject.toml"
MANAGE = "manage.py"


def kind_of(path: Path) -> SourceKind:
    """The tool that starts from this file; AUTO for any other file."""
    if path.name == PYPROJECT:
        return SourceKind.ALEMBIC if _has_alembic(path) else SourceKind.AUTO
    if path.suffix == ".ini":
        return SourceKind.ALEMBIC
    if path.name == MANAGE:
        return SourceKind.DJANGO
    return SourceKind.SQITCH if path.name == sqitch.PLAN else SourceKind.AUTO


def project_of(path: Path) -> Path | None:
    """The file to ask for a path's migrations: the path itself, one in the folder, or above a Python file.

    None when the path is SQL, or a folder that is no project.
    """
    if path.is_dir():
        return _in(path)
    if kind_of(path) is not SourceKind.AUTO and path.is_file():
        return path
    if path.suffix != ".py":
        return None
    found = (_in(_as_named(folder, path)) for folder in path.resolve().parents)
    return next((project for project in found if project is not None), None)


def _as_named(folder: Path, path: Path) -> Path:
    """The folder as the user would write it: relative where the path is."""
    if path.is_absolute() or not folder.is_relative_to(Path.cwd()):
        return folder
    return folder.relative_to(Path.cwd())


def _in(folder: Path) -> Path | None:
    for name in (ALEMBIC_INI, MANAGE):
        if (folder / name).is_file():
            return folder / name
    pyproject = folder / PYPROJECT
    return pyproject if pyproject.is_file() and _has_alembic(pyproject) else None


def _has_alembic(pyproject: Path) -> bool:
    import tomllib  # noqa: PLC0415 -- seldom needed, and slow to import

    try:
        tools = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return isinstance(tools, dict) and "alembic" in tools
