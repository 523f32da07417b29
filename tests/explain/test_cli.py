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


CONFIGURED = """
server_version = 16
transaction = "always"
schema = "schema.sql"
[[sources]]
path = "m"
"""


@pytest.fixture
def configured(folder: Path) -> Path:
    (folder / "migsafe.toml").write_text(CONFIGURED)
    (folder / "m" / "1.sql").write_text("ALTER TABLE users ADD COLUMN note text;\n")
    (folder / "m" / "2.sql").write_text("ALTER TABLE users ALTER COLUMN note SET NOT NULL;\n")
    return folder


def explained(*arguments: str, cwd: Path) -> dict[str, dict[str, object]]:
    """The first statement of each file that is explained."""
    done = migsafe("explain", *arguments, "--format", "json", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return {file["path"]: file["statements"][0]["effects"] for file in json.loads(done.stdout)["files"]}


def test_explain_without_paths_takes_the_configured_sources(configured: Path) -> None:
    assert list(explained(cwd=configured)) == ["m/1.sql", "m/2.sql"]


def test_explain_knows_the_history_and_the_schema_of_the_configuration(configured: Path) -> None:
    found = explained("m/2.sql", cwd=configured)
    assert list(found) == ["m/2.sql"]
    assert found["m/2.sql"]["certain"] is True
    alone = explained("m/2.sql", "--isolated", cwd=configured)
    assert alone["m/2.sql"]["certain"] is False


def test_explain_takes_the_transaction_of_the_configuration(configured: Path) -> None:
    (configured / "m" / "3.sql").write_text("CREATE INDEX CONCURRENTLY i ON users (note);\n")
    for arguments, refused in [((), True), (("--transaction", "never"), False)]:
        done = migsafe("explain", "m/3.sql", *arguments, cwd=configured)
        assert ("cannot run inside a transaction" in done.stdout) is refused, done.stdout


def test_explain_takes_the_version_of_the_flag_then_of_the_database_then_of_the_configuration(
    configured: Path, database: str
) -> None:
    column = "ALTER TABLE users ADD COLUMN big text GENERATED ALWAYS AS (upper(name)) VIRTUAL;\n"
    (configured / "m" / "3.sql").write_text(column)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
        assert connection.info.server_version >= 180000
    refused = {
        arguments: "  fails" in migsafe("explain", "m/3.sql", *arguments, cwd=configured).stdout
        for arguments in [
            (),
            ("--server-version", "18"),
            ("--database", database),
            ("--database", database, "--server-version", "17"),
        ]
    }
    assert list(refused.values()) == [True, False, False, True]


def test_verify_without_paths_runs_the_configured_history(configured: Path) -> None:
    done = migsafe("verify", "--format", "json", cwd=configured)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert [file["path"] for file in document["files"]] == ["m/1.sql", "m/2.sql"]
    assert document["summary"]["differing"] == 0


def test_verify_of_one_script_runs_its_history_before_it(configured: Path) -> None:
    done = migsafe("verify", "m/2.sql", "--format", "json", cwd=configured)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [file["path"] for file in json.loads(done.stdout)["files"]] == ["m/2.sql"]


def test_verify_on_a_database_runs_only_what_is_judged(configured: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute("ALTER TABLE users ADD COLUMN note text")
    done = migsafe("verify", "m/2.sql", "--database", database, "--allow-changes", cwd=configured)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 statement ran" in done.stdout


def test_explain_and_verify_show_the_python_lines_of_an_alembic_project(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    (project / "versions").mkdir(parents=True)
    (project / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\n")
    (project / "env.py").write_text(
        "from alembic import context\n"
        "context.configure(dialect_name='postgresql')\n"
        "context.run_migrations()\n"
    )
    (project / "versions" / "one.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\nrevision, down_revision = 'a1', None\n\n\n"
        "def upgrade():\n"
        "    op.create_table('users', sa.Column('id', sa.BigInteger, primary_key=True))\n"
        "    with op.get_context().autocommit_block():\n"
        "        op.create_index('i', 'users', ['id'], postgresql_concurrently=True)\n\n\n"
        "def downgrade():\n    op.drop_table('users')\n"
    )
    (tmp_path / "migsafe.toml").write_text('[[sources]]\npath = "shop/alembic.ini"\n')
    for command in ("explain", "verify"):
        done = migsafe(command, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "shop/versions/one.py:8: CREATE TABLE users" in done.stdout
        assert "shop/versions/one.py:10: CREATE INDEX CONCURRENTLY i" in done.stdout
    done = migsafe("verify", "--down", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shop/versions/one.py:14: DROP TABLE users" in done.stdout
