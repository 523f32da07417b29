"""`migsafe config`, `init` and `rules`, and the options of `lint` that have to do with files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RENAME = "ALTER TABLE users RENAME COLUMN name TO full_name;\n"
SANE = "SET lock_timeout = '2s';\nSET statement_timeout = '1min';\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "db" / "migrations").mkdir(parents=True)
    (tmp_path / "db" / "migrations" / "1_rename.sql").write_text(SANE + RENAME)
    return tmp_path


def run(*arguments: str, at: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "migsafe.cli.main", *arguments],
        cwd=at,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


def test_init_then_lint_needs_no_further_word(repository: Path) -> None:
    done = run("init", at=repository)
    assert (done.returncode, done.stderr) == (0, "")
    assert "db/migrations: sql" in done.stdout
    linted = run("lint", at=repository)
    assert linted.returncode == 1
    assert "db/migrations/1_rename.sql:3:1: error" in linted.stdout


def test_init_never_writes_over_a_configuration_without_being_told(repository: Path) -> None:
    (repository / "migsafe.toml").write_text("server_version = 14\n")
    done = run("init", at=repository)
    assert done.returncode == 2
    assert "there is a configuration already" in done.stderr
    assert (repository / "migsafe.toml").read_text() == "server_version = 14\n"
    assert run("init", "--stdout", at=repository).stdout.startswith("# Configuration of migsafe")
    assert (repository / "migsafe.toml").read_text() == "server_version = 14\n"
    assert run("init", "--force", at=repository).returncode == 0
    assert "[[sources]]" in (repository / "migsafe.toml").read_text()


def test_init_leaves_a_pyproject_alone_even_when_forced(repository: Path) -> None:
    (repository / "pyproject.toml").write_text("[tool.migsafe]\n")
    done = run("init", "--force", at=repository)
    assert (done.returncode, "Change it there" in done.stderr) == (2, True)
    assert not (repository / "migsafe.toml").exists()


def test_config_shows_what_is_in_effect_and_where_it_comes_from(repository: Path) -> None:
    (repository / "migsafe.toml").write_text('server_version = 14\n[rules]\nlocks = "warning"\n')
    shown = run("config", "db/migrations/1_rename.sql", at=repository).stdout
    assert any(
        line.split() == ["server_version", "=", "14", "#", "migsafe.toml:1"] for line in shown.splitlines()
    )
    document = json.loads(run("config", "--format", "json", at=repository).stdout)
    assert document["settings"]["server_version"] == {"value": 14, "from": "migsafe.toml:1"}
    rules = {rule["rule"]: (rule["level"], rule["from"]) for rule in document["rules"]}
    assert rules["blocking-index-build"] == ("warning", "migsafe.toml:3")


def test_a_mistake_in_the_configuration_is_an_error_of_every_command(repository: Path) -> None:
    (repository / "migsafe.toml").write_text("\nserver_verion = 14\n")
    for command in (["lint", "db"], ["config"], ["rules"]):
        done = run(*command, at=repository)
        assert done.returncode == 2
        assert "migsafe.toml:2: unknown key 'server_verion'; did you mean 'server_version'?" in done.stderr
    assert run("lint", "--isolated", "db", at=repository).returncode == 1


def test_rules_show_their_groups_and_what_the_configuration_makes_of_them(repository: Path) -> None:
    (repository / "migsafe.toml").write_text('[rules]\nrenamed-column = "off"\nnaming = "on"\n')
    lines = run("rules", at=repository).stdout.splitlines()
    assert "locks:" in lines
    line = next(line for line in lines if " renamed-column " in line)
    assert line.split()[2] == "off"
    listed = json.loads(run("rules", "--format", "json", at=repository).stdout)["rules"]
    naming = [rule for rule in listed if rule["family"] == "naming"]
    assert naming
    assert {rule["from"] for rule in naming} == {"migsafe.toml:3"}
    assert not {"off"} & {rule["level"] for rule in naming}


def test_the_exit_code_and_the_rules_can_be_set_for_one_run(repository: Path) -> None:
    assert run("lint", "db", at=repository).returncode == 1
    assert run("lint", "db", "--rule", "renamed-column=warning", at=repository).returncode == 0
    assert run("lint", "db", "--rule", "compatibility=off", at=repository).stdout.startswith("No findings")
    (repository / "migsafe.toml").write_text('fail_on = "never"\n')
    assert run("lint", "db", at=repository).returncode == 0
    assert run("lint", "db", "--fail-on", "error", at=repository).returncode == 1


def test_reports_go_to_files_with_paths_from_the_root_of_the_repository(repository: Path) -> None:
    done = run(
        *("lint", "1_rename.sql", "--format", "github", "--output", "out/a.txt"),
        *("--report", "sarif=out/b.sarif", "--report", "gitlab=out/c.json"),
        at=repository / "db" / "migrations",
    )
    assert (done.returncode, done.stdout) == (1, "")
    out = repository / "db" / "migrations" / "out"
    assert (out / "a.txt").read_text().startswith("::error file=db/migrations/1_rename.sql,line=3,")
    result = json.loads((out / "b.sarif").read_text())["runs"][0]["results"][0]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "db/migrations/1_rename.sql"
    assert json.loads((out / "c.json").read_text())[0]["location"]["path"] == "db/migrations/1_rename.sql"


def test_a_report_that_cannot_be_written_is_an_error(repository: Path) -> None:
    done = run("lint", "db", "--output", "migsafe.d/../.git", at=repository)
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True)


def test_quiet_says_nothing_when_there_is_nothing(repository: Path) -> None:
    assert run("lint", "-q", "-", at=repository, stdin="SELECT 1;").stdout == ""
    assert run("lint", "-q", "db", at=repository).stdout.count("\n") == 1


def test_color_can_be_asked_for_without_a_terminal(repository: Path) -> None:
    assert "\x1b[31m" in run("lint", "db", "--color", "always", at=repository).stdout
    assert "\x1b" not in run("lint", "db", "--color", "never", at=repository).stdout


def test_the_baseline_is_one_command(repository: Path) -> None:
    written = run("lint", "db", "--write-baseline", at=repository)
    assert (written.returncode, written.stderr) == (0, "")
    assert "migsafe-baseline.toml: written, 1 entry more; 1 accepted in these files." in written.stdout
    assert run("lint", "db", at=repository).stdout == (
        "No findings in 1 file (3 statements); 1 accepted by the baseline.\n"
    )
    (repository / "db" / "migrations" / "2.sql").write_text(SANE + "DROP TABLE users;\n")
    again = run("lint", "db", "--write-baseline", at=repository)
    assert again.returncode == 1
    assert "1 new finding not added: --write-baseline --accept-new adds them." in again.stdout


def test_standard_input_has_the_settings_of_the_file_that_it_stands_for(repository: Path) -> None:
    (repository / "migsafe.toml").write_text('[[paths]]\nmatch = "old/**"\nrules = { all = "off" }\n')
    assert run("lint", "-", at=repository, stdin=RENAME).returncode == 1
    assert run("lint", "-", "--stdin-filename", "old/1.sql", at=repository, stdin=RENAME).returncode == 0
