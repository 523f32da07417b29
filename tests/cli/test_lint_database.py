"""`migsafe lint --database` against a real server: what it takes from it, and what it never gives away."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from migsafe.postgres.server import Server, free_port, scratch_server

SECRET = "s3cr/et@word%"  # noqa: S105 -- of a role that each test makes for itself
QUOTED = "s3cr%2Fet%40word%25"
INDEX = "SET lock_timeout = '2s';\nCREATE INDEX orders_note_idx ON orders (note);\n"


@pytest.fixture
def role(connection: psycopg.Connection) -> Iterator[str]:
    """A role with a password that may log in, and nothing else."""
    name = f"reader_{uuid.uuid4().hex[:8]}"
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(SECRET))
    )
    yield name
    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def url_of(database: str, user: str, password: str = QUOTED) -> str:
    parts = urlsplit(database)
    return f"postgresql://{user}:{password}@{parts.hostname}:{parts.port}{parts.path}"


def lint(text: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "migsafe.cli.main", "lint", "--isolated", *arguments, "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def fill(connection: psycopg.Connection, *, rows: int, width: int) -> None:
    connection.execute("CREATE TABLE orders (id bigint PRIMARY KEY, code varchar(50), note text)")
    connection.execute(
        "INSERT INTO orders SELECT i, i::text, repeat('x', %s) FROM generate_series(1, %s) i", (width, rows)
    )
    connection.execute("ANALYZE orders")


def test_findings_say_rows_bytes_and_an_estimate(connection: psycopg.Connection, database: str) -> None:
    fill(connection, rows=30_000, width=1900)
    done = lint(INDEX, "--database", database, "--quiet")
    assert done.returncode == 1, done.stderr
    assert "[MS101 blocking-index-build]" in done.stdout
    assert "(orders: 30 thousand rows, 59 MB; about 1 s)" in done.stdout


def test_a_small_table_is_exempt_from_what_takes_long_but_not_from_what_breaks(
    connection: psycopg.Connection, database: str
) -> None:
    fill(connection, rows=100, width=10)
    assert lint(INDEX, "--database", database).returncode == 0
    assert lint(INDEX).returncode == 1
    broken = lint("SET lock_timeout = '2s';\nALTER TABLE orders DROP COLUMN note;", "--database", database)
    assert broken.returncode == 1
    assert "dropped-column" in broken.stdout


def test_a_role_without_rights_on_the_tables_sees_all_that_is_needed(
    connection: psycopg.Connection, database: str, role: str
) -> None:
    fill(connection, rows=30_000, width=1900)
    connection.execute("CREATE SCHEMA hidden")
    connection.execute("CREATE TABLE hidden.secrets (code varchar(50))")
    connection.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public, hidden FROM PUBLIC")
    reader = url_of(database, role)
    with psycopg.connect(reader) as without, pytest.raises(psycopg.errors.InsufficientPrivilege):
        without.execute("SELECT * FROM orders")
    assert "30 thousand rows, 59 MB" in lint(INDEX, "--database", reader).stdout
    free = "SET lock_timeout = '2s';\nALTER TABLE {} ALTER code TYPE varchar({});"
    for table in ("orders", "hidden.secrets"):
        assert lint(free.format(table, 100), "--database", reader).returncode == 0
        narrowed = lint(free.format(table, 20), "--database", reader)
        assert "narrowing-type-change" in narrowed.stdout


def test_a_wrong_password_is_an_error_that_does_not_repeat_it(database: str, role: str) -> None:
    done = lint(INDEX, "--database", url_of(database, role, "wr0ng-w0rd"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "password authentication failed" in done.stderr
    assert "wr0ng-w0rd" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "nowhere.invalid"])
def test_a_server_that_does_not_answer_is_an_error_that_says_which(host: str) -> None:
    port = free_port()
    done = lint(INDEX, "--database", f"postgresql://app:{QUOTED}@{host}:{port}/shop")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"shop on {host}:{port}" in done.stderr
    assert_no_secret(done)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{QUOTED}@127.0.0.1:1/shop",
        f"postgresql://127.0.0.1:1/shop?user=app&password={QUOTED}",
        f"host=127.0.0.1 port=1 user=app password='{SECRET}'",
        f"postgresql://app:{SECRET}@127.0.0.1:port/shop",  # not quoted as it should be
        f"postgresql://app:{QUOTED}@127.0.0.1:1/shop?no_such_option=1",
        f"postgres//app:{QUOTED}@127.0.0.1/shop",
        f"app:{QUOTED}",
    ],
)
def test_no_way_to_write_the_url_brings_the_password_into_an_error(url: str) -> None:
    done = lint(INDEX, "--database", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert_no_secret(done)


@pytest.mark.parametrize("format_", ["text", "json", "sarif", "github", "gitlab", "junit", "markdown"])
def test_no_report_has_the_password_or_the_user(
    connection: psycopg.Connection, database: str, role: str, format_: str
) -> None:
    fill(connection, rows=10, width=10)
    sql_text = "ALTER TABLE orders DROP COLUMN note;"
    done = lint(sql_text, "--database", url_of(database, role), "--format", format_, "--verbose")
    assert done.returncode == 1, done.stderr
    assert_no_secret(done)
    assert role not in done.stdout + done.stderr


def test_the_password_may_come_from_the_environment(
    connection: psycopg.Connection, database: str, role: str
) -> None:
    fill(connection, rows=10, width=10)
    parts = urlsplit(database)
    url = f"postgresql://{role}@{parts.hostname}:{parts.port}{parts.path}"
    assert lint(INDEX, "--database", url, PGPASSWORD=SECRET).returncode == 0


def test_a_table_that_somebody_holds_is_not_waited_for_without_end(
    connection: psycopg.Connection, database: str
) -> None:
    fill(connection, rows=10, width=10)
    with psycopg.connect(database) as busy:
        busy.execute("LOCK TABLE orders")
        done = lint(INDEX, "--database", database)
    assert done.returncode == 2
    assert "somebody has held a table for more than 5 s" in done.stderr


def test_nothing_is_changed(connection: psycopg.Connection, database: str) -> None:
    fill(connection, rows=30_000, width=1900)
    assert lint(INDEX, "--database", database).returncode == 1
    assert connection.execute("SELECT count(*) FROM orders").fetchone() == (30_000,)
    assert connection.execute("SELECT 1 FROM pg_class WHERE relname = 'orders_note_idx'").fetchone() is None


def test_the_history_before_the_script_is_not_replayed_onto_a_schema_that_has_it(
    connection: psycopg.Connection, database: str, tmp_path: Path
) -> None:
    made = "CREATE TABLE orders (id bigint PRIMARY KEY, code varchar(50), note text);\n"
    (tmp_path / "1.sql").write_text(made, encoding="utf-8")
    (tmp_path / "2.sql").write_text("ALTER TABLE orders ALTER code TYPE varchar(100);\n", encoding="utf-8")
    (tmp_path / "migsafe.toml").write_text(
        '[[sources]]\npath = "."\n[rules]\nmissing-lock-timeout = "off"\n', encoding="utf-8"
    )
    connection.execute(made.encode())
    done = subprocess.run(
        [sys.executable, "-m", "migsafe.cli.main", "lint", "--database", database, "2.sql"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert (done.returncode, done.stdout) == (0, "No findings in 1 file (1 statement).\n"), done.stderr


def test_a_standby_will_do(server: Server) -> None:
    with scratch_server(binaries=server.binaries, settings={"fsync": "off"}) as own:
        with psycopg.connect(own.dsn(), autocommit=True) as connection:
            fill(connection, rows=30_000, width=10)
        own.stop()
        (own.data / "standby.signal").touch()
        own.start()
        done = lint(INDEX, "--database", own.dsn())
    assert "30 thousand rows" in done.stdout, done.stderr


def assert_no_secret(done: subprocess.CompletedProcess[str]) -> None:
    said = done.stdout + done.stderr
    for secret in (SECRET, QUOTED, "s3cr", "et@word", "et%40word"):
        assert secret not in said
