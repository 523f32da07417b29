"""From what is asked for to scripts: which are judged, and which are only their history."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from migsafe.errors import UsageError
from migsafe.sources.detect import detect
from migsafe.sources.load import load
from migsafe.sources.model import Source
from migsafe.sources.project import project_of
from migsafe.sources.scripts import load_files, run_as
from migsafe.sources.settings import Direction, SourceKind, SourceSettings
from migsafe.sources.sql_folder import STDIN, RealPaths, decode
from migsafe.sources.start import after_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is judged: `paths` (files, folders, alembic.ini, manage.py, `-`), or all `sources` without any.

    `sources` are the histories that the configuration names, in the order in which they run; their paths
    and interpreters are relative to `root`. `diff` is a git ref: only what changed since then is judged.
    `stdin_filename` is the name of what standard input brings, which may be a file of a source. A script
    whose path `is_excluded` is context only.
    """

    paths: tuple[str, ...] = ()
    sources: tuple[SourceSettings, ...] = ()
    diff: str = ""
    direction: Direction = Direction.UP
    stdin_filename: str = ""
    is_excluded: Callable[[str], bool] | None = None
    root: Path = field(default_factory=Path)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A history, and the file or folder it starts from."""

    start: Path
    sources: list[Source]


def gather(request: Request, *, stdin: BinaryIO) -> tuple[Source, ...]:
    """The scripts in the order in which they run, with what is only context marked as such.

    Alembic and Django projects are asked in a process of their own, which runs the project's code.

    Raises:
        UsageError: A path cannot be read, a tool cannot be asked, git does not know the ref, or nothing is
            named at all.
    """
    if not request.paths and not request.sources:
        raise UsageError(
            "nothing is named, and no source is configured",
            advice="Name SQL files or folders of them, for example `migsafe lint migrations/`; "
            "`-` reads standard input; `migsafe init` finds and configures sources.",
        )
    loaded = [_configured(settings, request) for settings in request.sources]
    if request.paths:
        sources = _chosen(loaded, request)
    else:
        sources = [source for each in loaded for source in each.sources]
    if STDIN in request.paths:
        text = decode(stdin.read(), path=request.stdin_filename or "<stdin>")
        sources = _with_stdin(sources, text, request.direction)
    return _without_tail(_filtered(sources, request))


def _configured(settings: SourceSettings, request: Request) -> _Loaded:
    path = Path(os.path.relpath(request.root / settings.path)) if settings.path else request.root
    if os.sep in settings.python:
        # The project is asked in its own folder, which need not be that of the configuration.
        settings = replace(settings, python=os.path.abspath(request.root / settings.python))  # noqa: PTH100
    return _Loaded(path, _history(settings, path, request.direction))


def _history(settings: SourceSettings, path: Path, direction: Direction) -> list[Source]:
    """A source's scripts; going back starts from the schema that going forward leaves."""
    forward = load(settings, path, Direction.UP)
    if direction is Direction.UP:
        return after_start(forward, settings.start_after, direction)
    return [
        *(replace(source, judged=False) for source in forward),
        *after_start(load(settings, path, direction), settings.start_after, direction),
    ]


def _chosen(loaded: list[_Loaded], request: Request) -> list[Source]:
    """All configured sources with only what is named judged, then what is named and in none of them."""
    wanted: set[Path] = set()
    files: list[Path] = []
    for name in dict.fromkeys(path for path in request.paths if path != STDIN):
        path = Path(name)
        if not path.exists():
            raise UsageError(f"{name}: no such file or folder", advice="Check the path.")
        found = _inside(loaded, path)
        if not found and (project := project_of(path)) is not None:
            if all(each.start.resolve() != project.resolve() for each in loaded):
                loaded.append(_Loaded(project, _history(SourceSettings(), project, request.direction)))
            found = _inside(loaded, path)
        elif not found:
            if path.suffix == ".py":
                raise UsageError(
                    f"{name}: no alembic.ini or manage.py above this file says what it migrates",
                    advice="Name the project's alembic.ini or manage.py, or the SQL files.",
                )
            files.append(path)
        wanted |= found
    real = RealPaths()
    sources = [
        source
        if not source.judged or (wanted and Path(real.of(source.path)) in wanted)
        else replace(source, judged=False)
        for each in loaded
        for source in each.sources
    ]
    return sources + _unconfigured(files, request.direction)


def _inside(loaded: Sequence[_Loaded], path: Path) -> set[Path]:
    """The scripts that a path means: itself, all in a folder, or all that start from it."""
    real = path.resolve()
    found: set[Path] = set()
    real_paths = RealPaths()
    for each in loaded:
        start = each.start.resolve()
        is_all = start == real or (start.parent == real and not path.suffix and start.is_file())
        places = (Path(real_paths.of(source.path)) for source in each.sources)
        found |= {place for place in places if is_all or place == real or real in place.parents}
    return found


def _unconfigured(paths: Iterable[Path], direction: Direction) -> list[Source]:
    """Files and folders as their looks tell: files of one folder in migration order, each file once."""
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        groups.setdefault(path if path.is_dir() else path.parent, []).append(path)
    found: dict[tuple[str, bool], Source] = {}
    real = RealPaths()
    for folder, members in groups.items():
        if folder in members:
            sources = _history(SourceSettings(), folder, direction)
        else:
            sources = list(load_files(members, SourceSettings(), direction))
        for source in sources:
            found.setdefault((real.of(source.path), source.judged), source)
    return list(found.values())


def _with_stdin(sources: list[Source], given: Source, direction: Direction) -> list[Source]:
    """Standard input in place of the file whose name it has, or behind everything."""
    path = Path(given.path)
    kind = detect(path, given.text)
    for at, source in enumerate(sources):
        if _real(source.path) == path.resolve():
            kind = SourceKind(source.tool)
            new = _as_run(given, kind, direction)
            return [replace(old, judged=False) for old in sources[:at]] + [
                replace(new, revision=source.revision, phase=source.phase)
            ]
    return [*sources, _as_run(given, kind, direction)]


def _as_run(given: Source, kind: SourceKind, direction: Direction) -> Source:
    if kind in {SourceKind.ALEMBIC, SourceKind.DJANGO}:
        raise UsageError(
            f"{given.path}: a Python migration cannot be read from standard input",
            advice="Save it and name the file.",
        )
    named = replace(given, tool=kind.value)
    return run_as(named, SourceSettings(), direction) or replace(named, text="")


def _filtered(sources: Iterable[Source], request: Request) -> list[Source]:
    changed = _changed(request)
    return [
        replace(source, judged=False)
        if source.judged
        and (
            (changed is not None and _real(source.path) not in changed)
            or (request.is_excluded is not None and request.is_excluded(source.path))
        )
        else source
        for source in sources
    ]


def _changed(request: Request) -> frozenset[Path] | None:
    if not request.diff:
        return None
    from migsafe.sources.changes import changed_files  # noqa: PLC0415 -- seldom needed, and slow to import

    return changed_files(request.diff, folder=request.root)


def _without_tail(sources: list[Source]) -> tuple[Source, ...]:
    """Nothing that runs after the last judged script matters."""
    last = max((at for at, source in enumerate(sources) if source.judged), default=-1)
    return tuple(sources[: last + 1])


def _real(path: str) -> Path:
    return Path(path).resolve()
