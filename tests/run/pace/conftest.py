"""Servers for the tests of the pace: one that archives and replicates, PgBouncer, a small web service."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psycopg
import pytest

from migsafe.postgres.account import temporary_root
from migsafe.postgres.binaries import embedded_binaries, find_binaries
from migsafe.postgres.server import Server, free_port, scratch_server


@pytest.fixture(scope="module")
def primary() -> Iterator[Server]:
    """A server that archives (with a command that a test may change) and that others may follow."""
    settings = {
        "fsync": "off",
        "archive_mode": "on",
        "archive_command": "true",
        "autovacuum": "off",
        "max_prepared_transactions": "5",
    }
    chosen = find_binaries() if os.environ.get("MIGSAFE_POSTGRES_BIN") else embedded_binaries()
    with scratch_server(binaries=chosen, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def standby(primary: Server) -> Iterator[Server]:
    """A streaming replica of it, made by pg_basebackup."""
    home = Path(tempfile.mkdtemp(prefix="migsafe-standby-", dir=temporary_root()))
    replica = Server(primary.binaries, home, free_port(), primary.account, primary.password)
    try:
        primary.run("pg_basebackup", "-D", str(replica.data), "-R", "-X", "stream", "-c", "fast")
        with (replica.data / "postgresql.conf").open("a") as file:
            file.write(f"port = {replica.port}\n")
        with (replica.data / "postgresql.auto.conf").open("a") as file:
            file.write(
                f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres "
                f"password={primary.password} application_name=replica1'\n"
            )
        for path in (home, *home.rglob("*")):
            primary.account.own(path)
        replica.start()
        yield replica
    finally:
        replica.stop("immediate")
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def admin(primary: Server) -> Iterator[psycopg.Connection]:
    """An autocommit connection to it."""
    with psycopg.connect(primary.dsn(), autocommit=True) as conn:
        yield conn


@dataclass
class Web:
    """A web service whose answer a test may change; it keeps what it was asked."""

    status: int = 200
    body: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked.append((self.path, self.headers.get("Authorization")))
                body = web.body.encode()
                self.send_response(web.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def web() -> Iterator[Web]:
    service = Web()
    yield service
    service.server.shutdown()
    service.server.server_close()


def installed(program: str, *packages: str) -> str:
    """The path of a program, from Debian's packages where it is not there yet."""
    if not shutil.which(program):
        # Several processes of tests may want it at once: one after the other.
        lock = Path(tempfile.gettempdir()) / "migsafe-tests-apt.lock"
        script = (
            "command -v $0 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $@; }"
        )
        subprocess.run(
            ["flock", lock, "sh", "-c", script, program, *packages],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=True,
            timeout=600,
            stdout=subprocess.DEVNULL,
        )
    return shutil.which(program) or program


@contextlib.contextmanager
def pgbouncer(server: Server, *, pool_size: int) -> Iterator[int]:
    """A PgBouncer in transaction mode in front of this server; gives its port."""
    program = installed("pgbouncer", "pgbouncer")
    home = Path(tempfile.mkdtemp(prefix="migsafe-pgbouncer-", dir=temporary_root()))
    port = free_port()
    (home / "users.txt").write_text(f'"postgres" "{server.password}"\n')
    (home / "pgbouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = plain\n"
        f"auth_file = {home}/users.txt\nadmin_users = postgres\npool_mode = transaction\n"
        f"default_pool_size = {pool_size}\nlogfile = {home}/log\n"
    )
    for path in (home, *home.iterdir()):
        server.account.own(path)
    command = [program, "-q", str(home / "pgbouncer.ini")]
    process: subprocess.Popen[bytes]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **server.account.popen_options) as process:  # type: ignore[call-overload]  # user= and group=
        try:
            _wait_until_it_answers(port, server.password, process, home)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=10)
            shutil.rmtree(home, ignore_errors=True)


def _wait_until_it_answers(port: int, password: str, process: "subprocess.Popen[bytes]", home: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            pytest.fail((home / "log").read_text())
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(console(port, password), autocommit=True).close()
            return
        threading.Event().wait(0.05)
    pytest.fail("PgBouncer did not come up")


def console(port: int, password: str) -> str:
    """The URL of PgBouncer's console."""
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/pgbouncer"
