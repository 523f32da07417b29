"""One keep-alive connection of the load, with the rows that only it writes and so can check."""

import http.client
import json
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from migsafe.demo.tally import Tally

TIMEOUT_SECONDS = 10.0
RECENT = 50  # rows written last, which are read most
NOBODY = "nobody"  # no version answered: the proxy did, or no one


def seeded_name(row: int) -> str:
    """The name that fill.sql gave this row."""
    return f"Person {row}"


@dataclass(frozen=True, slots=True)
class Written:
    """What a row must read as, and which version wrote it; None for a write whose end is unknown."""

    name: str | None
    version: str


@dataclass(slots=True)
class Client:
    """Sends one request after the other and judges every answer."""

    port: int
    number: int
    clients: int
    rows: int
    tally: Tally
    dice: random.Random
    written: dict[int, Written] = field(default_factory=dict)
    recent: list[int] = field(default_factory=list)
    connection: http.client.HTTPConnection | None = None
    serial: int = 0

    def act(self) -> None:
        """One insert, update or read; half of the writes are read back at once."""
        chance = self.dice.random()
        if chance < 0.10:
            row = self.insert()
        elif chance < 0.30:
            row = self.update(self._some_row())
        else:
            self.read(self._some_row())
            return
        if row is not None and self.dice.random() < 0.5:
            self.read(row)

    def insert(self) -> int | None:
        """Insert a row; gives its id."""
        name = self._new_name()
        version, answer = self._ask("POST", "/users", {"name": name})
        made = answer.get("id") if answer else None
        if not isinstance(made, int):
            return None
        self.tally.inserted()
        self._wrote(made, Written(name, version))
        return made

    def update(self, row: int) -> int | None:
        """Give a row a new name; gives its id back."""
        name = self._new_name()
        version, answer = self._ask("PUT", f"/users/{row}", {"name": name})
        self._wrote(row, Written(name if answer else None, version))
        if answer and answer.get("name") != name:
            self.tally.failure(version, f"PUT /users/{row} answered {answer.get('name')!r} for {name!r}")
        return row if answer else None

    def read(self, row: int) -> None:
        """Read a row and compare it with what was written last, whoever wrote it."""
        version, answer = self._ask("GET", f"/users/{row}")
        if not answer:
            return
        expected = self.written.get(row) or Written(seeded_name(row), "fill")
        name = answer.get("name")
        if expected.name is None and isinstance(name, str):
            self.written[row] = Written(name, version)
        elif name != expected.name:
            what = f"GET /users/{row} gave {name!r}; {expected.version} had written {expected.name!r}"
            self.tally.failure(version, what)
        elif expected.version not in {version, "fill"}:
            self.tally.crossed()

    def _some_row(self) -> int:
        if self.recent and self.dice.random() < 0.6:
            return self.dice.choice(self.recent)
        # Rows of the table are dealt out by id, so that nobody else writes them.
        return 1 + self.number + self.clients * self.dice.randrange(max(1, self.rows // self.clients))

    def _new_name(self) -> str:
        self.serial += 1
        return f"Renamed {self.number}-{self.serial}"

    def _wrote(self, row: int, written: Written) -> None:
        self.written[row] = written
        self.recent = [*self.recent[-RECENT:], row]

    def _ask(
        self, method: str, path: str, body: Mapping[str, str] | None = None
    ) -> tuple[str, dict[str, object] | None]:
        """The version that answered, and its answer; None when the request failed, which is counted."""
        payload = json.dumps(body).encode() if body else None
        started = time.perf_counter()
        try:
            status, content = self._exchange(method, path, payload)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            self.tally.request(NOBODY, time.perf_counter() - started)
            self.tally.failure(NOBODY, f"{method} {path}: {type(error).__name__}: {error}")
            return NOBODY, None
        seconds = time.perf_counter() - started
        answer = _json_object(content)
        version = str(answer.get("version", NOBODY))
        self.tally.request(version, seconds)
        if 200 <= status < 300 and version != NOBODY:
            return version, answer
        said = answer.get("error") or content[:80].decode(errors="replace")
        self.tally.failure(version, f"{method} {path}: {status} {said}")
        return version, None

    def _exchange(self, method: str, path: str, payload: bytes | None) -> tuple[int, bytes]:
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.request(method, path, body=payload, headers={"Content-Type": "application/json"})
        response = self.connection.getresponse()
        return response.status, response.read()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def _json_object(content: bytes) -> dict[str, object]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def pause_until(due: float, wait: Callable[[float], object]) -> None:
    """Wait until this moment of time.monotonic(); not at all when it is over."""
    left = due - time.monotonic()
    if left > 0:
        wait(left)
