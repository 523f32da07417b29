"""A TCP relay in front of a server that cuts or silences a connection at a COMMIT."""

import contextlib
import ctypes
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

# `half` passes on half of the message that is the COMMIT; `silent` is a network that swallows everything from
# then on, with the COMMIT or (`silent after`) with its answer: no packet is acknowledged any more.
Cut = Literal["before", "after", "half", "silent", "silent after"]
_SO_ATTACH_FILTER = 26  # linux: include/uapi/asm-generic/socket.h
_RETURN_NOTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # a classic BPF program: no byte of any packet is kept


@dataclass
class Relay:
    """`arm` cuts at the so many-th `word` from now on, then at about each `every`-th."""

    target: tuple[str, int]
    word: bytes = b"COMMIT\x00"
    cuts: int = 0
    _listener: socket.socket = field(init=False)
    _armed: tuple[Cut, int] | None = None
    _every: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(5))
    _sockets: list[socket.socket] = field(default_factory=list)
    _clients: list[socket.socket] = field(default_factory=list)
    _silent: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(self._listener)
        self._start(self._accept)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def arm(self, cut: Cut, *, commits: int, every: int = 0) -> None:
        self._armed, self._every = (cut, commits), every

    def silence(self) -> None:
        """Swallow all that comes on the connections that there are now, and answer nothing."""
        for client in self._clients:
            self._silence(client)

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
                self._clients.append(client)
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
                if cut == "half":
                    at = data.index(self.word) - 5  # the type of the message and its length
                    goal.sendall(data[: at + (len(data) - at) // 2])
                    time.sleep(0.1)
                    break
                if cut in ("silent", "silent after"):
                    self._silence(client)
                    if cut == "silent after":
                        goal.sendall(data)
                    return
                if client in self._silent:
                    return
                goal.sendall(data)
                if cut == "after":
                    time.sleep(0.1)  # the server has done it by then; its answer is not passed on
                    break
        _shut(source)
        _shut(goal)

    def _silence(self, client: socket.socket) -> None:
        self._silent.append(client)
        _swallow(client)

    def _cut(self, data: bytes) -> Cut | None:
        if self._armed is None or self.word not in data:
            return None
        cut, left = self._armed
        again = (cut, self._chance.randint(1, 2 * self._every)) if self._every else None
        self._armed = (cut, left - 1) if left > 1 else again
        if left > 1:
            return None
        self.cuts += 1
        return cut


def _swallow(end: socket.socket) -> None:
    """Whatever comes in here from now on is dropped by the kernel before TCP sees it."""
    program = ctypes.create_string_buffer(_RETURN_NOTHING)
    end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
