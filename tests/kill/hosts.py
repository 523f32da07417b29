"""Servers that are stopped as in a crash: one that comes back, and a pair of which the other takes over."""

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import conninfo

from migsafe.postgres.account import temporary_root
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import SUPERUSER, Server, free_port, scratch_server

_SECONDS = 60.0
_CONFIG = {"fsync": "off", "autovacuum_naptime": "1s"}


class Host(Protocol):
    """What a rollout runs on. `number` is a file with the number of the process to strike, or none."""

    number: Path

    @property
    def server(self) -> Server:
        """The one that takes writes now."""

    def dsn(self, database: str) -> str:
        """A URL that leads to it, whoever it is."""

    def recover(self) -> None:
        """It was struck: let the service come back."""


class Single:
    """One server, started again on its own data."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.number = server.home / "number"
        _publish(self.number, server)

    def dsn(self, database: str) -> str:
        """A URL that leads to it."""
        return self.server.dsn(database)

    def recover(self) -> None:
        """Crash recovery."""
        number = _withdraw(self.number)
        _wait_until_gone(number)
        self.server.start()
        _publish(self.number, self.server)


class Pair:
    """A primary and a standby that takes over; the former primary is made anew and follows.

    Not synchronous, the standby is fed through a relay, which stops passing on now and then: then what was
    committed meanwhile is lost.
    """

    def __init__(self, primary: Server, second: Server, *, synchronous: bool) -> None:
        self.server, self._standby, self.is_synchronous = primary, second, synchronous
        self.number = primary.home / "number"
        self._relay: _Relay | None = None
        self._follow()
        _publish(self.number, self.server)

    def dsn(self, database: str) -> str:
        """A URL that leads to the one that takes writes."""
        ports = sorted((self.server.port, self._standby.port))
        return conninfo.make_conninfo(
            host="127.0.0.1,127.0.0.1",
            port=",".join(map(str, ports)),
            user=SUPERUSER,
            password=self.server.password,
            dbname=database,
            target_session_attrs="read-write",
        )

    def hold_back(self) -> None:
        """From now on the standby gets nothing new."""
        if self._relay is not None:
            self._relay.is_frozen.set()

    def recover(self) -> None:
        """Promotion, and a new standby."""
        number = _withdraw(self.number)
        _wait_until_gone(number)
        if self._relay is not None:
            self._relay.close()
        with psycopg.connect(self._standby.dsn(), autocommit=True) as conn:
            assert conn.execute("SELECT pg_promote(true, 60)").fetchone() == (True,)
        self.server, self._standby = self._standby, self.server
        self._follow()
        _publish(self.number, self.server)

    def close(self) -> None:
        """Stop both."""
        if self._relay is not None:
            self._relay.close()
        for each in (self.server, self._standby):
            with contextlib.suppress(Exception):
                each.stop("immediate")

    def _follow(self) -> None:
        primary, standby = self.server, self._standby
        shutil.rmtree(standby.data, ignore_errors=True)
        with psycopg.connect(primary.dsn(), autocommit=True) as conn:
            primary.run("pg_basebackup", "-D", str(standby.data), "-R", "-X", "stream", "-c", "fast")
            port = primary.port
            if not self.is_synchronous:
                self._relay = _Relay(primary.port)
                port = self._relay.port
            with (standby.data / "postgresql.auto.conf").open("a") as file:
                file.write(
                    f"port = {standby.port}\nsynchronous_standby_names = ''\n"
                    f"primary_conninfo = 'host=127.0.0.1 port={port} user={SUPERUSER} "
                    f"password={primary.password} application_name=second'\n"
                )
            for path in (standby.home, *standby.home.rglob("*")):
                standby.account.own(path)
            standby.start()
            if self.is_synchronous:
                conn.execute("ALTER SYSTEM SET synchronous_standby_names = 'second'")
                conn.execute("SELECT pg_reload_conf()")
            wanted = "sync" if self.is_synchronous else "async"
            _wait(
                lambda: (
                    conn.execute("SELECT sync_state, state FROM pg_stat_replication").fetchall()
                    == [(wanted, "streaming")]
                ),
                "the standby streams",
            )


class _Relay:
    """Passes WAL on, unless it is frozen; what it did not pass on is lost when it is closed."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.is_frozen = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        for each in tuple(self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in tuple(self._threads):
            thread.join(timeout=5)
        for each in self._sockets:
            each.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                self._start(self._pass_on, server, client)
                self._start(self._pass_on, client, server)

    def _pass_on(self, source: socket.socket, goal: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.is_frozen.is_set():
                    return  # as if it were lost on its way
                goal.sendall(data)


@contextmanager
def single() -> Iterator[Single]:
    """A server for the block."""
    with scratch_server(binaries=embedded_binaries(), settings=_CONFIG) as server:
        yield Single(server)


@contextmanager
def pair(*, synchronous: bool) -> Iterator[Pair]:
    """A primary and a standby for the block."""
    with ExitStack() as stack:
        primary = stack.enter_context(scratch_server(binaries=embedded_binaries(), settings=_CONFIG))
        home = Path(tempfile.mkdtemp(prefix="migsafe-standby-", dir=temporary_root()))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        primary.account.own(home)
        second = Server(primary.binaries, home, free_port(), primary.account, primary.password)
        both = Pair(primary, second, synchronous=synchronous)
        try:
            yield both
        finally:
            both.close()
            primary.start()  # scratch_server stops it


def _publish(file: Path, server: Server) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(str(server.process_id))
    draft.rename(file)


def _withdraw(file: Path) -> int:
    number = int(file.read_text())
    file.unlink()
    return number


def _wait_until_gone(number: int) -> None:
    _wait(lambda: not _runs(number), f"process {number} ends")


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{number}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _wait(holds: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < ends, f"waited for too long until {what}"
        time.sleep(0.01)
