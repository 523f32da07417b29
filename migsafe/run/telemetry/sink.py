"""What all senders share: nothing that goes wrong with one of them ever reaches the rollout."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from migsafe.run.events import Event, RolloutOpened
from migsafe.run.telemetry.schema import Context, document

Complain = Callable[[str], None]


class Sink(Protocol):
    """Takes events from any thread, at once, and sends them on its own time."""

    def take(self, event: Event, document: dict[str, Any]) -> None:
        """Take one event, as it is and as JSON. It must not wait for anybody."""

    def close(self) -> None:
        """Send what is left, within a bounded time, and say what could not be sent."""


class Telemetry:
    """The observer that gives each event to all senders. One that fails is left out from then on."""

    def __init__(
        self,
        sinks: tuple[Sink, ...],
        complain: Complain,
        *,
        fleet_database: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sinks, self._complain, self._clock = list(sinks), complain, clock
        self._context = Context(run=uuid.uuid4().hex, fleet_database=fleet_database)
        self._sequence = 0
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Give one event to all."""
        if not self._sinks:
            return
        with self._lock:
            if isinstance(event, RolloutOpened):
                self._context = replace(self._context, rollout=event.rollout, rollout_id=event.rollout_id)
            self._sequence += 1
            made = document(event, self._context, at=self._clock(), sequence=self._sequence)
            for sink in tuple(self._sinks):
                try:
                    sink.take(event, made)
                except Exception as error:  # noqa: BLE001 - whatever it is, the rollout goes on
                    self._sinks.remove(sink)
                    self._complain(f"{type(sink).__name__} failed and is left out: {error!r}")

    def close(self) -> None:
        """Close all senders."""
        for sink in tuple(self._sinks):
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - whatever it is, the command ends as it would have
                self._complain(f"{type(sink).__name__} failed: {error!r}")
        self._sinks.clear()
