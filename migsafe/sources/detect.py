"""Which tool a script belongs to, by its name, its markers, and the files around it."""

import re
from pathlib import Path

from migsafe.sources.settings import SourceKind
from migsafe.sources.tools import dbmate, flyway, goose, liquibase, node_pg_migrate, sqitch

_GOLANG_NAME = re.compile(r"\A\d+_.*\.(?:up|down)\.sql\Z|\A.*\.(?:up|down)\.sql\Z")
# Most scripts have no marker: a word that each marker has is found faster than its pattern.
_MARKERS = (
    (SourceKind.LIQUIBASE, "liquibase", liquibase.HEADER),
    (SourceKind.GOOSE, "+goose", goose.MARKER),
    (SourceKind.DBMATE, "migrate:", dbmate.MARKER),
    (SourceKind.NODE_PG_MIGRATE, "migration", node_pg_migrate.MARKER),
)
_PLAN_LEVELS = 3


def detect(path: Path, text: str) -> SourceKind:
    """The tool of one script; SQL when nothing tells."""
    return Detector().kind(path, text)


class Detector:
    """The same for many scripts: their folders are looked at once, as long as this object lives."""

    def __init__(self) -> None:
        self._planned: dict[Path, bool] = {}

    def kind(self, path: Path, text: str) -> SourceKind:
        """The tool of one script; SQL when nothing tells."""
        return _marked(text) or _named(path) or self._beside(path)

    def _beside(self, path: Path) -> SourceKind:
        folder = path.parent
        if folder not in self._planned:
            self._planned[folder] = find_plan(folder) is not None
        return SourceKind.SQITCH if self._planned[folder] else SourceKind.SQL


def _marked(text: str) -> SourceKind | None:
    lower = text.lower()
    for kind, word, marker in _MARKERS:
        if word in lower and marker.search(text):
            return kind
    return None


def _named(path: Path) -> SourceKind | None:
    if _GOLANG_NAME.match(path.name):
        return SourceKind.GOLANG_MIGRATE
    if flyway.NAME.match(path.name):
        return SourceKind.FLYWAY
    if path.name in {"up.sql", "down.sql"}:
        return SourceKind.DIESEL
    if path.name == "migration.sql" and (path.parent.parent / "migration_lock.toml").is_file():
        return SourceKind.PRISMA
    return None


def find_plan(path: Path) -> Path | None:
    """The sqitch plan that a script, or a folder of scripts, belongs to."""
    folder = path if path.is_dir() else path.parent
    for level in (folder, *folder.resolve().parents[:_PLAN_LEVELS]):
        plan = level / sqitch.PLAN
        if plan.is_file():
            return plan
    return None
