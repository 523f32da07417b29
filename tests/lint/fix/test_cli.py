"""`migsafe lint --fix` and `--diff-fix` as a user meets them: files, output, exit codes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MIGSAFE = [sys.executable, "-m", "migsafe.cli.main", "lint"]
ROOT = Path(__file__).parents[3] / "fixtures"
GOLDEN = ROOT / "golden" / "fix" / "shop.diff"
START = "CREATE TABLE users (id bigint PRIMARY KEY, email text);\n"
INDEX = "CREATE INDEX users_email_idx ON users (email);\n"
CONCURRENTLY = INDEX.replace("INDEX", "INDEX CONCURRENTLY", 1)


def run(*arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*MIGSAFE, *arguments], input=stdin, capture_output=True, check=False, cwd=cwd)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "1.sql").write_text(START)
    (tmp_path / "2.sql").write_text(INDEX)
    return tmp_path


def test_fix_repairs_the_file_and_exits_0_when_nothing_is_left(folder: Path) -> None:
    done = run(".", "--fix", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "No findings in 2 files (2 statements).\n")
    assert done.stderr == "Fixed 1 finding in 1 file.\n"
    assert (folder / "2.sql").read_text() == CONCURRENTLY
    assert (folder / "1.sql").read_text() == START


def test_fix_exits_1_when_something_is_left_and_says_why(folder: Path) -> None:
    (folder / "3.sql").write_text("ALTER TABLE users RENAME TO people;\nCREATE INDEX ON other (x);\n")
    done = run(".", "--fix", cwd=folder)
    assert done.returncode == 1
    assert "renamed-table" in done.stdout
    assert "Not fixed: it is not known what other is: give its schema (--schema)" in done.stdout
    assert (folder / "2.sql").read_text() == CONCURRENTLY


@pytest.mark.parametrize(("fail_on", "code"), [("error", 0), ("warning", 1), ("never", 0)])
def test_fail_on_is_about_what_is_left(folder: Path, fail_on: str, code: int) -> None:
    (folder / "2.sql").write_text(
        "SET lock_timeout = '1s';\nALTER TABLE users ADD COLUMN a text;\nBEGIN;\nLOCK TABLE users;\nCOMMIT;\n"
    )
    assert run(".", "--fix", "--fail-on", fail_on, cwd=folder).returncode == code


def test_diff_fix_prints_the_changes_and_makes_none(folder: Path) -> None:
    done = run(".", "--diff-fix", cwd=folder)
    assert done.returncode == 1  # the finding is still there
    assert done.stdout == f"--- a/2.sql\n+++ b/2.sql\n@@ -1 +1 @@\n-{INDEX}+{CONCURRENTLY}"
    assert (folder / "2.sql").read_text() == INDEX


def test_diff_fix_of_standard_input_is_shown_and_fix_is_refused(folder: Path) -> None:
    sql = b"ALTER TABLE t ADD COLUMN a text;\n"
    shown = run("-", "--diff-fix", cwd=folder, stdin=sql)
    assert (shown.returncode, shown.stdout.splitlines()[-2]) == (0, "+SET lock_timeout = '2s';")
    refused = run("-", "--fix", cwd=folder, stdin=sql)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "standard input cannot be fixed in place" in refused.stderr


def test_the_lock_timeout_is_a_matter_of_choice(folder: Path) -> None:
    (folder / "2.sql").write_text("ALTER TABLE users ADD COLUMN a text;\n")
    assert run(".", "--fix", "--fix-lock-timeout", "750ms", cwd=folder).returncode == 0
    assert (folder / "2.sql").read_text().startswith("SET lock_timeout = '750ms';\nALTER")
    wrong = run(".", "--fix", "--fix-lock-timeout", "soon", cwd=folder)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "'soon' is no time such as 2s" in wrong.stderr


def test_the_diff_is_as_it_was_and_makes_the_same_as_fix(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    one, two = (Path(shutil.copytree(ROOT / "diff-fix", tmp_path / name)) for name in ("one", "two"))
    diff = run("shop", "--diff-fix", cwd=one).stdout
    if pytestconfig.getoption("--update-golden"):
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_bytes(diff.encode())
    assert diff.encode() == GOLDEN.read_bytes()
    subprocess.run(["git", "apply", "--whitespace=nowarn"], input=diff.encode(), check=True, cwd=one)
    assert run("shop", "--fix", cwd=two).returncode == 1
    for path in (two / "shop").iterdir():
        assert path.read_bytes() == (one / "shop" / path.name).read_bytes()
    assert run("shop", "--diff-fix", cwd=two).stdout == ""


def test_what_somebody_accepted_is_not_repaired(folder: Path) -> None:
    allowed = f"SET lock_timeout = 1;\n-- migsafe: allow blocking-index-build: a tiny table\n{INDEX}"
    (folder / "2.sql").write_text(allowed)
    assert run(".", "--fix", cwd=folder).returncode == 0
    assert (folder / "2.sql").read_text() == allowed


def test_what_the_baseline_accepts_is_not_repaired(folder: Path) -> None:
    assert run(".", "--write-baseline", cwd=folder).returncode == 0
    (folder / "3.sql").write_text("SET lock_timeout = '1s';\nCREATE INDEX users_id_idx ON users (id);\n")
    assert run(".", "--fix", cwd=folder).returncode == 0
    assert (folder / "2.sql").read_text() == INDEX
    assert "CONCURRENTLY" in (folder / "3.sql").read_text()
    assert run(".", "--fix", "--no-baseline", cwd=folder).returncode == 0
    assert (folder / "2.sql").read_text() == CONCURRENTLY


def test_the_comment_that_accepts_another_finding_stays_with_its_statement(folder: Path) -> None:
    (folder / "2.sql").write_text(
        "-- migsafe: allow dropped-column: nobody reads it\nALTER TABLE users DROP COLUMN email;\n"
    )
    done = run(".", "--fix", "--fail-on", "warning", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "Fixed 1 finding in 1 file.\n")
    assert (folder / "2.sql").read_text().startswith("SET lock_timeout = '2s';\n-- migsafe: allow dropped")


def test_sarif_has_the_fixes(folder: Path) -> None:
    done = run(".", "--format", "sarif", cwd=folder)
    (found,) = [
        result
        for result in json.loads(done.stdout)["runs"][0]["results"]
        if result["ruleId"].endswith(("MS101", "blocking-index-build"))
    ]
    (replacement,) = found["fixes"][0]["artifactChanges"][0]["replacements"]
    assert replacement["insertedContent"] == {"text": " CONCURRENTLY"}
    place = {"startLine": 1, "startColumn": 13, "endLine": 1, "endColumn": 13}
    assert replacement["deletedRegion"] == place
