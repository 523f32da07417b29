"""Which tool a script belongs to, by its name, its markers, and the files around it."""

import re
from pathlib import Path

from migsafe.sources.settings import SourceKind
from migsafe.sources.tools import dbmate, flyway, goose, liquibase, node_pg_migrate, sqitch

_GOLANG_NAME = re.compile(r"\A\d+_.*\.(?:up|down)\.sql\Z|\A.*\.(?:up|down)\.sql\Z")
_MARKERS = (
    (SourceKind.LIQUIBASE, liquibase.HEADER),
    (SourceKind.GOOSE, goose.MARKER),
    (SourceKind.DBMATE, dbmate.MARKER),
    (SourceKind.NODE_PG_MIGRATE, node_pg_migrate.MARKER),
)
_PLAN_LEVELS = 3


def detect(path: Path, text: str) -> SourceKind:
    """The tool of one script; SQL when nothing tells."""
    for kind, marker in _MARKERS:
        if marker.search(text):
            return kind
    if _GOLANG_NAME.match(path.name):
        return SourceKind.GOLANG_MIGRATE
    if flyway.NAME.match(path.name):
        return SourceKind.FLYWAY
    if path.name in {"up.sql", "down.sql"}:
        return SourceKind.DIESEL
    if path.name == "migration.sql" and (path.parent.parent / "migration_lock.toml").is_file():
        return SourceKind.PRISMA
    if find_plan(path) is not None:
        return SourceKind.SQITCH
    return SourceKind.SQL


def find_plan(path: Path) -> Path | None:
    """The sqitch plan that a script, or a folder of scripts, belongs to."""
    folder = path if path.is_dir() else path.parent
    for level in (folder, *folder.resolve().parents[:_PLAN_LEVELS]):
        plan = level / sqitch.PLAN
        if plan.is_file():
            return plan
    return None
