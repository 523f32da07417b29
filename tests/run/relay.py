"""A TCP relay in front of a server that cuts a connection at a COMMIT, before or after passing it on."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Cut = Literal["before", "after"]


@dataclass
class Relay:
    """`arm` cuts the connections of this application at its next so many-th COMMIT."""

    target: tuple[str, int]
    cuts: int = 0
    _listener: socket.socket = field(init=False)
    _armed: tuple[Cut, int] | None = None
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(self._listener)
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def arm(self, cut: Cut, *, commits: int) -> None:
        self._armed = (cut, commits)

    def close(self) -> None:
        """End all of it."""
        for end in self._sockets:
            _shut(end)
        for thread in self._threads:
            thread.join(timeout=10)
        for end in self._sockets:
            end.close()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.target)
                self._sockets += [client, server]
                self._start(self._pass_on, client, server, client)
                self._start(self._pass_on, server, client, client)

    def _pass_on(self, source: socket.socket, goal: socket.socket, client: socket.socket) -> None:
        heartbeat = False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                heartbeat = heartbeat or b"migsafe heartbeat" in data
                cut = self._cut(data) if source is client and not heartbeat else None
                if cut == "before":
                    break
                goal.sendall(data)
                if cut == "after":
                    time.sleep(0.1)  # the server has done it by then; its answer is not passed on
                    break
        _shut(source)
        _shut(goal)

    def _cut(self, data: bytes) -> Cut | None:
        if self._armed is None or b"COMMIT\x00" not in data:
            return None
        cut, left = self._armed
        self._armed = (cut, left - 1) if left > 1 else None
        if left > 1:
            return None
        self.cuts += 1
        return cut


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
