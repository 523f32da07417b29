"""`alembic revision` with migsafe behind it, as the real program."""

import subprocess
import sys
from pathlib import Path

import pytest

ENV = """
from alembic import context

if context.is_offline_mode():
    context.configure(dialect_name="postgresql")
    with context.begin_transaction():
        context.run_migrations()
"""
TEMPLATE = """
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    op.execute("SET lock_timeout = '2s'")
    op.add_column("orders", sa.Column("token", sa.Uuid, server_default=sa.text("gen_random_uuid()")))
"""
PROGRAM = (
    "migsafe.type = exec\nmigsafe.executable = {program}\nmigsafe.options = lint REVISION_SCRIPT_FILENAME\n"
)
HOOK = "migsafe.type = migsafe\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text("import migsafe.integrations.alembic\n" + ENV, encoding="utf-8")
    (tmp_path / "script.py.mako").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


def revision(project: Path, hook: str) -> subprocess.CompletedProcess[str]:
    (project / "alembic.ini").write_text(
        "[alembic]\nscript_location = %(here)s\nrevision_environment = true\n"
        f"[post_write_hooks]\nhooks = migsafe\n{hook}",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "alembic", "revision", "--message", "token"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_as_a_program_it_shows_the_findings_in_the_new_file(project: Path) -> None:
    done = revision(project, PROGRAM.format(program=Path(sys.executable).parent / "migsafe"))
    (written,) = (project / "versions").glob("*.py")
    assert done.returncode == 0, done.stderr
    assert f"versions/{written.name}:11:5: error" in done.stdout
    assert "volatile-default" in done.stdout


def test_as_a_hook_it_also_fails(project: Path) -> None:
    done = revision(project, HOOK)
    assert done.returncode != 0
    assert "volatile-default" in done.stderr
    assert "migsafe found something unsafe in" in done.stdout
    assert len(list((project / "versions").glob("*.py"))) == 1


def test_the_hook_fails_only_as_far_as_it_is_told_to(project: Path) -> None:
    done = revision(project, HOOK + "migsafe.fail_on = never\n")
    assert done.returncode == 0, done.stderr
    assert "volatile-default" in done.stderr


def test_a_wrong_option_is_said_so(project: Path) -> None:
    done = revision(project, HOOK + "migsafe.fail_on = always\n")
    assert done.returncode != 0
    assert "error, warning or never" in done.stdout
