"""A small world for each module: real server, real applications, real proxy."""

from collections.abc import Iterator

import psycopg
import pytest

from migsafe.demo.directory import working_directory
from migsafe.demo.world import World
from migsafe.plan.stages import Version

ROWS = 2_000


@pytest.fixture
def world() -> Iterator[World]:
    """A filled table, blue and green running, all traffic on blue; no load yet."""
    with working_directory(keep=False) as directory, World(directory) as made:
        made.start_database(ROWS)
        made.start_application(Version.BLUE)
        made.start_application(Version.GREEN)
        made.start_proxy()
        yield made


@pytest.fixture
def owner(world: World) -> Iterator[psycopg.Connection]:
    """A connection of the table's owner, in autocommit."""
    with psycopg.connect(world.dsn, autocommit=True) as conn:
        yield conn
