"""The cache of `migsafe lint` as a user meets it: real processes, one after the other and at once."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

RENAME = "ALTER TABLE users RENAME COLUMN name TO full_name;\n"
SAFE = "SET lock_timeout = '2s';\nALTER TABLE users ADD COLUMN nickname text;\n"
HEAVY = (
    *(
        "sqlglot",
        "typer",
        "pydantic",
        "psycopg",
        "rich",
        "migsafe.catalog",
        "migsafe.effects",
        "migsafe.sql.",
    ),
    *(
        "migsafe.lint.engine",
        "migsafe.lint.rules",
        "migsafe.lint.reports",
        "subprocess",
        "difflib",
        "tempfile",
    ),
)


class Project:
    """A folder with scripts, and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.folder.mkdir()
        self.home = folder / "caches"
        self.store = self.home / "migsafe" / "lint.sqlite"
        self.write("1.sql", RENAME)
        self.write("2.sql", SAFE)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        given = {**os.environ, "XDG_CACHE_HOME": str(self.home), **environment}
        if "MIGSAFE_NO_CACHE" not in environment:
            given.pop("MIGSAFE_NO_CACHE", None)
        command = [sys.executable, "-X", "importtime", "-m", "migsafe", "lint", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=given,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **environment: str) -> "Done":
        return Done(self.start(*arguments, **environment))


class Done:
    """How a run ended: what it printed, its exit code, and what it imported."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.output, errors = process.communicate(timeout=60)
        self.code = process.returncode
        lines = errors.splitlines()
        self.imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
        self.errors = "\n".join(line for line in lines if not line.startswith("import time:"))

    @property
    def judged(self) -> bool:
        return "migsafe.lint.engine" in self.imported


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("format_name", ["text", "json", "github", "gitlab", "junit", "markdown"])
def test_the_second_run_says_the_same_without_the_linter(project: Project, format_name: str) -> None:
    first = project.run("--format", format_name, ".")
    second = project.run("--format", format_name, ".")
    assert first.judged
    assert (second.output, second.code, second.errors) == (first.output, 1, "")
    assert not second.judged


def test_a_run_that_is_known_imports_nothing_heavy(project: Project) -> None:
    project.run("1.sql")
    imported = project.run("1.sql").imported
    assert "migsafe.lint.cache.store" in imported
    assert not [name for name in imported if name.startswith(HEAVY)]


def test_another_format_is_made_from_what_is_known(project: Project) -> None:
    project.run(".")
    done = project.run("--format", "json", ".")
    assert json.loads(done.output)["summary"]["errors"] == 1
    assert not done.judged
    assert "sqlglot" not in done.imported


def test_only_what_changed_is_judged_again(project: Project) -> None:
    project.run(".")
    project.write("3.sql", "DROP TABLE users;\n")
    changed = project.run("--format", "json", ".")
    assert changed.judged
    files = json.loads(changed.output)["files"]
    assert [file["path"] for file in files] == ["1.sql", "2.sql", "3.sql"]
    assert changed.output == project.run("--no-cache", "--format", "json", ".").output
    (project.folder / "3.sql").unlink()
    assert not project.run(".").judged


@pytest.mark.parametrize(
    "arguments",
    [
        ("--server-version", "14"),
        ("--transaction", "always"),
        ("--rule", "locks=off"),
        ("--isolated", "--schema", "schema.sql"),
    ],
)
def test_other_settings_are_another_question(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("schema.sql", "CREATE TABLE users (id int, name text);")
    project.run("2.sql")
    done = project.run(*arguments, "2.sql")
    assert done.judged
    assert done.output == project.run("--no-cache", *arguments, "2.sql").output


def test_a_changed_configuration_is_another_question(project: Project) -> None:
    project.run("1.sql")
    project.write("migsafe.toml", "[rules]\nall = 'off'\n")
    assert project.run("1.sql").output == "No findings in 1 file (1 statement).\n"
    project.write("migsafe.toml", "[rules]\nnonsense = 'off'\n")
    assert project.run("1.sql").code == 2


def test_a_baseline_counts_whenever_it_was_written(project: Project) -> None:
    assert project.run(".").code == 1
    written = project.run("--write-baseline", ".")
    assert written.code == 0
    assert not written.judged
    accepted = project.run(".")
    assert accepted.code == 0
    assert "accepted by the baseline" in accepted.output
    (project.folder / "migsafe-baseline.toml").unlink()
    assert project.run(".").code == 1


def test_fail_on_is_asked_of_what_is_known(project: Project) -> None:
    project.write("1.sql", "ALTER TABLE users ADD COLUMN nickname text;\n")  # a warning: no lock timeout
    assert project.run("1.sql").code == 0
    assert project.run("--fail-on", "warning", "1.sql").code == 1
    assert project.run("--fail-on", "never", "1.sql").code == 0


def test_several_reports_are_remembered_together(project: Project) -> None:
    wanted = ("--report", "json=out.json", "--report", "junit=out.xml", ".")
    project.run(*wanted)
    before = [(project.folder / name).read_bytes() for name in ("out.json", "out.xml")]
    for name in ("out.json", "out.xml"):
        (project.folder / name).unlink()
    assert not project.run(*wanted).judged
    assert [(project.folder / name).read_bytes() for name in ("out.json", "out.xml")] == before


@pytest.mark.parametrize("how", [{"MIGSAFE_NO_CACHE": "1"}, {}])
def test_without_the_cache_nothing_is_read_or_written(project: Project, how: dict[str, str]) -> None:
    arguments = ("1.sql",) if how else ("--no-cache", "1.sql")
    assert project.run(*arguments, **how).judged
    assert not project.home.exists()
    project.run("1.sql")
    assert project.run(*arguments, **how).judged


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(project: Project) -> None:
    project.home.write_text("a file in its place")
    done = project.run("1.sql")
    assert (done.code, done.errors) == (1, "")


def test_a_folder_that_others_can_write_to_is_not_believed(project: Project) -> None:
    project.run("1.sql")
    (project.home / "migsafe").chmod(0o777)
    assert project.run("1.sql").judged


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_another_user_is_not_believed(project: Project) -> None:
    project.run("1.sql")
    os.chown(project.home / "migsafe", 12_345, -1)
    assert project.run("1.sql").judged


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(project: Project) -> None:
    project.home.mkdir()
    done = project.run("1.sql", XDG_CACHE_HOME="/proc/nowhere")
    assert (done.code, done.errors) == (1, "")
    done = project.run("1.sql", XDG_CACHE_HOME="relative", HOME="/proc/nowhere")
    assert (done.code, done.errors) == (1, "")


def test_a_damaged_cache_is_made_anew_without_a_word(project: Project) -> None:
    first = project.run("1.sql")
    project.store.write_bytes(b"nonsense" * 1_000)
    for expected in (True, False):
        done = project.run("1.sql")
        assert (done.output, done.errors, done.judged) == (first.output, "", expected)


def test_runs_at_once_all_find_the_same(project: Project) -> None:
    expected = project.run("--no-cache", ".").output
    for _ in range(2):
        for process in [project.start(".") for _ in range(4)]:
            assert Done(process).output == expected


def test_a_run_that_is_killed_leaves_a_cache_that_works(project: Project) -> None:
    for number in range(3, 40):
        project.write(f"{number}.sql", SAFE)
    expected = project.run("--no-cache", ".").output
    for number in range(4):
        process = project.start(".")
        time.sleep(0.3 + 0.2 * number)
        process.kill()
        process.communicate()
    assert project.run(".").output == expected
    assert project.run(".").output == expected


def test_what_only_a_live_server_knows_is_never_cached(project: Project) -> None:
    done = project.run("--database", "postgresql://127.0.0.1:1/none?connect_timeout=1", "1.sql")
    assert done.code == 2
    assert re.match("error: ", done.errors)
    assert not project.store.exists()
