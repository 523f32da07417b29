"""A server that is asked for catalogs, shared by all tests of a file."""

from collections.abc import Iterator

import psycopg
import pytest

from migsafe.postgres.server import Server
from tests.conftest import drop_database
from tests.review.schemas import Reader, reader


@pytest.fixture(scope="module")
def catalog_of(server: Server) -> Iterator[Reader]:
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE DATABASE review")
    with reader(server.dsn("review")) as read:
        yield read
    drop_database(server, "review")
