"""An Alembic project as `alembic init` makes it, with our two lines in its env.py, on a real database."""

import io
import textwrap
from argparse import Namespace
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from alembic import command
from alembic.config import Config

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import Contract
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.toml.file import dump_plan

TWO_LINES = "from migsafe.integrations.alembic import protect\nprotect(context{more})\n"
SCHEMA = """
    CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
    INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i;
"""


def url_of(database: str) -> str:
    return "postgresql+psycopg://?" + urlencode(psycopg.conninfo.conninfo_to_dict(database))


class Project:
    """A project as `alembic init` makes it, with our two lines in its env.py."""

    def __init__(self, folder: Path, database: str, *, more: str = "", template: str = "generic") -> None:
        self.folder, self.database = folder, database
        self.out = io.StringIO()
        self.ini = folder / "alembic.ini"
        command.init(self.config(), str(folder / "migrations"), template=template)
        text = self.ini.read_text(encoding="utf-8")
        url = url_of(database).replace("%", "%%")
        self.ini.write_text(text.replace("driver://user:pass@localhost/dbname", url), encoding="utf-8")
        env = folder / "migrations" / "env.py"
        text = env.read_text(encoding="utf-8")
        before = "if context.is_offline_mode():"
        assert text.count(before) == 1
        text = text.replace(before, TWO_LINES.format(more=more) + "\n" + before)
        # The tests' own logging stays as it is.
        env.write_text(text.replace("fileConfig(config.config_file_name)", "pass"), encoding="utf-8")

    def config(self, *words: str) -> Config:
        return Config(
            str(self.ini),
            output_buffer=self.out,
            stdout=io.StringIO(),
            cmd_opts=Namespace(x=list(words) or None),
        )

    def write(self, name: str, body: str, *, down: str | None = None, more: str = "") -> Path:
        path = self.folder / "migrations" / "versions" / f"{name}.py"
        path.write_text(
            f'from alembic import op\n\nrevision = "{name}"\ndown_revision = {down!r}\n{more}\n\n'
            + textwrap.dedent(body),
            encoding="utf-8",
        )
        return path

    def plan(self, name: str, migration: str, contract: Contract | None = None) -> None:
        with psycopg.connect(self.database, autocommit=True) as conn:
            catalog = read_catalog(conn)
        plan = plan_migration(migration, catalog, PlanOptions(name=name, contract=contract or Contract()))
        path = self.folder / "migrations" / "versions" / f"{name}.plan.toml"
        path.write_text(dump_plan(plan), encoding="utf-8")

    def upgrade(self, to: str, *words: str) -> None:
        command.upgrade(self.config(*words), to)

    def downgrade(self, to: str, *words: str) -> None:
        command.downgrade(self.config(*words), to)

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database, autocommit=True) as conn:
            return conn.execute(query.encode()).fetchall()

    def columns(self) -> list[str]:
        rows = self.ask(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'users' ORDER BY 1"
        )
        return [str(row[0]) for row in rows]

    def versions(self) -> list[str]:
        return sorted(str(row[0]) for row in self.ask("SELECT version_num FROM alembic_version"))
