"""Servers of several versions; a version that is not installed is an error, never a skip."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from migsafe.postgres.server import Server, scratch_server
from tests.servers import binaries_of, install, is_pinned

SETTINGS = {"fsync": "off", "autovacuum": "off", "max_connections": "300"}


class Servers:
    """Starts a server of a major version when it is first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[int, Server] = {}

    def of(self, major: int) -> Server:
        if major not in self._running:
            if is_pinned(major):
                install(major)
            running = scratch_server(binaries=binaries_of(major), settings=SETTINGS)
            self._running[major] = self._stack.enter_context(running)
        return self._running[major]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)
