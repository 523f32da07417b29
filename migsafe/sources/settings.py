"""Where the history of a database is, as the configuration says it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class SourceKind(StrEnum):
    """The tool that runs the scripts of a source; AUTO looks at its files."""

    AUTO = "auto"
    SQL = "sql"
    ALEMBIC = "alembic"
    DJANGO = "django"
    FLYWAY = "flyway"
    GOLANG_MIGRATE = "golang-migrate"
    GOOSE = "goose"
    DBMATE = "dbmate"
    SQITCH = "sqitch"
    LIQUIBASE = "liquibase"
    PRISMA = "prisma"
    NODE_PG_MIGRATE = "node-pg-migrate"
    DIESEL = "diesel"


class Direction(StrEnum):
    """Which half of a migration is read."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """One `[[sources]]` table.

    `path` is a folder of scripts, or the file that the tool starts from (alembic.ini, pyproject.toml,
    manage.py, sqitch.plan). `start_after` names a script or revision: it and everything before it is
    context only. A script is named by its path, its file name with or without the suffix, or the tool's
    version or revision of it.

    The rest is for tools that are asked, in a process of their own: `python` is the interpreter of the
    project ("" looks for one), `timeout` the seconds it may take, `environment` what is set for it,
    `arguments` are passed on (`alembic -x`), `section` is the section of the ini file (`alembic --name`) or
    the alias of the database (Django), `run_env` is whether Alembic's env.py runs. `placeholders` are the
    values of `${name}` in Flyway's files.
    """

    kind: SourceKind = SourceKind.AUTO
    path: str = "."
    start_after: str = ""
    python: str = ""
    timeout: float = 60.0
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    section: str = ""
    run_env: bool = True
    placeholders: Mapping[str, str] = field(default_factory=dict)
