"""Looks at a repository: which migrations are in it, and for which PostgreSQL."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migsafe.sources.detect import detect
from migsafe.sources.settings import SourceKind

_SKIPPED = {
    "node_modules",
    "venv",
    "env",
    "vendor",
    "target",
    "dist",
    "build",
    "__pycache__",
    "site-packages",
}
_DEEPEST = 6
_LOOKED_AT = 3
_SCHEMAS = ("db/structure.sql", "structure.sql", "db/schema.sql", "schema.sql")
_IMAGE = re.compile(r"\bpostgres(?:ql)?:(\d\d)\b|\bPOSTGRES_VERSION\W+(\d\d)\b")
_NUMBERED = re.compile(r"[A-Za-z]?\d+.*\.sql", re.IGNORECASE)
# A folder of seeds or queries has SQL files, too; only such a name, or numbered files, make it a history.
_HISTORY = re.compile(r"migrat|migration|versions|changelog|deploy|upgrade", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSource:
    """A history: its tool, its path from the folder that was looked at, and what gave it away."""

    kind: SourceKind
    path: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a repository tells. `versions` are the major versions of PostgreSQL that it names."""

    sources: tuple[FoundSource, ...] = ()
    schema: str = ""
    versions: tuple[int, ...] = ()


def scan(folder: Path) -> Scan:
    """What is in this folder. Nothing is run, and what cannot be read is passed over."""
    found: list[FoundSource] = []
    versions: set[int] = set()
    inside: list[Path] = []
    for path, names in _walk(folder):
        versions |= _versions(path, names)
        if any(path.is_relative_to(each) for each in inside):
            continue
        source = _source(path, names, folder)
        if source is not None:
            found.append(source)
            inside += [path] if source.path != "." and not _is_project(source.kind) else []
    schema = next((name for name in _SCHEMAS if (folder / name).is_file()), "")
    return Scan(sources=tuple(found), schema=schema, versions=tuple(sorted(versions)))


def _is_project(kind: SourceKind) -> bool:
    """Whether the source is a file beside which other histories may lie."""
    return kind in {SourceKind.ALEMBIC, SourceKind.DJANGO}


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    for current, folders, names in os.walk(folder):
        path = Path(current)
        deep = len(path.relative_to(folder).parts)
        folders[:] = sorted(
            name
            for name in folders
            if deep < _DEEPEST
            and name not in _SKIPPED
            and (not name.startswith(".") or name in {".github", ".circleci"})
        )
        yield path, sorted(names)


def _source(path: Path, names: list[str], base: Path) -> FoundSource | None:
    def found(kind: SourceKind, name: str, because: str) -> FoundSource:
        return FoundSource(kind=kind, path=(path / name).relative_to(base).as_posix(), because=because)

    if "alembic.ini" in names:
        return found(SourceKind.ALEMBIC, "alembic.ini", "alembic.ini")
    if "manage.py" in names and "django" in _head(path / "manage.py").lower():
        return found(SourceKind.DJANGO, "manage.py", "manage.py")
    if "sqitch.plan" in names:
        return found(SourceKind.SQITCH, "sqitch.plan", "sqitch.plan")
    if "migration_lock.toml" in names:
        if "postgresql" not in _head(path / "migration_lock.toml"):
            return None
        return found(SourceKind.PRISMA, "", "migration_lock.toml")
    scripts = [name for name in names if name.endswith(".sql")]
    if not scripts:
        return None
    for name in scripts[:_LOOKED_AT]:
        kind = detect(path / name, _head(path / name))
        if kind is SourceKind.DIESEL:
            return FoundSource(
                kind=kind, path=path.parent.relative_to(base).as_posix(), because=f"{path.name}/{name}"
            )
        if kind is not SourceKind.SQL:
            return found(kind, "", name)
    if _HISTORY.search(path.name) or (len(scripts) > 1 and all(map(_NUMBERED.fullmatch, scripts))):
        return found(SourceKind.SQL, "", f"{len(scripts)} SQL files")
    return None


def _versions(path: Path, names: list[str]) -> set[int]:
    files = [name for name in names if name.endswith((".yml", ".yaml")) or name == "Dockerfile"]
    said = (match for name in files for match in _IMAGE.finditer(_head(path / name, 65_536)))
    return {int(match[1] or match[2]) for match in said}


def _head(path: Path, size: int = 4096) -> str:
    try:
        with path.open("rb") as file:
            return file.read(size).decode("utf-8", errors="replace")
    except OSError:
        return ""
