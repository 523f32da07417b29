"""`migsafe init` finds the migrations of a repository, and what it writes is valid as it is."""

import tomllib
from pathlib import Path

import pytest

from migsafe.config.read import load_config
from migsafe.config.scan import scan
from migsafe.config.template import template
from migsafe.sources.settings import SourceKind

REPOSITORIES: list[tuple[str, dict[str, str], list[tuple[SourceKind, str]]]] = [
    ("nothing", {"README.md": ""}, []),
    ("alembic", {"svc/alembic.ini": "[alembic]\n"}, [(SourceKind.ALEMBIC, "svc/alembic.ini")]),
    ("django", {"manage.py": "import django\n"}, [(SourceKind.DJANGO, "manage.py")]),
    ("another manage.py", {"manage.py": "print(1)\n"}, []),
    ("flyway", {"sql/V1__a.sql": "", "sql/V2__b.sql": ""}, [(SourceKind.FLYWAY, "sql")]),
    ("golang", {"db/1_a.up.sql": "", "db/1_a.down.sql": ""}, [(SourceKind.GOLANG_MIGRATE, "db")]),
    ("goose", {"m/1_a.sql": "-- +goose Up\n"}, [(SourceKind.GOOSE, "m")]),
    ("dbmate", {"db/migrations/1_a.sql": "-- migrate:up\n"}, [(SourceKind.DBMATE, "db/migrations")]),
    ("sqitch", {"sqitch.plan": "%project=a\n", "deploy/a.sql": ""}, [(SourceKind.SQITCH, "sqitch.plan")]),
    ("liquibase", {"c/a.sql": "--liquibase formatted sql\n"}, [(SourceKind.LIQUIBASE, "c")]),
    (
        "prisma",
        {
            "prisma/migrations/migration_lock.toml": 'provider = "postgresql"\n',
            "prisma/migrations/1_init/migration.sql": "SELECT 1;\n",
        },
        [(SourceKind.PRISMA, "prisma/migrations")],
    ),
    ("prisma on MySQL", {"prisma/migrations/migration_lock.toml": 'provider = "mysql"\n'}, []),
    (
        "diesel",
        {"migrations/1_a/up.sql": "", "migrations/1_a/down.sql": ""},
        [(SourceKind.DIESEL, "migrations")],
    ),
    ("plain", {"db/migrations/1.sql": ""}, [(SourceKind.SQL, "db/migrations")]),
    ("numbered", {"sql/1.sql": "", "sql/2_b.sql": ""}, [(SourceKind.SQL, "sql")]),
    ("queries", {"queries/top.sql": "", "queries/other.sql": ""}, []),
    ("other people's", {"node_modules/x/migrations/1.sql": "", ".cache/migrations/1.sql": ""}, []),
    (
        "two",
        {"a/alembic.ini": "", "b/migrations/1.sql": ""},
        [(SourceKind.ALEMBIC, "a/alembic.ini"), (SourceKind.SQL, "b/migrations")],
    ),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def fill(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "sources"), [each[1:] for each in REPOSITORIES], ids=[each[0] for each in REPOSITORIES]
)
def test_migrations_are_found_and_the_template_says_the_same(
    repository: Path, files: dict[str, str], sources: list[tuple[SourceKind, str]]
) -> None:
    fill(repository, files)
    found = scan(repository)
    assert [(each.kind, each.path) for each in found.sources] == sources
    (repository / "migsafe.toml").write_text(template(found))
    config = load_config(current=repository)
    assert [(each.kind, each.path) for each in config.sources] == sources


@pytest.mark.parametrize("name", [each[0] for each in REPOSITORIES])
def test_every_commented_key_is_valid_too(repository: Path, name: str) -> None:
    fill(repository, next(each[1] for each in REPOSITORIES if each[0] == name))
    lines = template(scan(repository)).splitlines()
    keys = (
        "[",
        "fail_on",
        "baseline",
        "exclude",
        "small_tables",
        "phases",
        "schema",
        "kind",
        "path",
        "match",
    )
    said = [
        line.removeprefix("# ")
        if line.removeprefix("# ").startswith((*keys, "server_version =", "rules", "start_after"))
        or " = " in line
        else line
        for line in lines
    ]
    (repository / "migsafe.toml").write_text("\n".join(said))
    config = load_config(current=repository)
    assert config.exclude == ("**/vendor/**",)
    assert len(config.paths) == 1


def test_the_oldest_server_that_is_named_counts_if_it_is_supported(repository: Path) -> None:
    fill(
        repository,
        {
            "compose.yml": "image: postgres:16-alpine",
            ".github/workflows/ci.yml": "image: postgres:15.3",
            "Dockerfile": "FROM postgres:11",
        },
    )
    found = scan(repository)
    assert found.versions == (11, 15, 16)
    assert tomllib.loads(template(found))["server_version"] == 15


def test_a_dump_beside_a_history_is_not_the_schema_before_it(repository: Path) -> None:
    fill(repository, {"db/structure.sql": "SELECT 1;"})
    assert tomllib.loads(template(scan(repository)))["schema"] == "db/structure.sql"
    fill(repository, {"db/migrations/1.sql": ""})
    assert "schema" not in tomllib.loads(template(scan(repository)))
