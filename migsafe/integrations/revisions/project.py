"""The Alembic project that a command is about, and its revisions as the project's own Python tells them."""

from dataclasses import dataclass
from pathlib import Path

from migsafe.config.model import Config
from migsafe.errors import UsageError
from migsafe.sources.alembic.load import ask_alembic
from migsafe.sources.model import Source
from migsafe.sources.project import kind_of, project_of
from migsafe.sources.rendered import as_source
from migsafe.sources.settings import Direction, SourceKind, SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`config` is the file that Alembic starts from; `settings` say how its Python is asked."""

    config: Path
    settings: SourceSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision: its SQL in one direction, and how it hangs together with the others.

    `down` and `depends_on` are ids; `labels` hold for it, of which `own_labels` stand in its file.
    """

    id: str
    path: Path
    source: Source
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: frozenset[str]
    own_labels: tuple[str, ...]
    is_head: bool
    is_asked: bool


def find_project(config: Config, *, here: Path | None = None) -> Project | None:
    """The first Alembic source of the configuration, else what the current folder holds; None without any."""
    for settings in config.sources:
        found = project_of(Path(config.resolve(settings.path)))
        if found is not None and _is_alembic(found, settings):
            return Project(config=found, settings=settings)
    found = project_of(here or Path())
    if found is None or not _is_alembic(found, SourceSettings()):
        return None
    return Project(config=found, settings=SourceSettings())


def read_revisions(project: Project, direction: Direction, *, asked: str) -> tuple[Revision, ...]:
    """All revisions in the order in which Alembic runs them in this direction.

    Raises:
        UsageError: The project cannot be rendered, or Alembic does not know what is asked for.
    """
    told = ask_alembic(project.settings, project.config, direction, asked=asked)
    return tuple(
        Revision(
            id=each["revision"],
            path=Path(each["path"]),
            source=as_source(each, SourceKind.ALEMBIC),
            down=tuple(each["down"]),
            depends_on=tuple(each["depends_on"]),
            labels=frozenset(each["labels"]),
            own_labels=tuple(each["own_labels"]),
            is_head=each["is_head"],
            is_asked=each["asked"],
        )
        for each in told
    )


def the_asked(revisions: tuple[Revision, ...], name: str) -> Revision:
    """The one revision that was asked for.

    Raises:
        UsageError: There is none, or there are several.
    """
    found = [each for each in revisions if each.is_asked]
    if len(found) == 1:
        return found[0]
    known = ", ".join(each.id for each in found) or "none"
    raise UsageError(f"{name} is not one revision: {known}", advice="`alembic history` lists them.")


def ancestors(revisions: tuple[Revision, ...], ids: frozenset[str]) -> frozenset[str]:
    """These revisions and all that must have run before them."""
    known = {each.id: each for each in revisions}
    found: set[str] = set()
    left = [name for name in ids if name in known]
    while left:
        revision = known[left.pop()]
        if revision.id not in found:
            found.add(revision.id)
            left += [name for name in (*revision.down, *revision.depends_on) if name in known]
    return frozenset(found)


def _is_alembic(path: Path, settings: SourceSettings) -> bool:
    return SourceKind.ALEMBIC in {settings.kind, kind_of(path)} and settings.kind in {
        SourceKind.AUTO,
        SourceKind.ALEMBIC,
    }
