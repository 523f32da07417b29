"""Fixtures that every test may use.

`server` is one PostgreSQL for the whole session, from the wheel, so that everybody tests on the same
version; MIGSAFE_POSTGRES_BIN chooses another. `database` is an empty database of the test's own.
"""

import os
import uuid
from collections.abc import Callable, Iterator

import hypothesis
import psycopg
import pytest
from psycopg import sql

from migsafe.postgres.binaries import embedded_binaries, find_binaries
from migsafe.postgres.server import Server, scratch_server

# What a test finds must come from the code, and nothing of it belongs into the developer's own cache.
os.environ["MIGSAFE_NO_CACHE"] = "1"

PROOF_ROW = "a row of the proofs' table"

# How long one example takes depends on what else the machine does; the tests of time say so by their names.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files again")


@pytest.fixture
def proof_row(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Puts a row into the table that is printed at the end, whether the test fails or not."""
    return lambda row: request.node.user_properties.append((PROOF_ROW, row))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ended = [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]
    # Each once: a heading comes with every row below it.
    rows = sorted({row for test in ended for key, row in test.user_properties if key == PROOF_ROW})
    if rows:
        terminalreporter.section("proofs")
    for row in rows:
        terminalreporter.write_line(row)


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
