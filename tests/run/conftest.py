"""Fixtures for the runner's tests."""

from collections.abc import Callable

import psycopg
import pytest

from tests.run.plans import fill_users


@pytest.fixture
def users(connection: psycopg.Connection) -> Callable[[int], psycopg.Connection]:
    """Makes the table with so many rows; an autocommit connection to look at it."""

    def make(rows: int) -> psycopg.Connection:
        fill_users(connection, rows)
        return connection

    return make
