"""A few database connections for many threads."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import psycopg


class Pool:
    """Connections in autocommit, opened at once; a broken one is replaced when it is next needed."""

    def __init__(self, dsn: str, application_name: str, size: int) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._idle: queue.LifoQueue[psycopg.Connection] = queue.LifoQueue()
        for _ in range(size):
            self._idle.put(self._connect())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while not self._idle.empty():
            self._idle.get_nowait().close()

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Lend a connection; waits for one when all are lent out."""
        conn = self._idle.get()
        try:
            if conn.closed:
                conn = self._connect()
            yield conn
        finally:
            self._idle.put(conn)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._dsn, application_name=self._application_name, autocommit=True)
