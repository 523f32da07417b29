"""The file of a fleet: where its databases are, and that it holds no password."""

from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from migsafe.errors import ConnectionFailed, UsageError
from migsafe.fleet.address import Place, fill
from migsafe.fleet.file import load_fleet
from migsafe.fleet.model import Application, Fleet
from migsafe.fleet.waves import Size
from migsafe.postgres.server import Server

HERE = Place("here")
# A surrogate is no text that could come out of a file.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


def load(tmp_path: Path, text: str, **environment: str) -> Fleet:
    path = tmp_path / "fleet.toml"
    path.write_text(text)
    return load_fleet(path, environment)


def test_all_ways_to_name_a_database(tmp_path: Path) -> None:
    fleet = load(
        tmp_path,
        """
        url = "postgresql://app@{host}:6432/{name}"
        application = "each"
        canary = "own"
        waves = [2, "50%", "rest"]
        parallel = 7
        pause = "90s"
        [[databases]]
        name = "from_template"
        host = "db1"
        port = 5433
        [[databases]]
        name = "own"
        url = "postgresql://app@db2/x"
        direct_url_env = "DIRECT"
        [[databases]]
        name = "secret"
        url_env = "PRIVATE"
        """,
        PRIVATE="postgresql://app:pw@db3/y",
        DIRECT="postgresql://app@db2:5432/x",
    )
    first, own, secret = fleet.databases
    assert conninfo_to_dict(first.dsn) == {
        "user": "app",
        "host": "db1",
        "port": "5433",
        "dbname": "from_template",
    }
    assert (own.dsn, own.direct_dsn) == ("postgresql://app@db2/x", "postgresql://app@db2:5432/x")
    assert secret.dsn == "postgresql://app:pw@db3/y"
    assert "pw" not in repr(fleet)
    assert (fleet.application, fleet.canary, fleet.parallel, fleet.pause_seconds) == (
        Application.EACH,
        "own",
        7,
        90.0,
    )
    assert fleet.sizes == (Size(count=2), Size(percent=50), Size())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no database"),
        ("names = []", "has no database"),
        ('names = ["a"]', "nothing says where it is"),
        ('url = "postgresql://h/{name}"\nnames = ["a", "a"]', "the name is there twice"),
        ('url = "postgresql://h/x"\nnames = ["a", "b"]', "leads to the same database as 'a'"),
        ('url = "postgresql://h/{nmae}"\nnames = ["a"]', "did you mean 'name'"),
        ('url = "postgresql://{host}/{name}"\nnames = ["a"]', "needs 'host'"),
        ('url = "postgresql://u:topsecret@h/{name}"\nnames = ["a"]', "has a password"),
        ('url = "postgresql://h/{name}?password=topsecret"\nnames = ["a"]', "has a password"),
        ('url = "h:5432:topsecret@"\nnames = ["a"]', "cannot be read"),
        ('[[databases]]\nname = "a"\nurl = "host=h password=topsecret"', "has a password"),
        ('[[databases]]\nname = "a"\npassword = "topsecret"', "fleet.toml:3: 'password'"),
        ('password = "topsecret"\nnames = ["a"]', "no place in this file"),
        ('[query]\npassword_x = "topsecret"', "no place in this file"),
        ('[[databases]]\nname = "a"\nurl_env = "NOT_SET"', "NOT_SET is not set"),
        ('[[databases]]\nname = "a"\nurl_env = "X"\nurl = "postgresql://h/a"', "both url and url_env"),
        ('[[databases]]\nname = "a"\nhots = "h"', "did you mean 'host'"),
        ('[[databases]]\nhost = "h"', "a database without a name"),
        ('[[databases]]\nname = "a,b"\nhost = "h"', "a name has no commas"),
        ('[[databases]]\nname = "eu_*"\nhost = "h"', "a name has no commas"),
        ('[[databases]]\nname = "a\\nb"\nhost = "h"', "a name has no commas"),
        ('[[databases]]\nname = "a"\nhost = "h"\nport = 70000', "1 to 65535"),
        ('nmaes = ["a"]', "did you mean 'names'"),
        ('names = ["a"', "not valid TOML"),
        ('url = "postgresql://h/{name}"\nnames = ["a"]\nwaves = "10%"', "'waves' is a list"),
        ('url = "postgresql://h/{name}"\nnames = ["a"]\npause = "1 year"', "not a duration"),
        ('[query]\nsql = "SELECT 1"', "needs a url or a url_env"),
        ('[query]\nurl = "postgresql://h/x"', "needs the sql"),
        ('[query]\nurl = "postgresql://u:topsecret@h/x"\nsql = "SELECT 1"', "has a password"),
    ],
)
def test_mistakes_are_said_and_no_password_is_repeated(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        load(tmp_path, text)
    assert message in str(error.value)
    assert "topsecret" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load_fleet(tmp_path / "nowhere.toml", {})


@given(TEXT, TEXT)
def test_a_value_stays_one_value_whatever_signs_it_has(host: str, name: str) -> None:
    dsn = fill("postgresql://app@{host}/{name}?sslmode=require", {"host": host, "name": name}, HERE)
    assert conninfo_to_dict(dsn) == {"user": "app", "host": host, "dbname": name, "sslmode": "require"}


# --- a query ---


def control(server: Server, query: str) -> tuple[str, dict[str, str]]:
    text = f'url = "postgresql://app@{{host}}/{{dbname}}"\n[query]\nurl_env = "CONTROL"\nsql = """{query}"""'
    return text, {"CONTROL": server.dsn()}


def test_a_query_gives_the_databases(tmp_path: Path, server: Server) -> None:
    text, environment = control(
        server,
        "SELECT * FROM (VALUES ('a', 'db1', 5433, 'shop_a', NULL), ('b', NULL, NULL, NULL, "
        "'postgresql://me@db2/shop_b')) AS t (name, host, port, dbname, dsn)",
    )
    fleet = load(tmp_path, text, **environment)
    assert fleet.names == ("a", "b")
    assert conninfo_to_dict(fleet.databases[0].dsn) == {
        "user": "app",
        "host": "db1",
        "port": "5433",
        "dbname": "shop_a",
    }
    assert fleet.databases[1].dsn == "postgresql://me@db2/shop_b"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT 'a' AS name WHERE false", "its query found none"),
        ("SELECT 'a' AS nmae", "did you mean 'name'"),
        ("SELECT 'h' AS host", "no column 'name'"),
        ("SELECT NULL::text AS name", "without a name"),
        ("SELECT nothing", 'column "nothing" does not exist'),
        ("CREATE TABLE x (name text)", "read-only transaction"),
        ("SELECT 'a' AS name, 'postgresql://u:topsecret@h/x' AS dsn", "has a password"),
        ("SELECT name FROM (VALUES ('a'), ('a')) AS t (name)", "needs 'host'"),
    ],
)
def test_queries_that_give_no_fleet(tmp_path: Path, server: Server, query: str, message: str) -> None:
    text, environment = control(server, query)
    with pytest.raises(UsageError) as error:
        load(tmp_path, text, **environment)
    assert message in str(error.value)
    assert "topsecret" not in str(error.value)


def test_a_control_database_that_cannot_be_reached(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed):
        load(tmp_path, '[query]\nurl = "postgresql://127.0.0.1:1/x"\nsql = "SELECT 1"')


# --- names ---


def test_names_and_patterns_choose_in_the_order_of_the_fleet(tmp_path: Path) -> None:
    fleet = load(tmp_path, 'url = "postgresql://h/{name}"\nnames = ["eu_1", "us_1", "eu_2"]')
    assert [each.name for each in fleet.select(["eu_2,us_1"])] == ["us_1", "eu_2"]
    assert [each.name for each in fleet.select(["eu_*", "us_1"])] == ["eu_1", "us_1", "eu_2"]
    assert len(fleet.select([])) == 3


@pytest.mark.parametrize(
    ("only", "message"),
    [("eu_3", "no database 'eu_3'; did you mean"), ("x*", "no database fits 'x"), (",", "names no database")],
)
def test_names_that_fit_nothing_are_said(tmp_path: Path, only: str, message: str) -> None:
    fleet = load(tmp_path, 'url = "postgresql://h/{name}"\nnames = ["eu_1", "eu_2"]')
    with pytest.raises(UsageError, match=message):
        fleet.select([only])


def test_psycopg_keeps_reading_templates() -> None:
    """The holes of a template lie inside of the values: else no URL with a hole in its port could be read."""
    assert psycopg.conninfo.conninfo_to_dict("postgresql://{host}:{port}/x")["port"] == "{port}"
