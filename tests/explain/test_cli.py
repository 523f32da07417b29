"""`migsafe explain` and `migsafe verify` as processes."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

SCHEMA = "CREATE TABLE users (id bigint PRIMARY KEY, name varchar(50));\n"
SCRIPT = """SET lock_timeout = '1s';
ALTER TABLE users ALTER COLUMN name TYPE varchar(80);
CREATE INDEX CONCURRENTLY users_name_idx ON users (name);
BEGIN;
ALTER TABLE users ADD COLUMN token uuid DEFAULT gen_random_uuid();
COMMIT;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    (tmp_path / "schema.sql").write_text(SCHEMA)
    (tmp_path / "m" / "1.sql").write_text(SCRIPT)
    return tmp_path


def migsafe(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "migsafe", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_explain_reads_a_folder_with_a_schema(folder: Path) -> None:
    done = migsafe("explain", "m", "--schema", "schema.sql", "--format", "json", cwd=folder)
    assert done.returncode == 0
    statements = json.loads(done.stdout)["files"][0]["statements"]
    assert [statement["line"] for statement in statements] == [1, 2, 3, 4, 5, 6]
    assert statements[1]["effects"]["rewrites"] == []
    assert statements[4]["effects"]["rewrites"] == ["public.users"]
    assert statements[4]["effects"]["locks"] == [{"relation": "public.users", "mode": "ACCESS EXCLUSIVE"}]


def test_explain_reads_the_schema_of_a_database(folder: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
    done = migsafe("explain", "m", "--database", database, "--format", "json", cwd=folder)
    assert done.returncode == 0
    statement = json.loads(done.stdout)["files"][0]["statements"][1]
    assert statement["effects"]["certain"] is True


def test_what_is_not_understood_is_exit_code_1(folder: Path) -> None:
    (folder / "m" / "2.sql").write_text("ALTER TABEL users;")
    done = migsafe("explain", "m", cwd=folder)
    assert done.returncode == 1
    assert "unread" in done.stdout


def test_verify_runs_on_a_scratch_server(folder: Path) -> None:
    done = migsafe("verify", "m", "--schema", "schema.sql", "--format", "json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["summary"] == {"files": 1, "statements": 6, "differing": 0, "not_judged": 0}
    seen = document["files"][0]["statements"][2]["observed"]
    assert seen["locks"] == [{"relation": "public.users", "mode": "SHARE UPDATE EXCLUSIVE"}]
    assert seen["needs_no_transaction"] is True


def test_verify_refuses_a_database_that_it_was_not_told_may_change(folder: Path, database: str) -> None:
    done = migsafe("verify", "m", "--database", database, cwd=folder)
    assert done.returncode == 2
    assert "--allow-changes" in done.stderr


def test_verify_runs_on_a_database_that_may_change(folder: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
    done = migsafe("verify", "m", "--database", database, "--allow-changes", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('users_name_idx')").fetchone() != (None,)


def test_a_statement_that_the_server_refuses_is_a_difference_and_ends_the_run(folder: Path) -> None:
    (folder / "m" / "2.sql").write_text(
        "INSERT INTO users (id) VALUES (1);\nINSERT INTO users (id) VALUES (1);\nSELECT 1;\n"
    )
    done = migsafe("verify", "m", "--schema", "schema.sql", cwd=folder)
    assert done.returncode == 1
    assert "duplicate key" in done.stdout
    assert "1 more not run" in done.stdout


def test_copy_from_stdin_and_psql_commands_run_too(folder: Path) -> None:
    (folder / "m" / "2.sql").write_text(
        "\\echo hello\nCOPY users (id, name) FROM stdin;\n1\ta\n2\tb\n\\.\nSELECT 1;\n"
    )
    done = migsafe("verify", "m", "--schema", "schema.sql", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
