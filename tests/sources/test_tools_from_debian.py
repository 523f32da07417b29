"""sqitch and Liquibase themselves: do they run what we say, in the order and the transactions that we say?

Each statement writes down which transaction it is in. sqitch is Debian's package; Liquibase's jars are in its
npm package, and need a Java.
"""

import io
import os
import shutil
import subprocess
from itertools import groupby
from pathlib import Path

import psycopg
import pytest

from migsafe.sources.gather import Request, gather
from migsafe.sql.operations import Begin, Commit
from migsafe.sql.script import read_script

LIQUIBASE = "liquibase@4.4.0"  # the last one with everything in the package
NOTE = "INSERT INTO log (note, tx) VALUES ('{}', txid_current());"

pytestmark = pytest.mark.proof


def installed(program: str, *packages: str) -> str:
    """The path of a program, from Debian's packages where it is not there yet."""
    if not shutil.which(program):
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=300)
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(command, check=True, timeout=600)
    return shutil.which(program) or program


@pytest.fixture
def logged(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE log (id serial, note text, tx bigint)")
    return database


def ran_together(database: str) -> list[list[str]]:
    """What ran, in order, with what one transaction did in one list."""
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT note, tx FROM log ORDER BY id").fetchall()
    return [[note for note, _ in group] for _, group in groupby(rows, key=lambda row: row[1])]


def said_together(folder: Path) -> list[list[str]]:
    """The same as our sources say it."""
    groups: list[list[str]] = []
    for source in gather(Request(paths=(str(folder),)), stdin=io.BytesIO()):
        assert source.in_transaction is not None
        inside = source.in_transaction
        groups.append([])
        for statement in read_script(source.text).statements:
            match statement.operations:
                case [Begin()]:
                    inside = True
                case [Commit()]:
                    inside = False
                case _ if "INSERT" in statement.text:
                    groups[-1].append(statement.text.split("'")[1])
            if not inside:
                groups.append([])
    return [group for group in groups if group]


def test_sqitch_runs_the_plan_as_we_read_it(logged: str, tmp_path: Path) -> None:
    program = installed("sqitch", "sqitch", "libdbd-pg-perl", "postgresql-client")
    parts = psycopg.conninfo.conninfo_to_dict(logged)
    target = f"db:pg://{parts['user']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    named = {"SQITCH_FULLNAME": "Ann", "SQITCH_EMAIL": "ann@example.org"}
    environment = {**os.environ, **named, "PGPASSWORD": str(parts["password"])}

    def sqitch(*arguments: str) -> None:
        subprocess.run(
            [program, *arguments], cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=60
        )

    def script(name: str, *statements: str) -> None:
        (tmp_path / "deploy" / f"{name}.sql").write_text("\n".join(statements) + "\n", encoding="utf-8")

    sqitch("init", "shop", "--engine", "pg")
    for name in ("b", "a"):
        sqitch("add", name, "-n", name)
    script("b", NOTE.format("b1"), NOTE.format("b2"))
    script("a", "BEGIN;", NOTE.format("a1"), NOTE.format("a2"), "COMMIT;")
    sqitch("deploy", target)
    sqitch("tag", "v1", "-n", "first")
    sqitch("rework", "b", "-n", "again")
    script("b", "CREATE INDEX CONCURRENTLY i ON log (tx);", NOTE.format("b3"))
    sqitch("deploy", target)
    assert ran_together(logged) == said_together(tmp_path) == [["b1"], ["b2"], ["a1", "a2"], ["b3"]]


CHANGELOG = f"""--liquibase formatted sql
--changeset ann:1
{NOTE.format("1a")}
{NOTE.format("1b")}
--rollback {NOTE.format("back")}
--changeset ann:2 runInTransaction:false
{NOTE.format("2a")}
{NOTE.format("2b")}
CREATE INDEX CONCURRENTLY i ON log (tx);
--changeset ann:3 dbms:mysql
{NOTE.format("mysql")}
--changeset ann:4 dbms:postgresql,h2
{NOTE.format("4a")}
{NOTE.format("4b")}
--changeset ann:5 dbms:!postgresql
{NOTE.format("not here")}
--changeset ann:6 endDelimiter:/
{NOTE.format("6a")[:-1]}
/
{NOTE.format("6b")[:-1]}
/
--changeset ann:7
--ignoreLines:1
{NOTE.format("one line ignored")}
{NOTE.format("7a")}
--ignoreLines:start
{NOTE.format("lines ignored")}
--ignoreLines:end
/* liquibase rollback
{NOTE.format("back")}
*/
"""


def test_liquibase_runs_the_changesets_as_we_read_them(
    logged: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    java = installed("java", "default-jre-headless")
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(
        ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", LIQUIBASE],
        cwd=folder, check=True, timeout=600,
    )  # fmt: skip
    jars = [
        *folder.glob("node_modules/liquibase/dist/liquibase/**/*.jar"),
        *folder.glob("node_modules/liquibase/dist/drivers/postgresql-*.jar"),
    ]
    (tmp_path / "changelog").mkdir()
    (tmp_path / "changelog" / "shop.sql").write_text(CHANGELOG, encoding="utf-8")
    parts = psycopg.conninfo.conninfo_to_dict(logged)
    url = f"jdbc:postgresql://{parts['host']}:{parts['port']}/{parts['dbname']}"
    subprocess.run(
        [
            java, "-cp", os.pathsep.join(map(str, jars)), "liquibase.integration.commandline.Main",
            "--changeLogFile=changelog/shop.sql", f"--url={url}", f"--username={parts['user']}",
            f"--password={parts['password']}", "update",
        ],
        cwd=tmp_path, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    wanted = [["1a", "1b"], ["2a"], ["2b"], ["4a", "4b"], ["6a", "6b"], ["7a"]]
    assert ran_together(logged) == said_together(tmp_path / "changelog") == wanted
