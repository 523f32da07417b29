"""The matrix of type changes, asked of a real server: a changed relfilenode is a rewrite."""

from collections.abc import Iterator

import psycopg
import pytest

from migsafe.effects.type_change import Change, keeps_values, type_change
from migsafe.postgres.server import Server
from migsafe.sql.cursor import Cursor
from migsafe.sql.lex import lex
from migsafe.sql.operations import TypeName
from migsafe.sql.types import type_name

TYPES = (
    *("smallint", "integer", "bigint", "oid", "real", "double precision", "boolean", "date", "money"),
    *("numeric", "numeric(8,2)", "numeric(10,2)", "numeric(10,4)", "numeric(6)", "regclass"),
    *("text", "varchar", "varchar(5)", "varchar(50)", "char(5)", "char(50)", "bpchar", '"char"', "name"),
    *("bit(3)", "bit(5)", "varbit", "varbit(3)", "varbit(5)", "bytea", "uuid", "cidr", "inet", "xml"),
    *("timestamp", "timestamp(3)", "timestamp(6)", "timestamptz", "timestamptz(3)", "time", "time(3)"),
    *("timetz", "interval", "interval(3)", "json", "jsonb", "text[]", "varchar(5)[]", "varchar(50)[]"),
    *("int[]", "bigint[]", "macaddr", "macaddr8", "xid", "int4range", "tsvector", "point"),
)


def read_type(text: str) -> TypeName:
    return type_name(Cursor(text, lex(text)))


@pytest.fixture(scope="module")
def conn(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as conn:
        conn.execute("CREATE TEMPORARY TABLE dummy (id int)")
        yield conn


def rewrites(conn: psycopg.Connection, old: str, new: str, *, zone: str) -> bool | None:
    """Whether the server writes the table anew; None when it refuses the change."""
    node = "SELECT pg_relation_filenode('subject')"
    with conn.transaction(force_rollback=True):
        conn.execute(f"SET LOCAL TimeZone = '{zone}'".encode())
        conn.execute(f"CREATE TEMPORARY TABLE subject (c {old}) ON COMMIT DROP".encode())
        before = conn.execute(node).fetchone()
        try:
            with conn.transaction():
                conn.execute(f"ALTER TABLE subject ALTER c TYPE {new}".encode())
        except psycopg.Error:
            return None
        return conn.execute(node).fetchone() != before


@pytest.mark.parametrize("old", TYPES)
def test_change_of_type_does_what_the_server_does(conn: psycopg.Connection, old: str) -> None:
    wrong = []
    for new in TYPES:
        observed = rewrites(conn, old, new, zone="America/New_York")
        change = type_change(read_type(old), read_type(new))
        if observed is not None and (change is not Change.FREE) != observed:
            wrong.append((new, change, observed))
        if change is Change.FREE_IN_UTC:
            assert rewrites(conn, old, new, zone="UTC") is False
    assert wrong == []


@pytest.mark.parametrize("text", TYPES)
def test_a_type_is_named_as_the_server_names_it(conn: psycopg.Connection, text: str) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute(f"CREATE TEMPORARY TABLE subject (c {text})".encode())
        row = conn.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'subject'::regclass AND attname = 'c'"
        ).fetchone()
    assert row is not None
    assert str(read_type(text)) == row[0]


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("int", "bigint", True),
        ("bigint", "int", False),
        ("varchar(50)", "text", True),
        ("text", "varchar(50)", False),
        ("int", "text", False),
        ("numeric(8,2)", "numeric(12,4)", True),
        ("numeric(8,2)", "numeric(8,4)", False),
        ("timestamp", "timestamptz", False),
    ],
)
def test_an_application_keeps_working_when_all_values_fit(old: str, new: str, kept: bool) -> None:  # noqa: FBT001 -- a column of the table above
    assert keeps_values(read_type(old), read_type(new)) is kept
