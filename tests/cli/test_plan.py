"""`migsafe plan` as a process, the way a person meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from migsafe.plan.toml.file import load_plan

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
    assert "ACCESS EXCLUSIVE on public.users, instant" in done.stdout
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
        (("plan", "1_rename.sql", "two.sql"), "2 files are given, and a plan is of one migration"),
        (("plan", "binary.sql", "--schema", "schema.sql"), "not a text file in UTF-8"),
        (("plan", "empty.sql", "--schema", "schema.sql"), "nothing to plan"),
        (("plan", "broken.sql", "--schema", "schema.sql"), "broken.sql:1: a statement could not be read"),
        (("plan", "two.sql", "--schema", "schema.sql"), "is changed again while"),
        (("plan", "1_rename.sql"), "no database was given"),
        (("plan", "1_rename.sql", "--database", "x", "--schema", "y"), "exclude each other"),
        (("plan", "1_rename.sql", "--schema", "nope.sql"), "nope.sql: cannot be read: No such file"),
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
        (("plan", "comments.sql", "--schema", "schema.sql"), "nothing to plan"),
        (("plan", "gone.sql", "--schema", "schema.sql"), "table gone is not known"),
        (("plan", "plan.toml", "--schema", "schema.sql"), "migsafe plan --check plan.toml"),
        (("plan", "--check", "plan.toml"), "is not valid TOML"),
        (("plan", "--check", "nope.toml"), "there is no file nope.toml"),
        (("plan", "--check", "--explain", "plan.toml"), "exclude each other"),
        (("plan", "--check", "1_rename.sql"), "is not valid TOML"),
        (("plan", "--explain", "plan.toml"), "is not valid TOML"),
        (
            ("plan", "1_rename.sql", "--database", "postgresql://me:secret@127.0.0.1:1/db"),
            "cannot connect to db on 127.0.0.1:1",
        ),
    ],
)
def test_bad_input_is_told_what_to_do(migration: Path, arguments: tuple[str, ...], message: str) -> None:
    (migration / "schema.sql").write_text(SCHEMA + ";\nCREATE TABLE t (a varchar(5));\n")
    (migration / "binary.sql").write_bytes(b"\xff\x00\xfe")
    (migration / "empty.sql").write_text("")
    (migration / "comments.sql").write_text("-- nothing\n/* at all */\n")
    (migration / "gone.sql").write_text("ALTER TABLE gone RENAME COLUMN a TO b;\n")
    (migration / "plan.toml").write_text("name = \n")
    (migration / "broken.sql").write_text("ALTER TABEL users;\n")
    (migration / "two.sql").write_text(RENAME + "ALTER TABLE users RENAME COLUMN balance TO b;\n")
    (migration / "free.sql").write_text("ALTER TABLE t ALTER COLUMN a TYPE varchar(9);\n")
    done = migsafe(*arguments, cwd=migration)
    assert done.returncode == 2, done.stdout
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert list(migration.glob("*.plan.toml")) == []


@pytest.fixture
def planned(migration: Path) -> Path:
    (migration / "schema.sql").write_text(SCHEMA + ";\n")
    assert migsafe("plan", "1_rename.sql", "--schema", "schema.sql", cwd=migration).returncode == 0
    return migration


CHECK = ("plan", "--check", "1_rename.plan.toml")


def edit(folder: Path, old: str, new: str) -> int:
    """Changes the plan once; the line where it did."""
    file = folder / "1_rename.plan.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text.count("\n", 0, text.index(old)) + 1


def test_a_plan_as_it_was_made_has_nothing_to_put_right(planned: Path) -> None:
    alone = migsafe(*CHECK, cwd=planned)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert "not tried on a schema" in alone.stdout
    done = migsafe(*CHECK, "--schema", "schema.sql", cwd=planned)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("nothing to put right.\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('ALTER TABLE "public"."users" ADD COLUMN', 'ALTER TABEL "public"."users" ADD', "could not be read"),
        ('RENAME COLUMN "name" TO', 'RENAME COLUMN "nam" TO', "PostgreSQL would refuse it here"),
        ('"ACCESS EXCLUSIVE on public.users"', '"SHARE on public.users"', "its 'locks' are not those"),
        ('blue = ["planned", "fenced"]', 'blue = ["planned", "verified"]', "blue would get 95 %"),
        ('green = ["verified", "dropped"]', 'green = ["fenced", "dropped"]', "green would get 5 %"),
        ('DROP COLUMN IF EXISTS "full_name"', 'DROP COLUMN "fullname"', "would refuse its 'undo'"),
    ],
)
def test_a_mistake_in_an_edited_plan_is_found_with_its_line(
    migration: Path, old: str, new: str, message: str
) -> None:
    (migration / "schema.sql").write_text(SCHEMA + ";\n")
    (migration / "traffic.toml").write_text('provider = "command"\n[options]\nset = "true"\n')
    base = ("plan", "1_rename.sql", "--schema", "schema.sql", "--traffic", "traffic.toml")
    assert migsafe(*base, cwd=migration).returncode == 0
    line = edit(migration, old, new)
    done = migsafe(*CHECK, "--schema", "schema.sql", cwd=migration)
    assert done.returncode == 1, done.stdout + done.stderr
    (found,) = [text for text in done.stdout.splitlines() if message in text][:1]
    at = int(found.split(":")[1])
    assert abs(at - line) <= 8, (found, line)  # the key, or the statement below it
    assert "Traceback" not in done.stderr


def test_what_the_linter_finds_stands_where_it_is_in_the_plan(planned: Path) -> None:
    before = 'ALTER TABLE "public"."users" ADD COLUMN "full_name"'
    line = edit(planned, before, f"ALTER TABLE users RENAME COLUMN balance TO money;\n{before}")
    done = migsafe(*CHECK, "--schema", "schema.sql", "--format", "json", cwd=planned)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    (file,) = document["lint"]["files"]
    assert file["path"] == "1_rename.plan.toml"
    assert ("renamed-column", line) in [(each["rule"], each["line"]) for each in file["findings"]]
    assert not document["clean"]


@pytest.mark.parametrize("file", ["1_rename.sql", "1_rename.plan.toml"])
def test_the_stages_are_a_table_of_100_columns_without_control_codes(planned: Path, file: str) -> None:
    done = migsafe("plan", "--explain", file, "--schema", "schema.sql", cwd=planned, COLUMNS="40")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout
    rows = [line.split()[0] for line in done.stdout.splitlines() if line[:1].isalpha()]
    for stage in ("planned", "expanded", "backfilled", "verified", "tombstoned", "dropped"):
        assert stage in rows
    assert "point of" in done.stdout


def test_the_stages_as_json(planned: Path) -> None:
    done = migsafe("plan", "--explain", "1_rename.plan.toml", "--format", "json", cwd=planned)
    stages = {stage["stage"]: stage for stage in json.loads(done.stdout)["stages"]}
    assert stages["expanded"]["schema"] == ["+ column full_name", "+ sync triggers"]
    assert stages["expanded"]["writes"] == ["blue: name, copied to full_name"]
    assert stages["verified"]["may_run"] == ["blue", "green"]
    assert stages["tombstoned"]["may_run"] == ["green"]
    assert stages["dropped"]["rollback"] == "none: point of no return"


def test_a_migration_may_come_from_standard_input(migration: Path) -> None:
    (migration / "schema.sql").write_text(SCHEMA + ";\n")
    done = subprocess.run(
        [sys.executable, "-m", "migsafe", "plan", "-", "--schema", "schema.sql"],
        cwd=migration,
        input=RENAME,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (migration / "from_stdin.plan.toml").write_text(done.stdout)
    assert migsafe("plan", "--check", "from_stdin.plan.toml", cwd=migration).returncode == 0


def test_a_migration_of_10_megabytes_is_answered(migration: Path) -> None:
    (migration / "schema.sql").write_text(SCHEMA + ";\n")
    (migration / "big.sql").write_text(f"-- {'x' * 10_000_000}\n{RENAME}")
    done = migsafe("plan", "big.sql", "--schema", "schema.sql", "-o", "-", cwd=migration)
    assert done.returncode == 0, done.stderr[:500]
