"""Schemas of tests as a real server knows them, without a database for each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog
from migsafe.sql.script import read_script

Reader = Callable[[str], Catalog]


@contextmanager
def reader(dsn: str) -> Iterator[Reader]:
    """Reads the catalog of a schema that exists for a moment only."""
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("CREATE SCHEMA example; CREATE ROLE app; CREATE ROLE reporting")

        def read(schema: str) -> Catalog:
            with connection.transaction(force_rollback=True):
                for statement in read_script(schema).statements:
                    connection.execute(statement.text.encode())
                return read_catalog(connection)

        yield read
        connection.execute("DROP ROLE app; DROP ROLE reporting")
