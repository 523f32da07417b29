"""`migsafe lint` and `migsafe rules` as a user meets them: a real process, its output and exit code."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MIGSAFE = [sys.executable, "-m", "migsafe.cli.main"]
RENAME = "ALTER TABLE users RENAME COLUMN name TO full_name;\n"
SAFE = "SET lock_timeout = '2s';\nALTER TABLE users ADD COLUMN nickname text;\n"


def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*MIGSAFE, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
    )


@pytest.fixture
def rename(tmp_path: Path) -> Path:
    path = tmp_path / "1_rename.sql"
    path.write_text(RENAME, encoding="utf-8")
    return path


@pytest.fixture
def safe(tmp_path: Path) -> Path:
    path = tmp_path / "0_safe.sql"
    path.write_text(SAFE, encoding="utf-8")
    return path


def test_an_unsafe_migration_exits_1_and_shows_where_why_and_what_instead(rename: Path) -> None:
    done = run("lint", str(rename))
    assert done.returncode == 1
    assert f"{rename}:1:1: error: Renaming users.name to full_name" in done.stdout
    assert "1 | ALTER TABLE users RENAME COLUMN name TO full_name;" in done.stdout
    assert "  | ^^^^^^" in done.stdout
    assert "why:" in done.stdout
    assert "instead, by example:" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1] == "1 error, 1 warning in 1 file (1 statement)."
    assert done.stderr == ""


def test_a_safe_migration_exits_0_and_says_what_was_looked_at(safe: Path) -> None:
    done = run("lint", str(safe))
    assert (done.returncode, done.stdout) == (0, "No findings in 1 file (2 statements).\n")


def test_json_is_what_the_design_says(rename: Path, safe: Path) -> None:
    done = run("lint", str(rename.parent), "--format", "json")
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["format_version"] == 1
    assert document["summary"] == {
        "files": 2,
        "statements": 3,
        "errors": 1,
        "warnings": 1,
        "unread": 0,
        "suppressed": 0,
    }
    assert [file["path"] for file in document["files"]] == [str(safe), str(rename)]
    finding = document["files"][1]["findings"][0]
    assert {key: finding[key] for key in ("rule", "id", "severity")} == {
        "rule": "renamed-column",
        "id": "MS301",
        "severity": "error",
    }
    place = [finding[key] for key in ("line", "column", "end_line", "end_column")]
    assert place == [1, 1, 1, len(RENAME) - 1]
    assert all(finding[key] for key in ("message", "why", "instead"))


@pytest.mark.parametrize(
    ("sql", "fail_on", "code"),
    [
        (RENAME, "error", 1),
        (RENAME, "never", 0),
        ("ALTER TABLE t ADD COLUMN a text;", "error", 0),
        ("ALTER TABLE t ADD COLUMN a text;", "warning", 1),
        (SAFE, "warning", 0),
        ("this is not SQL", "error", 1),
    ],
)
def test_fail_on_decides_the_exit_code(sql: str, fail_on: str, code: int) -> None:
    assert run("lint", "-", "--fail-on", fail_on, stdin=sql.encode()).returncode == code


def test_standard_input_is_read_for_a_dash() -> None:
    assert "<stdin>:1:1: error:" in run("lint", "-", stdin=RENAME.encode()).stdout


def test_earlier_files_of_a_folder_are_context_for_later_ones(tmp_path: Path) -> None:
    (tmp_path / "2.sql").write_text("CREATE TABLE t (a varchar(5));")
    (tmp_path / "10.sql").write_text("SET lock_timeout = '1s';\nALTER TABLE t ALTER a TYPE varchar(9);")
    assert run("lint", str(tmp_path)).returncode == 0
    alone = run("lint", str(tmp_path / "10.sql"))
    assert alone.returncode == 1
    assert "rewriting-type-change" in alone.stdout


def test_a_schema_file_is_context_and_is_not_judged(tmp_path: Path) -> None:
    (tmp_path / "schema.sql").write_text("CREATE TABLE t (a varchar(5));\nALTER TABLE t ADD b int;")
    (tmp_path / "m.sql").write_text("SET lock_timeout = '1s';\nALTER TABLE t ALTER a TYPE varchar(9);")
    done = run("lint", str(tmp_path / "m.sql"), "--schema", str(tmp_path / "schema.sql"))
    assert (done.returncode, done.stdout) == (0, "No findings in 1 file (2 statements).\n")


def test_a_schema_file_that_cannot_be_read_is_an_error_with_its_line(tmp_path: Path, safe: Path) -> None:
    schema = tmp_path / "schema.txt"
    schema.write_text("CREATE TABLE t (a int);\nCREATE TABEL u ();")
    done = run("lint", str(safe), "--schema", str(schema))
    assert done.returncode == 2
    assert "line 2" in done.stderr
    assert done.stdout == ""


def test_transaction_always_finds_concurrently_in_the_transaction_of_the_tool() -> None:
    sql = b"CREATE INDEX CONCURRENTLY i ON t (a);"
    assert run("lint", "-", stdin=sql).returncode == 0
    done = run("lint", "-", "--transaction", "always", stdin=sql)
    assert done.returncode == 1
    assert "concurrently-in-transaction" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["lint"], "no source is configured"),
        (["lint", "nowhere.sql"], "nowhere.sql: no such file or folder"),
        (["lint", "--schema", "nowhere.sql", "-"], "nowhere.sql: cannot be read"),
        (["lint", "--formt", "json", "-"], "No such option: --formt"),
        (["lint", "--format", "xml", "-"], "'xml' is not one of github, gitlab, json, junit,"),
        (["lint", "--format", "sarf", "-"], "did you mean 'sarif'?"),
        (["lint", "--report", "sarif", "-"], "write FORMAT=FILE, for example sarif=migsafe.sarif"),
        (["lint", "--rule", "locks=eror", "-"], "the level cannot be 'eror'; did you mean 'error'?"),
        (
            ["lint", "--rule", "dropped-colum=off", "-"],
            "--rule: no rule or group 'dropped-colum'; did you mean",
        ),
        (["lint", "--config", "none.toml", "-"], "none.toml: no such file"),
        (["lint", "--baseline", "none.toml", "-"], "none.toml: no such baseline"),
        (["lint", "--accept-new", "-"], "Say --write-baseline, too."),
        (["lint", "--qiet", "-"], "Possible options: --quiet"),
        (["lnt", "-"], "Did you mean 'lint'"),
        (["lint", "--server-version", "9", "-"], "'--server-version'"),
        (["lint", "--transaction", "maybe", "-"], "'maybe' is not one of"),
        (["rules", "volatile-defalt"], "did you mean 'volatile-default'"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_do(arguments: list[str], problem: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_empty_folder_exits_2(tmp_path: Path) -> None:
    done = run("lint", str(tmp_path))
    assert done.returncode == 2
    assert "no *.sql files in this folder" in done.stderr


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (b"SELECT 1;\nSELECT 'caf\xe9';", "2:12: error: Nothing in this file was judged"),
    ],
)
def test_a_file_that_is_not_text_is_a_finding_and_the_others_are_judged(
    tmp_path: Path, rename: Path, data: bytes, problem: str
) -> None:
    (tmp_path / "0_binary.sql").write_bytes(data)
    done = run("lint", str(rename.parent))
    assert done.returncode == 1
    assert problem in done.stdout
    assert "renamed-column" in done.stdout
    assert "\x1a" not in done.stdout


def test_output_has_no_control_codes_when_it_is_not_a_terminal(rename: Path) -> None:
    assert "\x1b" not in run("lint", str(rename)).stdout


@pytest.mark.parametrize(("no_color", "is_colored"), [("", True), ("1", False)])
def test_a_terminal_gets_colors_unless_no_color_is_set(
    rename: Path, *, no_color: str, is_colored: bool
) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": no_color}
    with subprocess.Popen([*MIGSAFE, "lint", str(rename)], stdout=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        while part := read_terminal(ours):
            shown += part
        assert process.wait(timeout=20) == 1
    os.close(ours)
    assert (b"\x1b[31merror" in shown) is is_colored
    assert (b"\x1b" in shown) is is_colored


def read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "many.sql"
    path.write_text(RENAME * 5000)
    command = f"{' '.join(MIGSAFE)} lint {path} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "1"
    assert done.stderr == ""


def wait_until_idle(pid: int) -> None:
    """Waits until a process that was busy has used no processor for a second."""
    used, since = 0, time.monotonic()
    while used == 0 or time.monotonic() - since < 1:
        time.sleep(0.1)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now = int(fields[11]) + int(fields[12])  # user and system time, in ticks
        if now != used:
            used, since = now, time.monotonic()


def test_ctrl_c_stops_without_a_traceback_and_not_with_the_code_of_findings() -> None:
    with subprocess.Popen(
        [*MIGSAFE, "lint", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until_idle(process.pid)  # it is now waiting for standard input
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == "stopped\n"


def test_rules_are_listed_with_id_name_severity_and_title() -> None:
    done = run("rules")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if line.startswith("MS201"))
    assert line.split()[:3] == ["MS201", "volatile-default", "error"]


def test_one_rule_is_shown_with_its_examples() -> None:
    done = run("rules", "volatile-default")
    assert done.returncode == 0
    assert "ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();" in done.stdout


def test_rules_are_given_as_json() -> None:
    listed = json.loads(run("rules", "--format", "json").stdout)
    assert {"id", "name", "family", "severity", "title"} <= set(listed["rules"][0])
    shown = json.loads(run("rules", "MS201", "--format", "json").stdout)
    assert shown["rule"]["name"] == "volatile-default"
    assert shown["rule"]["bad"][0]["sql"].startswith("ALTER TABLE")
