"""Two small applications behind a real Envoy."""

import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from migsafe.demo.envoy import Envoy


@dataclass
class Version:
    """One version of an application, whose behaviour a test may change while it runs."""

    name: str
    status: int | None = 200  # None: it hangs up instead of answering
    delay_seconds: float = 0.0
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        version = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                time.sleep(version.delay_seconds)
                if version.status is None:
                    self.close_connection = True
                    return
                body = version.name.encode()
                # One write: two would wait for each other's acknowledgement in a kept connection.
                head = f"HTTP/1.1 {version.status} Answer\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_port

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@dataclass
class Shop:
    """Blue and green behind an Envoy, and a client that asks them."""

    blue: Version
    green: Version
    envoy: Envoy

    def ask(self, times: int = 1) -> list[str]:
        """The names of the versions that answered, or the status where it was not 200."""
        return [self._ask_once() for _ in range(times)]

    def _ask_once(self) -> str:
        try:
            with urllib.request.urlopen(self.envoy.url, timeout=5) as answer:  # noqa: S310 # our own http URL
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return str(error.code)
