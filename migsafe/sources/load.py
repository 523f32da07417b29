"""The whole history of one source, whichever tool it belongs to."""

from pathlib import Path

from migsafe.errors import UsageError
from migsafe.sources.model import Source
from migsafe.sources.project import MANAGE, kind_of, project_of
from migsafe.sources.scripts import load_scripts
from migsafe.sources.settings import Direction, SourceKind, SourceSettings


def load(settings: SourceSettings, path: Path, direction: Direction) -> tuple[Source, ...]:
    """All scripts of a source in the order in which they run. `path` is where it really is.

    Raises:
        UsageError: There is nothing at the path, or the tool cannot be asked.
    """
    if not path.exists():
        raise UsageError(f"{path.as_posix()}: no such file or folder", advice="Check the path.")
    kind = settings.kind
    if kind is SourceKind.AUTO:
        project = project_of(path)
        path = project or path
        kind = kind_of(project) if project else SourceKind.AUTO
    if kind is SourceKind.ALEMBIC:
        from migsafe.sources.alembic.load import load_alembic  # noqa: PLC0415 -- only who has it waits for it

        return load_alembic(settings, _file(path, "alembic.ini"), direction)
    if kind is SourceKind.DJANGO:
        from migsafe.sources.django.load import load_django  # noqa: PLC0415 -- the same

        return load_django(settings, _file(path, MANAGE), direction)
    return load_scripts(settings, path, direction)


def _file(path: Path, name: str) -> Path:
    if not path.is_dir():
        return path
    project = project_of(path)
    return project if project is not None else path / name
