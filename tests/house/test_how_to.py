"""The how-to pages are run from top to bottom: every command on them, and what it prints (see pages.py)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.pages import run_page, shell_environment

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
PROJECTS = ROOT / "fixtures" / "how-to"
OTHER_PROJECTS = {"alembic-rollouts": ROOT / "fixtures" / "alembic-sample"}


@pytest.mark.parametrize(
    "name",
    ["alembic", *(pytest.param(each, marks=pytest.mark.proof) for each in ("alembic-rollouts", "django"))],
)
def test_every_command_of_the_page_prints_what_the_page_shows(
    name: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    project = tmp_path / "shop"
    environment = shell_environment(tmp_path)
    shutil.copytree(OTHER_PROJECTS.get(name, PROJECTS / name), project)
    git = ["git", "-c", "init.defaultBranch=main"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "the shop"]):
        subprocess.run([*git, *arguments], cwd=project, env=environment, check=True)
    update = pytestconfig.getoption("--update-golden")
    assert run_page(PAGES / f"{name}.md", project, environment, update=update) > 1
