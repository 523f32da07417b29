"""Two small applications behind a real Envoy."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from migsafe.demo.envoy import Envoy, envoy


@dataclass
class Version:
    """One version of an application, whose behaviour a test may change while it runs."""

    name: str
    status: int = 200
    delay_seconds: float = 0.0
    server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        version = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                time.sleep(version.delay_seconds)
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


@pytest.fixture
def shop() -> Iterator[Shop]:
    blue, green = Version("blue"), Version("green")
    with envoy(blue_port=blue.port, green_port=green.port) as running:
        yield Shop(blue, green, running)
    blue.stop()
    green.stop()


@pytest.fixture
def requests_keep_coming(shop: Shop) -> Iterator[list[str]]:
    """About 200 requests per second; the list of answers grows."""
    answers: list[str] = []
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            answers.extend(shop.ask())
            time.sleep(0.005)

    thread = threading.Thread(target=keep_asking, daemon=True)
    thread.start()
    yield answers
    done.set()
    thread.join(timeout=10)
