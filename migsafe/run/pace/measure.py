"""What a signal reads, and how a reading becomes one for the controller."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import sql

NEEDS_MONITOR = "this role is not a member of pg_monitor"

Ask = Callable[[sql.Composable], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value, or why there is none.

    `ceiling` is what the server itself makes of the default hard limit, when that is lower. `available` is
    False for what cannot be had here at all: rights, or a server that nobody named.
    """

    value: float | None
    text: str
    ceiling: float | None = None
    available: bool = True


class Signal(Protocol):
    """Something to read now and then. `read` may remember what it read before."""

    @property
    def name(self) -> str:
        """As it is set."""
        ...

    def read(self, ask: Ask) -> Measured:
        """Read it once; `ask` sends a query over the connection for signals.

        Raises:
            psycopg.Error, MigsafeError: It cannot be read now.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


Clock = Callable[[], float]
clock: Clock = time.monotonic
