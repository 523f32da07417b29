"""Serves the metrics of this process over HTTP, on threads that only read.

The standard library's server: a few scrapes a minute need no more. Eight requests at once and five seconds
for each are the most that it gives to anybody; it has no connection to the database.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from migsafe.errors import UsageError
from migsafe.run.telemetry.exposition import CONTENT_TYPE
from migsafe.run.telemetry.webhook import is_loopback

PATH = "/metrics"
_LOOPBACK = "127.0.0.1"
_AT_ONCE = 8
_REQUEST_SECONDS = 5.0


class Endpoint:
    """A server that runs until it is closed."""

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        """Raises OSError when the address cannot be had."""

        class Handler(_Handler):
            metrics = staticmethod(text)

        class Server(_Server):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self._server = Server((host, port), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.2},
            name="migsafe-metrics",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = _AT_ONCE

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Like HTTPServer's, without asking the name service who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own, if there is one left."""
        if not self._slots.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One request; its place is free again afterwards, whatever happens."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked and went away is nobody's problem."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS  # for each read and write
    server_version = "migsafe"
    sys_version = ""
    metrics: Callable[[], str]

    def do_GET(self) -> None:
        """The metrics, or where they are."""
        found = self.path.partition("?")[0] == PATH
        body = (self.metrics() if found else f"see {PATH}\n").encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", CONTENT_TYPE if found else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
        """Say nothing."""


def open_endpoint(address: str, text: Callable[[], str], *, public: bool = False) -> Endpoint:
    """Serve at `[HOST:]PORT`; without a host, on this machine only.

    Raises:
        UsageError: It is no such address, others could read it and nobody said that they may, or it is taken.
    """
    host, port = split_address(address)
    if not public and not is_loopback(host):
        raise UsageError(
            f"--metrics {address}: other hosts could read it",
            advice="If they may, say --metrics-public as well: it shows names of rollouts, steps and "
            "signals, no rows. Else leave the host away.",
        )
    try:
        return Endpoint(host, port, text)
    except OSError as error:
        raise UsageError(
            f"--metrics {address}: {error.strerror or error}", advice="Nothing of the rollout was done."
        ) from error


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `9187`, `0.0.0.0:9187`, `[::1]:9187`.

    Raises:
        UsageError: It is neither.
    """
    host, colon, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or (colon and not host):
        raise UsageError(
            f"--metrics {address}: not [HOST:]PORT",
            advice="For example: --metrics 9187, --metrics [::1]:9187",
        )
    return host.strip("[]") or _LOOPBACK, int(port)
