"""What pg_dump writes gives the same catalog as the database it was written from."""

from pathlib import Path

import psycopg

from migsafe.catalog.history import load_schema
from migsafe.catalog.live import read_catalog
from migsafe.postgres.server import Server
from migsafe.sql.script import read_script
from tests.catalog.agree import differences

EVERYTHING = (Path(__file__).parent / "everything.sql").read_text()


def test_a_dump_gives_the_catalog_of_its_database(server: Server, connection: psycopg.Connection) -> None:
    connection.execute(EVERYTHING.encode())
    dump = server.run("pg_dump", "-s", "-d", connection.info.dbname)
    live = read_catalog(connection)
    found = differences(load_schema(dump, server_version=live.server_version), live)
    assert not found, "\n".join(found)


def test_a_schema_written_by_hand_gives_the_catalog_of_its_database(connection: psycopg.Connection) -> None:
    for statement in read_script(EVERYTHING).statements:
        connection.execute(statement.text.encode())
    live = read_catalog(connection)
    found = differences(load_schema(EVERYTHING, server_version=live.server_version), live)
    assert not found, "\n".join(found)
