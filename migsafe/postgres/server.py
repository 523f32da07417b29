"""A PostgreSQL server of our own: its own data directory and port, loopback only, stopped by its owner."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migsafe.postgres.account import Account, reachable, server_account, temporary_root
from migsafe.postgres.binaries import Binaries, NoServerError, find_binaries

START_SECONDS = 60
SUPERUSER = "postgres"
DEFAULTS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "unix_socket_directories": "",
    "log_min_messages": "warning",
}


class ServerError(RuntimeError):
    """A scratch server did not start; carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `password` is random for each server; connections need it."""

    binaries: Binaries
    home: Path
    port: int
    account: Account
    password: str = field(repr=False)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.home / "server.log"

    def dsn(self, database: str = "postgres") -> str:
        """A connection URL for the superuser."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str, timeout: float = 120) -> str:
        """Run a client program (pgbench, pg_dump, createdb, ...) against this server; gives its output.

        Raises:
            subprocess.CalledProcessError: It failed; `stderr` says why.
        """
        return subprocess.run(
            [self.binaries.program(program), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=True,
        ).stdout

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which libpq programs find this server."""
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("PG")},
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self.password,
            "PGDATABASE": "postgres",
        }

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            ServerError: It did not come up.
        """
        self._control("start", "-l", str(self.log), "-t", str(START_SECONDS))

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast`, or `immediate` as in a crash."""
        self._control("stop", "-m", mode, "-t", str(START_SECONDS))

    def _control(self, action: str, *arguments: str) -> None:
        command = [self.binaries.program("pg_ctl"), "-D", self.data, "-w", "-s", *arguments, action]
        result = _run_as(self.account, [str(part) for part in command], self.home)
        if result.returncode != 0:
            log = self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""
            raise ServerError(f"pg_ctl {action} failed: {result.stderr.strip()}\n{log}")


@contextlib.contextmanager
def scratch_server(
    *,
    binaries: Binaries | None = None,
    settings: Mapping[str, str] | None = None,
    parent: Path | None = None,
    keep: bool = False,
) -> Iterator[Server]:
    """A fresh server for as long as the block runs; nothing of it is left afterwards.

    With `keep`, it is stopped all the same, and its directory stays.

    It is also stopped when this process dies without a chance to do so. Its directory is made in
    `parent`, else in the temporary directory; the account of the server must be able to pass through it.

    Raises:
        NoServerError: No PostgreSQL is installed here.
        ServerError: It did not start.
    """
    account = server_account()
    usable = reachable(binaries or find_binaries(), account)
    home = Path(tempfile.mkdtemp(prefix="migsafe-pg-", dir=parent or temporary_root()))
    server = Server(usable, home, free_port(), account, secrets.token_urlsafe(16))
    try:
        _initialise(server, {**DEFAULTS, **(settings or {})})
        server.start()
        with _stopped_if_we_die(server):
            yield server
            server.stop("fast")
    finally:
        with contextlib.suppress(ServerError):
            server.stop("immediate")
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """A TCP port on the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _initialise(server: Server, settings: Mapping[str, str]) -> None:
    server.account.own(server.home)
    secret = server.home / "password"
    secret.touch(mode=0o600)
    secret.write_text(server.password)
    server.account.own(secret)
    command = [
        str(server.binaries.program("initdb")),
        *("-D", str(server.data), "-U", SUPERUSER, "--pwfile", str(secret)),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
    ]
    result = _run_as(server.account, command, server.home)
    if result.returncode != 0:
        raise ServerError(f"initdb failed: {result.stderr.strip()}")
    lines = "".join(f"{name} = '{value}'\n" for name, value in {**settings, "port": str(server.port)}.items())
    with (server.data / "postgresql.conf").open("a") as file:
        file.write(lines)


def _run_as(account: Account, command: list[str], home: Path) -> "subprocess.CompletedProcess[str]":
    # pg_ctl's child inherits our pipes and would keep them open: errors go through a file.
    errors = home / "errors"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    environment["HOME"] = str(home)
    with errors.open("w+") as stream:
        result: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]  # user= and group=
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stream,
            cwd=home,
            env=environment,
            text=True,
            timeout=START_SECONDS * 2,
            check=False,
            **account.popen_options,
        )
        stream.seek(0)
        result.stderr = stream.read()
    return result


@contextlib.contextmanager
def _stopped_if_we_die(server: Server) -> Iterator[None]:
    # A shell waits for our end of a pipe to close, which the kernel does even after SIGKILL.
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    reader, writer = os.pipe()
    script = 'cat >/dev/null; kill -INT "$1" 2>/dev/null; sleep 2; rm -rf "$2"'
    watchdog = subprocess.Popen(
        ["sh", "-c", script, "migsafe-watchdog", str(postmaster), str(server.home)],
        stdin=reader,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(reader)
    try:
        yield
    finally:
        watchdog.kill()
        watchdog.wait()
        os.close(writer)


__all__ = ["NoServerError", "Server", "ServerError", "free_port", "scratch_server"]
