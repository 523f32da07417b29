"""A handful of small databases on one server, the file that names them, and the plan for them."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from migsafe.catalog.live import read_catalog
from migsafe.cli.main import app
from migsafe.errors import MigsafeError
from migsafe.fleet.model import Database
from migsafe.plan.model import Contract, Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.toml.file import dump_plan
from migsafe.postgres.server import Server
from tests.conftest import drop_database

ROWS = 400
MIGRATION = "ALTER TABLE users RENAME COLUMN name TO full_name"
NAME = "rename_users_name_to_full_name"
Process = subprocess.Popen[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """The databases by their short names (a, b, ...), with the files of a fleet."""

    server: Server
    real: Mapping[str, str]
    folder: Path
    plan: Plan

    @property
    def plan_file(self) -> Path:
        return self.folder / "plan.toml"

    @property
    def file(self) -> Path:
        return self.folder / "fleet.toml"

    def dsn(self, name: str) -> str:
        return self.server.dsn(self.real[name])

    def database(self, name: str) -> Database:
        return Database(name=name, dsn=self.dsn(name))

    def sql(self, name: str, statement: str) -> None:
        with psycopg.connect(self.dsn(name), autocommit=True) as conn:
            conn.execute(statement)

    def columns(self, name: str) -> set[str]:
        query = "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'users'"
        with psycopg.connect(self.dsn(name)) as conn:
            return {row[0] for row in conn.execute(query)}

    def rollout(self, name: str) -> tuple[str, str] | None:
        """Stage and state, None when there is none."""
        with psycopg.connect(self.dsn(name)) as conn:
            if conn.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'migsafe'").fetchone() is None:
                return None
            row = conn.execute("SELECT stage, state FROM migsafe.rollout").fetchone()
            return (row[0], row[1]) if row else None

    def write(self, *more: str, names: Sequence[str] = ()) -> None:
        """The fleet's file, without a password: it comes by PGPASSWORD."""
        url = f"postgresql://postgres@127.0.0.1:{self.server.port}/{{dbname}}"
        lines = [f'url = "{url}"', *more]
        for name in names or self.real:
            lines += ["[[databases]]", f'name = "{name}"', f'dbname = "{self.real[name]}"']
        self.file.write_text("\n".join(lines) + "\n")

    def command(self, command: str, *arguments: str, plan: str = "") -> list[str]:
        place = plan or str(self.plan_file)
        return [
            *(sys.executable, "-m", "migsafe", "fleet", command, place),
            *("--databases", str(self.file), *arguments),
        ]

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if "DATABASE_URL" not in key}
        # A URL of another database must not get into any child.
        wrong = "postgresql://nobody@127.0.0.1:1/wrong"
        return {
            **clean,
            "PGPASSWORD": self.server.password,
            "MIGSAFE_DATABASE_URL": wrong,
            "MIGSAFE_DIRECT_DATABASE_URL": wrong,
        }

    def fleet(self, command: str, *arguments: str, plan: str = "") -> Said:
        """A command in this process: what it starts for each database are processes all the same."""
        words = self.command(command, *arguments, plan=plan)[3:]
        replaced: Mapping[str, str | None] = {
            **{key: None for key in os.environ if "DATABASE_URL" in key},
            **self.environment,
        }
        result = CliRunner().invoke(app, words, env=replaced)
        match result.exception:
            case MigsafeError() as error:
                return Said(returncode=2, stdout=result.stdout, stderr=f"{result.stderr}error: {error}")
            case None | SystemExit():
                return Said(returncode=result.exit_code, stdout=result.stdout, stderr=result.stderr)
            case other:
                raise other

    def start(self, command: str, *arguments: str) -> Process:
        return subprocess.Popen(
            self.command(command, *arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def fill(dsn: str, prepare: str = "") -> Plan:
    """Make the table, what else there is to prepare, and the plan for it."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL)")
        conn.execute("INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, %s) i", (ROWS,))
        conn.execute("ANALYZE users")
        if prepare:
            conn.execute(prepare)
        options = PlanOptions(contract=Contract(keep_seconds=0))
        return plan_migration(MIGRATION, read_catalog(conn), options)


@pytest.fixture
def make_shards(server: Server, tmp_path: Path) -> Iterator[Callable[..., Shards]]:
    made: list[str] = []

    def create(database: str, template: str) -> None:
        made.append(database)
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(query.format(sql.Identifier(database), sql.Identifier(template)))

    def make(count: int, prepare: str = "") -> Shards:
        tag = uuid.uuid4().hex[:8]
        names = ascii_lowercase[:count] if count <= 26 else [f"s{n:03}" for n in range(count)]
        real = {name: f"fleet_{tag}_{name}" for name in names}
        first, *others = real.values()
        create(first, "template1")
        plan = fill(server.dsn(first), prepare)
        for database in others:
            create(database, first)
        (tmp_path / "plan.toml").write_text(dump_plan(plan))
        shards = Shards(server=server, real=real, folder=tmp_path, plan=plan)
        shards.write()
        return shards

    yield make
    for database in reversed(made):
        drop_database(server, database)
