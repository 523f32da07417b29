"""Revisions that are planned and written again, by `migsafe plan` and by autogenerate."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from typer.testing import CliRunner

from migsafe.cli.main import app
from migsafe.errors import MigsafeError
from tests.integrations.alembic_project import Project

BASE = """
def upgrade():
    op.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL)")
    op.execute("CREATE TABLE orders (id bigint PRIMARY KEY, amount integer)")

def downgrade():
    op.execute("DROP TABLE users, orders")
"""
NAIVE = """
def upgrade():
    op.alter_column("users", "name", new_column_name="full_name")

def downgrade():
    op.alter_column("users", "full_name", new_column_name="name")
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("MIGSAFE_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path, database: str) -> Project:
    made = Project(tmp_path, database)
    made.write("r1", BASE)
    return made


def migsafe(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if isinstance(done.exception, MigsafeError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def scripts(project: Project) -> ScriptDirectory:
    return ScriptDirectory.from_config(project.config())


def fill(project: Project, rows: int = 500) -> None:
    with psycopg.connect(project.database, autocommit=True) as conn:
        conn.execute("INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, %s) i", (rows,))


def test_a_revision_becomes_expand_and_contract_revisions_on_labelled_branches(project: Project) -> None:
    path = project.write("r2", NAIVE, down="r1")
    project.upgrade("r1")
    fill(project)
    found = json.loads(migsafe("plan", "head", "--revisions", "--keep", "0s", "--format", "json"))
    assert found["plan"]["name"] == "rename_users_name_to_full_name_r2"
    assert found["notes"] == []
    assert "op.migsafe_backfill(" in path.read_text(encoding="utf-8")
    expand, contract = (scripts(project).get_revision(f"{label}@head") for label in ("expand", "contract"))
    assert expand is not None
    assert contract is not None
    assert (expand.revision, expand.down_revision) == ("r2", "r1")
    assert scripts(project).get_revision(str(contract.down_revision)).dependencies == "r2"
    project.upgrade("expand@head")
    assert project.columns() == ["full_name", "id", "name"]
    project.downgrade("r1", "new-version-gone")
    assert project.columns() == ["id", "name"]
    project.upgrade("contract@head", "old-version-gone")
    assert project.columns() == ["full_name", "id"]
    # The next one goes behind those that are there, on both branches.
    again = NAIVE.replace("full_name", "label").replace('"name"', '"full_name"')
    project.write("r3", again, down="r2")
    migsafe("plan", "r3", "--revisions")
    new = scripts(project).get_revision("contract@head")
    assert new is not None
    names = [each.revision for each in scripts(project).walk_revisions("base", new.revision)]
    assert contract.revision in names
    assert len(scripts(project).get_heads()) == 2
    project.upgrade("expand@head")
    assert project.columns() == ["full_name", "id", "label"]


def test_in_the_layout_of_phases_the_revisions_follow_each_other(project: Project) -> None:
    (project.folder / "migsafe.toml").write_text('[alembic]\nlayout = "phases"\n', encoding="utf-8")
    project.write("r2", NAIVE, down="r1")
    project.upgrade("r1")
    fill(project)
    migsafe("plan", "r2", "--revisions", "--keep", "0s")
    chain = [(each.module.migsafe_phase, each.module.migsafe_stage) for each in _upwards(project)]
    assert chain == [
        ("expand", "expanded"),
        ("backfill", "backfilled"),
        ("backfill", "verified"),
        ("contract", "tombstoned"),
        ("contract", "dropped"),
    ]
    with pytest.raises(CommandError, match="nothing proves that the old version"):
        project.upgrade("head")
    verified = _upwards(project)[2]
    assert project.versions() == [verified.revision]
    project.downgrade("r2", "new-version-gone")
    assert project.ask("SELECT stage FROM migsafe.rollout") == [("expanded",)]
    project.upgrade("head", "old-version-gone")
    assert project.columns() == ["full_name", "id"]


def _upwards(project: Project) -> list[Script]:
    return list(reversed([each for each in scripts(project).walk_revisions() if each.revision != "r1"]))


def test_an_edited_plan_is_written_into_the_revisions_again(project: Project) -> None:
    path = project.write("r2", NAIVE, down="r1")
    migsafe("plan", "r2", "--revisions")
    first = path.read_text(encoding="utf-8")
    plan = path.with_suffix(".plan.toml")
    plan.write_text(plan.read_text(encoding="utf-8").replace("in batches", "bit by bit"), encoding="utf-8")
    migsafe("plan", "r2", "--revisions")
    second = path.read_text(encoding="utf-8")
    assert second == first.replace("in batches", "bit by bit") != first
    assert len(list(path.parent.glob("*.py"))) == 4


def test_what_cannot_be_planned_is_said_with_the_line_of_the_revision(project: Project) -> None:
    path = project.write(
        "r2",
        'def upgrade():\n    op.execute("SET search_path = shop")\n    op.drop_column("users", "name")\n',
        down="r1",
    )
    line = path.read_text(encoding="utf-8").splitlines().index('    op.execute("SET search_path = shop")') + 1
    with pytest.raises(MigsafeError, match=rf"r2\.py:{line}: the migration sets search_path"):
        migsafe("plan", "r2")
    with pytest.raises(MigsafeError, match="Can't locate revision"):
        migsafe("plan", "nothing_like_it")


def test_a_downgrade_that_forgets_something_is_noted(project: Project) -> None:
    project.write(
        "r2",
        NAIVE.replace('op.alter_column("users", "full_name", new_column_name="name")', "pass"),
        down="r1",
    )
    assert "downgrade() does not bring back the schema" in migsafe("plan", "r2")


def test_a_plan_starts_from_the_live_schema_and_refuses_a_revision_that_is_applied(project: Project) -> None:
    project.write("r2", NAIVE, down="r1")
    project.upgrade("r1")
    assert "full_name" in migsafe("plan", "r2", "--database", project.database)
    project.upgrade("r2")
    with pytest.raises(MigsafeError, match="the database has revision r2 already"):
        migsafe("plan", "r2", "--force", "--database", project.database)


MODELS = """
import sqlalchemy as sa
target_metadata = sa.MetaData()
sa.Table(
    "users",
    target_metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
)
sa.Table(
    "orders",
    target_metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("amount", sa.BigInteger),
)
"""


@pytest.mark.parametrize("how", ["configured", "plugin"])
def test_autogenerate_splits_what_it_finds(project: Project, how: str) -> None:
    env = project.folder / "migrations" / "env.py"
    text = env.read_text(encoding="utf-8").replace("target_metadata = None", MODELS)
    if how == "plugin":
        text = text.replace(
            "connection=connection,",
            'connection=connection, autogenerate_plugins=["alembic.autogenerate.*", "migsafe"],',
        )
    else:
        (project.folder / "migsafe.toml").write_text("[alembic]\nautogenerate = true\n", encoding="utf-8")
    env.write_text(text, encoding="utf-8")
    project.upgrade("r1")
    fill(project)
    command.revision(project.config(), message="bigger", autogenerate=True, rev_id="r2")
    made = scripts(project)
    expand, contract = made.get_revision("expand@head"), made.get_revision("contract@head")
    assert expand is not None
    assert contract is not None
    assert (expand.revision, expand.module.migsafe_stage) == ("r2", "verified")
    assert contract.module.migsafe_stage == "dropped"
    project.upgrade("expand@head")
    column = "SELECT data_type FROM information_schema.columns WHERE column_name = 'amount'"
    assert project.ask(column) == [("bigint",)]
    assert project.ask("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_users_name'") == [(1,)]


@pytest.mark.timeout(600)
def test_an_upgrade_that_is_killed_goes_on_where_it_was(project: Project) -> None:
    project.write("r2", NAIVE, down="r1")
    project.upgrade("r1")
    fill(project, 60_000)
    slow_down(project)
    migsafe("plan", "r2", "--revisions")
    alembic = [sys.executable, "-m", "alembic", "upgrade", "expand@head"]
    killed: set[str] = set()
    with psycopg.connect(project.database, autocommit=True) as conn:
        for wanted in ("", "backfill", "verify"):  # the first at whatever step is seen at work
            running = subprocess.Popen(
                alembic, cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while running.poll() is None:
                if _at_work(conn, wanted):
                    os.kill(running.pid, signal.SIGKILL)
                    killed.add(wanted)
                    break
                time.sleep(0.01)
            running.wait()
    assert "backfill" in killed
    done = subprocess.run(alembic, cwd=project.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert project.ask("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM name") == [(0,)]
    assert project.ask("SELECT stage FROM migsafe.rollout") == [("verified",)]
    assert project.versions() == ["r2"]


def slow_down(project: Project) -> None:
    """Make every thousandth row take a twentieth of a second, so that no machine is too fast to be killed."""
    with psycopg.connect(project.database, autocommit=True) as conn:
        conn.execute(
            "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql "
            "AS 'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'"
        )
        conn.execute(
            "CREATE TRIGGER doze BEFORE UPDATE ON users FOR EACH ROW WHEN (NEW.id % 1000 = 0) "
            "EXECUTE FUNCTION doze()"
        )


def _at_work(conn: psycopg.Connection, step: str) -> bool:
    row = conn.execute("SELECT to_regclass('migsafe.step') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return False
    query = "SELECT 1 FROM migsafe.step WHERE starts_with(id, %s) AND state = 'running' LIMIT 1"
    return conn.execute(query, (step,)).fetchone() is not None
