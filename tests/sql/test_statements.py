"""What is valid is understood, what is broken is not; a real server says which is which."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migsafe.postgres.server import Server
from migsafe.sql.operations import Unread
from migsafe.sql.script import ReadStatement, read_script

HERE = Path(__file__).parent
VALID = read_script((HERE / "valid.sql").read_text()).statements
BROKEN = [
    read_script(line.removesuffix(";")).statements[0]
    for line in (HERE / "broken.sql").read_text().splitlines()
]
# PL/pgSQL has statements of its own that start like these, or does not know them.
_NOT_FOR_ORACLE = (
    *("begin", "commit", "end", "rollback", "abort", "savepoint", "release", "prepare", "call"),
    *("do", "declare", "fetch", "close", "select", "values", "insert", "set = ", "table", "execute"),
    "create function f() returns int",
)


@pytest.fixture(scope="module")
def oracle(server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        yield connection


def is_valid(oracle: psycopg.Connection, sql: str) -> bool:
    """Whether the server's parser accepts a statement: PL/pgSQL parses all of a block before it runs any."""
    try:
        oracle.execute(f"DO $oracle$ BEGIN RETURN; {sql}; END $oracle$".encode())
    except psycopg.errors.SyntaxError:
        return False
    return True


@pytest.mark.parametrize("text", [statement.text for statement in VALID])
def test_valid_statement_is_read(text: str, oracle: psycopg.Connection) -> None:
    (statement,) = read_script(text).statements
    assert statement.unread is None
    assert text.startswith(_NOT_FOR_ORACLE) or is_valid(oracle, text)


@pytest.mark.parametrize("statement", BROKEN, ids=lambda s: s.text)
def test_broken_statement_is_exactly_one_unread(statement: ReadStatement, oracle: psycopg.Connection) -> None:
    text = statement.text
    assert [type(operation) for operation in statement.operations] == [Unread]
    assert text.startswith(_NOT_FOR_ORACLE) or not is_valid(oracle, text)
