"""`migsafe plan` as a process, the way a person meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from migsafe.plan.file import load_plan

SCHEMA = "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, balance int)"
RENAME = "SET lock_timeout = '2s';\nALTER TABLE users RENAME COLUMN name TO full_name;\n"


def migsafe(*arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if "DATABASE_URL" not in key}
    return subprocess.run(
        [sys.executable, "-m", "migsafe", *arguments],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def migration(tmp_path: Path) -> Path:
    (tmp_path / "1_rename.sql").write_text(RENAME)
    return tmp_path


def test_a_plan_is_written_beside_the_migration(migration: Path, database: str) -> None:
    with psycopg.connect(database) as conn:
        conn.execute(SCHEMA)
    done = migsafe("plan", "1_rename.sql", cwd=migration, MIGSAFE_DATABASE_URL=database)
    assert done.returncode == 0, done.stderr
    plan = load_plan(migration / "1_rename.plan.toml")
    assert [change.column and change.column.new for change in plan.changes] == ["full_name"]
    assert "ACCESS EXCLUSIVE on public.users; instant once granted" in done.stdout
    assert "migsafe run 1_rename.plan.toml" in done.stdout
    password = database.split(":")[2].split("@", maxsplit=1)[0]
    assert password not in (migration / "1_rename.plan.toml").read_text() + done.stdout
    with psycopg.connect(database) as conn:
        tables = conn.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'migsafe'").fetchone()
    assert tables == (0,)


def test_a_schema_file_serves_as_well_and_json_holds_the_plan(migration: Path) -> None:
    (migration / "schema.sql").write_text(SCHEMA + ";\n")
    done = migsafe("plan", "1_rename.sql", "--schema", "schema.sql", "--format", "json", cwd=migration)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["plan"]["changes"][0]["column_old_type"] == "text"
    assert len(document["fingerprint"]) == 64


def test_another_plan_is_never_overwritten_unasked(migration: Path) -> None:
    (migration / "schema.sql").write_text(SCHEMA + ";\n")
    base = ("plan", "1_rename.sql", "--schema", "schema.sql")
    assert migsafe(*base, cwd=migration).returncode == 0
    assert migsafe(*base, cwd=migration).returncode == 0  # the same plan again: nothing to lose
    refused = migsafe(*base, "--keep", "1d", cwd=migration)
    assert refused.returncode == 2
    assert "holds another plan" in refused.stderr
    assert migsafe(*base, "--keep", "1d", "--force", cwd=migration).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "missing.sql"), "there is no file missing.sql"),
        (("plan", "."), "is a folder"),
        (("plan", "binary.sql", "--schema", "schema.sql"), "not a text file in UTF-8"),
        (("plan", "empty.sql", "--schema", "schema.sql"), "nothing to plan"),
        (("plan", "broken.sql", "--schema", "schema.sql"), "broken.sql:1: a statement could not be read"),
        (("plan", "two.sql", "--schema", "schema.sql"), "is changed again while"),
        (("plan", "1_rename.sql"), "no database was given"),
        (("plan", "1_rename.sql", "--database", "x", "--schema", "y"), "exclude each other"),
        (("plan", "1_rename.sql", "--schema", "nope.sql"), "there is no file nope.sql"),
        (("plan", "1_rename.sql", "--schema", "broken.sql"), "broken.sql"),
        (
            ("plan", "1_rename.sql", "--schema", "schema.sql", "--keep", "7 moons"),
            "'7 moons' is not a duration",
        ),
        (("plan", "1_rename.sql", "--schema", "schema.sql", "--on-misfit", "x"), "--on-misfit x is unknown"),
        (
            ("plan", "1_rename.sql", "--schema", "schema.sql", "--traffic", "no.toml"),
            "there is no file no.toml",
        ),
        (("plan", "1_rename.sql", "--schema", "schema.sql", "-o", "no/such/dir.toml"), "cannot be written"),
        (("plan", "free.sql", "--schema", "schema.sql"), "needs no rollout"),
        (("plan", "1_rename.sql", "--databse", "x"), "No such option"),
        (
            ("plan", "1_rename.sql", "--database", "postgresql://me:secret@127.0.0.1:1/db"),
            "cannot connect to db on 127.0.0.1:1",
        ),
    ],
)
def test_bad_input_is_told_what_to_do(migration: Path, arguments: tuple[str, ...], message: str) -> None:
    (migration / "schema.sql").write_text(SCHEMA + ";\nCREATE TABLE t (a varchar(5));\n")
    (migration / "binary.sql").write_bytes(b"\xff\x00\xfe")
    (migration / "empty.sql").write_text("-- nothing\n")
    (migration / "broken.sql").write_text("ALTER TABEL users;\n")
    (migration / "two.sql").write_text(RENAME + "ALTER TABLE users RENAME COLUMN balance TO b;\n")
    (migration / "free.sql").write_text("ALTER TABLE t ALTER COLUMN a TYPE varchar(9);\n")
    done = migsafe(*arguments, cwd=migration)
    assert done.returncode == 2, done.stdout
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert list(migration.glob("*.plan.toml")) == []
