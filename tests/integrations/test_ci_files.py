"""The files that other systems read: valid by their schemas, and their scripts do what they say."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
UNSAFE = "SET lock_timeout = '2s';\nDROP TABLE users;\n"
SAFE = "SET lock_timeout = '2s';\nCREATE TABLE users (id bigint PRIMARY KEY);\n"


def check(schema: str, path: Path) -> None:
    found = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def run(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **variables}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def action() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "action.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def gitlab_job() -> dict[str, Any]:
    _, job = yaml.safe_load_all((ROOT / "templates" / "lint.yml").read_text())
    assert isinstance(job, dict)
    script = job["migsafe-lint"]
    assert isinstance(script, dict)
    return script


def test_the_github_action_is_valid() -> None:
    check("github-actions", ROOT / "action.yml")


def test_the_gitlab_template_is_valid(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text(yaml.safe_dump({"migsafe-lint": gitlab_job()}))
    check("gitlab-ci", tmp_path / "job.yml")


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """What a GitHub runner gives a step, with this migsafe installed where the action installs it."""
    installed = tmp_path / "runner" / "migsafe" / "bin"
    installed.mkdir(parents=True)
    (installed / "migsafe").symlink_to(BIN / "migsafe")
    return tmp_path


@pytest.mark.parametrize(("sql", "code"), [(UNSAFE, 1), (SAFE, 0)])
def test_the_github_action_annotates_summarizes_and_fails(runner: Path, sql: str, code: int) -> None:
    (runner / "a folder").mkdir()
    (runner / "a folder" / "1.sql").write_text(sql)
    step = next(each for each in action()["runs"]["steps"] if each.get("id") == "lint")
    found = run(
        step["run"],
        runner,
        RUNNER_TEMP=str(runner / "runner"),
        GITHUB_OUTPUT=str(runner / "output"),
        GITHUB_STEP_SUMMARY=str(runner / "summary.md"),
        PATHS="a folder\n",
        DIFF="",
        OPTIONS="--server-version=16\n",
        SARIF="report.sarif",
    )
    assert found.returncode == code, found.stdout + found.stderr
    assert (runner / "output").read_text() == f"exit-code={code}\n"
    assert ("::error file=a folder/1.sql,line=2" in found.stdout) == bool(code)
    assert ("dropped-table" in (runner / "summary.md").read_text()) == bool(code)
    results = json.loads((runner / "report.sarif").read_text())["runs"][0]["results"]
    assert [each["ruleId"] for each in results] == ["MS304"] * code


@pytest.mark.parametrize(("sql", "code"), [(UNSAFE, 1), (SAFE, 0)])
def test_the_gitlab_job_writes_its_report_and_fails(tmp_path: Path, sql: str, code: int) -> None:
    (tmp_path / "1.sql").write_text(sql)
    _install, *script = gitlab_job()["script"]
    found = run("\n".join(script), tmp_path, MIGSAFE_PATHS="1.sql", MIGSAFE_OPTIONS="", MIGSAFE_DIFF="")
    assert found.returncode == code, found.stdout + found.stderr
    report = json.loads((tmp_path / "gl-code-quality-report.json").read_text())
    assert len(report) == code


@pytest.mark.proof
def test_pre_commit_blocks_an_unsafe_migration_and_knows_the_earlier_ones(tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q", "."], cwd=tmp_path, check=True)
    (tmp_path / "1.sql").write_text("CREATE TABLE t (a varchar(50));")
    (tmp_path / "2.sql").write_text("SET lock_timeout = '2s'; ALTER TABLE t ALTER COLUMN a TYPE varchar(80);")
    (tmp_path / "migsafe.toml").write_text('[[sources]]\nkind = "sql"\npath = "."\n')
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)

    def hook(*files: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "pre-commit", "try-repo", str(ROOT), "migsafe-lint", "--files", *files],
            cwd=tmp_path,
            env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "home")},
            capture_output=True,
            text=True,
            check=False,
        )

    safe = hook("2.sql")
    assert safe.returncode == 0, safe.stdout + safe.stderr
    (tmp_path / "3.sql").write_text("SET lock_timeout = '2s'; ALTER TABLE t ALTER COLUMN a TYPE varchar(20);")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    unsafe = hook("3.sql")
    assert unsafe.returncode == 1, unsafe.stdout + unsafe.stderr
    assert "3.sql:1:26: error" in unsafe.stdout
