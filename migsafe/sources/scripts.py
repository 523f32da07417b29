"""SQL files as their tools run them: which ones, in which order, which half, in which transaction."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from migsafe.errors import UsageError
from migsafe.sources.detect import Detector, find_plan
from migsafe.sources.dialects import for_postgresql
from migsafe.sources.model import Source
from migsafe.sources.placeholders import fill
from migsafe.sources.settings import Direction, SourceKind, SourceSettings
from migsafe.sources.sql_folder import NaturalKey, display, natural_key, read_file, walk
from migsafe.sources.tools import (
    batch,
    dbmate,
    flyway,
    goose,
    liquibase,
    node_pg_migrate,
    plain,
    sqitch,
)
from migsafe.sources.tools.marked import Marked, blank


def load_scripts(settings: SourceSettings, path: Path, direction: Direction) -> tuple[Source, ...]:
    """All scripts of one file or folder in the order in which they run; down scripts come last one first.

    Raises:
        UsageError: The path does not exist, or there is no script in it.
    """
    plan = _plan(settings.kind, path)
    if plan is not None:
        return _planned(plan, direction)
    if not path.is_dir():
        return load_files([path], settings, direction)
    detector = Detector()
    found = [_read(file, settings, detector) for file in for_postgresql(walk(path), path)]
    if _kind(found, settings) is SourceKind.FLYWAY:
        found = [source for source in found if not flyway.CALLBACK.match(Path(source.path).name)]
    ordered = _in_order(found, settings)
    taken = (run_as(source, settings, direction) for source in ordered if _runs(source, direction))
    sources = _as_one_runner(source for source in taken if source is not None)
    return sources if direction is Direction.UP else sources[::-1]


def load_files(paths: Iterable[Path], settings: SourceSettings, direction: Direction) -> tuple[Source, ...]:
    """Scripts that were named, in the order in which they run, each once.

    They are read even if a run in this direction would leave them out.

    Raises:
        UsageError: One does not exist or cannot be read.
    """
    files = {path.resolve(): path for path in paths}
    detector = Detector()
    ordered = _in_order([_read(file, settings, detector) for file in files.values()], settings)
    return tuple(_named(source, settings, direction) for source in ordered)


def _as_one_runner(sources: Iterable[Source]) -> tuple[Source, ...]:
    """One file that opts out of its transaction says that the others of the folder are in one."""
    found = tuple(sources)
    plain_sql = [source for source in found if source.tool == SourceKind.SQL.value]
    if not any(source.in_transaction is not None for source in plain_sql):
        return found
    return tuple(
        replace(source, in_transaction=True) if source.in_transaction is None else source for source in found
    )


def _named(source: Source, settings: SourceSettings, direction: Direction) -> Source:
    own = Direction.DOWN if _is_down(Path(source.path).name) else direction
    return run_as(source, settings, own) or replace(source, text=blank(source.text))


def _in_order(sources: list[Source], settings: SourceSettings) -> list[Source]:
    kind = _kind(sources, settings)
    return sorted(sources, key=lambda source: _order(source.path, kind))


def run_as(source: Source, settings: SourceSettings, direction: Direction) -> Source | None:
    """The script as its tool (`source.tool`) runs it; None when it has nothing in this direction."""
    kind = SourceKind(source.tool)
    values: dict[str, str] = {}
    if kind is SourceKind.FLYWAY:
        values = flyway.settings_of(Path(source.path))
    marked = _mark(source.text, source.path, kind, direction, values)
    if not marked.applies:
        return None
    text, origins = marked.text, source.origins
    if kind is SourceKind.FLYWAY and values.get("placeholderreplacement", "true").lower() != "false":
        names = {key.removeprefix("placeholders."): value for key, value in values.items()}
        text, origins = fill(text, {**names, **settings.placeholders}, path=source.path)
    if source.problem:
        return replace(source, in_transaction=marked.in_transaction)
    return replace(
        source,
        text=text,
        origins=origins,
        shown=source.text if origins or text != source.text else "",
        in_transaction=marked.in_transaction,
        parts=marked.parts,
        revision=_revision(source.path, kind),
    )


def _mark(text: str, path: str, kind: SourceKind, direction: Direction, values: dict[str, str]) -> Marked:
    match kind:
        case SourceKind.GOOSE:
            return goose.mark(text, direction)
        case SourceKind.DBMATE:
            return dbmate.mark(text, direction)
        case SourceKind.NODE_PG_MIGRATE:
            return node_pg_migrate.mark(text, direction)
        case SourceKind.LIQUIBASE:
            return liquibase.mark(text, direction)
        case SourceKind.FLYWAY:
            return flyway.mark(text, values)
        case SourceKind.GOLANG_MIGRATE | SourceKind.PRISMA:
            return batch.mark(text)
        case SourceKind.SQITCH:
            return Marked(text=text, in_transaction=False)
        case SourceKind.DIESEL:
            return plain.mark_diesel(text, Path(path))
        case _:
            return plain.mark(text)


def _read(path: Path, settings: SourceSettings, detector: Detector) -> Source:
    source = read_file(path)
    kind = settings.kind
    if kind is SourceKind.AUTO:
        kind = detector.kind(path, source.text)
    return source if source.tool == kind.value else replace(source, tool=kind.value)


def _runs(source: Source, direction: Direction) -> bool:
    name = _name(source.path)
    match SourceKind(source.tool):
        case SourceKind.FLYWAY:
            return flyway.runs(name, direction)
        case SourceKind.GOLANG_MIGRATE | SourceKind.DIESEL | SourceKind.SQL:
            return _is_down(name) is (direction is Direction.DOWN)
        case SourceKind.PRISMA:
            # A down.sql beside it is the user's own; Prisma never runs it.
            return name == "migration.sql" and direction is Direction.UP
        case _:
            return True


def _is_down(name: str) -> bool:
    return name == "down.sql" or name.endswith(".down.sql")


def _order(path: str, kind: SourceKind) -> tuple[tuple[int, tuple[int, ...], str], NaturalKey]:
    match kind:
        case SourceKind.FLYWAY:
            # Its versions count wherever the file is, in a folder per release for example.
            return flyway.order(_name(path)), natural_key(path)
        case SourceKind.DBMATE:
            # These sort names as text: 10 comes before 2.
            return (0, (), _name(path)), natural_key(path)
        case SourceKind.PRISMA | SourceKind.DIESEL:
            return (0, (), Path(path).parent.name), natural_key(path)
        case _:
            return (0, (), ""), natural_key(path)


def _kind(sources: Iterable[Source], settings: SourceSettings) -> SourceKind:
    """The tool of a folder: the one that most of its files belong to, if none is configured."""
    if settings.kind is not SourceKind.AUTO:
        return settings.kind
    most = Counter(source.tool for source in sources).most_common(1)
    return SourceKind(most[0][0]) if most else SourceKind.SQL


def _revision(path: str, kind: SourceKind) -> str:
    match kind:
        case SourceKind.FLYWAY:
            return flyway.version(_name(path))
        case SourceKind.PRISMA | SourceKind.DIESEL:
            return Path(path).parent.name
        case _:
            name = _name(path)
            return name.split(".")[0].split("_")[0] if name[:1].isdigit() else ""


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _plan(kind: SourceKind, path: Path) -> Path | None:
    if path.name == sqitch.PLAN:
        return path
    if kind not in {SourceKind.AUTO, SourceKind.SQITCH} or not path.is_dir():
        return None
    return find_plan(path)


def _planned(plan: Path, direction: Direction) -> tuple[Source, ...]:
    changes = sqitch.read_plan(read_file(plan).text)
    sources: list[Source] = []
    for name, path in sqitch.scripts(plan, changes, direction):
        if not path.is_file():
            raise UsageError(
                f"{display(plan)}: {name} is planned, but there is no {display(path)}",
                advice="Add the script, or take the change out of the plan.",
            )
        sources.append(
            replace(read_file(path), tool=SourceKind.SQITCH.value, in_transaction=False, revision=name)
        )
    return tuple(sources)
