"""A small web application in two versions: blue uses `users.name`, green `users.full_name`.

Run as a module: `python -m migsafe.demo.application --version blue`. It prints its port as one line of
JSON, serves until SIGTERM (finishing what is in flight) and ends with the process that started it.
The database comes from MIGSAFE_DEMO_DSN, so that no password is in a process list.

    GET /health      the database answers           GET /users/<id>   read
    GET /stats       its slowest statement          POST /users       insert {"name": ...}
                                                    PUT /users/<id>   update {"name": ...}
"""

import argparse
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import ClassVar

import psycopg

from migsafe.demo.leash import follow_parent
from migsafe.demo.pool import Pool
from migsafe.demo.statements import Statements, statements_of

COLUMN_OF = {"blue": "name", "green": "full_name"}
USER_PATH = re.compile(r"/users/(\d{1,18})")
DRAIN_SECONDS = 3.0
Answer = tuple[int, Mapping[str, object]]
BUG = {"error": "TypeError: save() got an unexpected keyword argument 'full_name'"}


@dataclass(slots=True)
class Application:
    """One version: what it answers, and what it measured."""

    version: str
    pool: Pool
    statements: Statements
    writes_fail: bool = False
    in_flight: int = 0
    slowest_ms: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Status and JSON for one request; a database error is a 500 that says so."""
        try:
            return self._route(method, path, body)
        except (ValueError, KeyError, TypeError):
            return 400, {"error": 'send JSON such as {"name": "Ada"}'}
        except psycopg.Error as error:
            return 500, {"error": str(error).strip() or type(error).__name__}

    def _route(self, method: str, path: str, body: bytes) -> Answer:
        user = USER_PATH.fullmatch(path)
        if user is not None:
            return self._user(method, int(user[1]), body)
        match method, path:
            case "GET", "/health":
                return 200, {"health": "ok", "rows": self._one(self.statements.probe, {})}
            case "GET", "/stats":
                return 200, {"slowest_ms": self.slowest_ms}
            case "POST", "/users" if not self.writes_fail:
                made = self._one(self.statements.insert, {"name": _name_in(body)})
                return 201, {"id": made, "name": _name_in(body)}
            case "POST", "/users":
                return 500, BUG
        return 404, {"error": f"no such page: {method} {path}"}

    def _user(self, method: str, user: int, body: bytes) -> Answer:
        if method == "PUT" and self.writes_fail:
            return 500, BUG
        if method == "PUT":
            found = self._one(self.statements.update, {"id": user, "name": _name_in(body)})
        else:
            found = self._one(self.statements.read, {"id": user})
        return (404, {"error": "no such user"}) if found is None else (200, {"name": found})

    def _one(self, statement: psycopg.sql.Composed, values: Mapping[str, object]) -> object:
        with self.pool.connection() as conn:
            started = time.perf_counter()
            row = conn.execute(statement, values).fetchone()
            self.slowest_ms = max(self.slowest_ms, (time.perf_counter() - started) * 1000)
        return row[0] if row else None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts a request as in flight."""
        with self.lock:
            self.in_flight += 1
        try:
            yield
        finally:
            with self.lock:
                self.in_flight -= 1


def _name_in(body: bytes) -> str:
    return str(json.loads(body)["name"])


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive. Buffered, so that headers and body leave in one packet."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    application: ClassVar[Application]

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.application.counted():
            status, content = self.application.answer(self.command, self.path, body)
            payload = json.dumps({"version": self.application.version, **content}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)
            self.wfile.flush()

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - http.server finds methods by these names

    def log_message(self, *_arguments: object) -> None:
        """Say nothing: the load counts."""


class Web(ThreadingHTTPServer):
    """A thread for each connection; a proxy that goes away is no news."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Tell about everything but a connection that was cut."""
        if not isinstance(sys.exception(), ConnectionError):
            BaseServer.handle_error(self, request, client_address)  # type: ignore[arg-type]  # typeshed wants its private alias


def serve(application: Application) -> None:
    """Serve until SIGTERM; then no new connections, and the requests in flight are finished."""
    handler = type("BoundHandler", (Handler,), {"application": application})
    with Web(("127.0.0.1", 0), handler) as web:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        sys.stdout.write(json.dumps({"port": web.server_port}) + "\n")
        sys.stdout.flush()
        stop.wait()
        web.shutdown()
        deadline = time.monotonic() + DRAIN_SECONDS
        while application.in_flight and time.monotonic() < deadline:
            time.sleep(0.01)


def main() -> None:
    """Run one version."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", choices=COLUMN_OF, required=True)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--writes-fail", action="store_true", help="the bug of `migsafe demo --break canary`")
    chosen = parser.parse_args()
    follow_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tour decides when its parts stop
    dsn = os.environ["MIGSAFE_DEMO_DSN"]
    with suppress(BrokenPipeError), Pool(dsn, f"demo-{chosen.version}", chosen.connections) as pool:
        statements = statements_of(COLUMN_OF[chosen.version])
        serve(Application(chosen.version, pool, statements, writes_fail=chosen.writes_fail))


if __name__ == "__main__":
    main()
