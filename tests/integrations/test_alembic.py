"""The configurations that the hook's own documentation shows, tried with the real `alembic revision`."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest

from migsafe.integrations.alembic import lint_hook as hook

ENV = """
import os

import migsafe.integrations.alembic
import psycopg
import sqlalchemy as sa
from alembic import context

tables = sa.MetaData()
sa.Table(
    "orders",
    tables,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("customer", sa.BigInteger, index=True),
)

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=tables)
    with context.begin_transaction():
        context.run_migrations()
elif "URL" in os.environ:
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(os.environ["URL"]))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=tables)
        with context.begin_transaction():
            context.run_migrations()
"""
TEMPLATE = """
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades and upgrades != "pass" else 'op.drop_table("orders")'}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV, encoding="utf-8")
    (tmp_path / "script.py.mako").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


def shown() -> list[str]:
    """The two configurations of the module's docstring, as text."""
    text = textwrap.dedent((hook.__doc__ or "").partition("\n")[2])
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("    "):
            blocks[-1].append(line.strip())
        elif line and blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]


def revision(project: Path, hooks: str, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    start = "script_location = %(here)s\n"
    head = "[alembic]\n"
    ini = hooks.replace(head, head + start) if head in hooks else head + start + hooks
    (project / "alembic.ini").write_text(ini, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-m", "alembic", "revision", "--message", "orders", *more],
        cwd=project,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_program_of_the_documentation_shows_findings_and_lets_alembic_go_on(project: Path) -> None:
    program, _ = shown()
    done = revision(project, program)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[MS304 dropped-table]" in done.stdout


def test_the_hook_of_the_documentation_fails_for_a_revision_written_by_hand(project: Path) -> None:
    _, own = shown()
    done = revision(project, own)
    (written,) = (project / "versions").glob("*.py")
    assert done.returncode != 0
    assert "migsafe found something unsafe in" in done.stdout
    assert f"versions/{written.name}:10:5: error" in done.stderr


def test_without_its_environment_alembic_does_not_know_the_hook(project: Path) -> None:
    _, own = shown()
    done = revision(project, own.replace("revision_environment = true", ""))
    assert done.returncode != 0
    assert "No formatter with name 'migsafe'" in done.stdout + done.stderr


def test_what_autogenerate_wrote_is_judged(project: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint)")
    _, own = shown()
    done = revision(project, own, "--autogenerate", URL=database)
    assert done.returncode != 0
    assert "blocking-index-build" in done.stderr, done.stdout + done.stderr
    assert "op.create_index(" in done.stderr
