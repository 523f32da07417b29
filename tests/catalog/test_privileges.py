"""Reading the schema takes no more than to connect, waits for nobody, and changes nothing."""

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.sql.names import Name
from tests.catalog.agree import differences

SCHEMA = """
CREATE SCHEMA hidden;
REVOKE ALL ON SCHEMA public FROM public;
CREATE TABLE hidden.t (id serial PRIMARY KEY, a text CHECK (a <> ''));
CREATE VIEW hidden.v AS SELECT a FROM hidden.t;
CREATE TYPE hidden.e AS ENUM ('x');
CREATE MATERIALIZED VIEW hidden.m AS SELECT 1 AS a;
"""


def test_a_role_without_privileges_reads_the_whole_schema(connection: psycopg.Connection) -> None:
    connection.execute(SCHEMA)
    connection.execute("DROP ROLE IF EXISTS nobody_at_all")
    connection.execute("CREATE ROLE nobody_at_all")
    everything = read_catalog(connection)
    connection.execute("SET ROLE nobody_at_all")
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM hidden.t")
        assert differences(read_catalog(connection), everything) == []
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE nobody_at_all")


def test_a_locked_table_is_read_all_the_same(connection: psycopg.Connection, database: str) -> None:
    connection.execute("CREATE TABLE t (a text)")
    connection.execute("INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 100)")
    connection.execute("VACUUM t")
    before = read_catalog(connection).table(Name("t"))
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        found = read_catalog(connection).table(Name("t"))
        other.rollback()
    assert before is not None
    assert found is not None
    assert before.size_bytes
    assert found.size_bytes
    assert found.columns == before.columns


def test_an_open_transaction_is_left_as_it_was(connection: psycopg.Connection) -> None:
    connection.execute("CREATE SCHEMA s")
    connection.execute("BEGIN")
    connection.execute("SET LOCAL search_path = s")
    connection.execute("CREATE TABLE t (a int)")
    catalog = read_catalog(connection)
    assert catalog.table(Name("t")) is not None
    assert set(catalog.tables) == {Name("t", "s")}
    connection.execute("INSERT INTO t VALUES (1)")
    row = connection.execute("SHOW search_path").fetchone()
    assert row == ("s",)
    connection.execute("COMMIT")
    assert catalog.search_path == ("s",)
    assert catalog.default_path == ("public",)
