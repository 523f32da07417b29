"""Sends chosen events to one receiver: signed, in order, each until it is taken or given up.

On a thread of its own with a bounded queue: a receiver that is slow, dead or refuses costs the rollout
nothing, and is named at the end.
"""

import os
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from migsafe import __version__
from migsafe.config.webhooks import WebhookSettings
from migsafe.errors import MigsafeError, UsageError
from migsafe.run.events import Event
from migsafe.run.http import ask, checked_url
from migsafe.run.telemetry.schema import NAMES, line
from migsafe.run.telemetry.signature import key_of, signature
from migsafe.run.telemetry.sink import Complain
from migsafe.suggest import did_you_mean

DEFAULT_EVENTS = (
    *("stage_reached", "traffic_moved", "point_passed", "session_ended"),
    *("run_ended", "run_failed"),
)
ATTEMPTS = 6
FAREWELL_SECONDS = 10.0
_QUEUE_EVENTS = 1_000
_FIRST_PAUSE_SECONDS = 1.0  # then twice as long each time, and a quarter more or less
_LAST_PAUSE_SECONDS = 0.5  # once the command wants to end
_AGAIN = (408, 425, 429)  # and every 5xx: the receiver may take it later


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where to send, with which key; `events` are names."""

    url: str
    key: bytes
    events: frozenset[str]
    timeout: float = 5.0

    def __str__(self) -> str:
        """The host alone: a path may hold a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


class WebhookSender:
    """Sends to one receiver until it is closed."""

    def __init__(
        self,
        receiver: Receiver,
        complain: Complain,
        *,
        clock: Callable[[], float] = time.time,
        first_pause: float = _FIRST_PAUSE_SECONDS,
    ) -> None:
        self._receiver, self._complain, self._clock, self._first = receiver, complain, clock, first_pause
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(_QUEUE_EVENTS)
        self._closing = threading.Event()
        self._ends = float("inf")  # by time.monotonic(), once it is closing
        self._wanted = self._delivered = 0
        self._is_down = False  # the event before was given up: the next gets one attempt
        self._problem = ""
        self._thread = threading.Thread(target=self._run, name="migsafe-webhook", daemon=True)
        self._thread.start()

    def take(self, event: Event, document: dict[str, Any]) -> None:
        """Queue what the receiver wants."""
        del event
        if document["event"] not in self._receiver.events:
            return
        self._wanted += 1
        try:
            self._queue.put_nowait(document)
        except queue.Full:
            self._problem = self._problem or "it is too slow"

    def close(self) -> None:
        """Send what is queued, for at most 10 seconds, and say what was not delivered."""
        self._ends = time.monotonic() + FAREWELL_SECONDS
        self._closing.set()
        with suppress(queue.Full):  # it is not taken from anyway
            self._queue.put_nowait(None)
        self._thread.join(FAREWELL_SECONDS + 1.0)
        lost = self._wanted - self._delivered
        if lost:
            why = self._problem or "it does not answer"
            self._complain(
                f"webhook {self._receiver}: {lost} of {self._wanted} events were not delivered: {why}"
            )

    def _run(self) -> None:
        while (document := self._queue.get()) is not None:
            if time.monotonic() >= self._ends:
                return
            taken = self._deliver(document)
            self._delivered += taken
            if not taken and not self._is_down:
                self._complain(f"webhook {self._receiver}: {self._problem}; the rollout goes on")
            self._is_down = not taken

    def _deliver(self, document: Mapping[str, Any]) -> bool:
        message_id = f"{document['run']}-{document['sequence']}"
        body = line(document).rstrip().decode()
        for attempt in range(1 if self._is_down else ATTEMPTS):
            if attempt and not self._pause(self._first * 2.0 ** (attempt - 1)):
                return False
            status = self._send(message_id, body)
            if status is not None and 200 <= status < 300:
                return True
            self._problem = f"it answers {status}" if status else self._problem
            if status is not None and status not in _AGAIN and status < 500:
                return False
        return False

    def _send(self, message_id: str, body: str) -> int | None:
        """One attempt: the status, or none when nobody answered."""
        timestamp = int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"migsafe/{__version__}",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(
                self._receiver.key, message_id=message_id, timestamp=timestamp, body=body.encode()
            ),
        }
        try:
            url, seconds = self._receiver.url, self._receiver.timeout
            return ask("POST", url, timeout_seconds=seconds, headers=headers, body=body).status
        except MigsafeError as error:
            self._problem = error.message
            return None

    def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt; False when there is no time left."""
        if not self._closing.is_set():
            self._closing.wait(seconds * random.uniform(0.75, 1.25))  # noqa: S311 - nothing is secret here
        if self._closing.is_set():
            time.sleep(min(_LAST_PAUSE_SECONDS, self._first))
        return time.monotonic() < self._ends


def open_webhook(
    settings: WebhookSettings, complain: Complain, environment: Mapping[str, str] | None = None
) -> WebhookSender:
    """The sender for these settings.

    Raises:
        UsageError: A variable is not set, the URL is not possible or not safe, or an event is not known.
    """
    return WebhookSender(receiver(settings, os.environ if environment is None else environment), complain)


def receiver(settings: WebhookSettings, environment: Mapping[str, str]) -> Receiver:
    """Where these settings lead, checked. Raises as `open_webhook` says."""
    place = settings.place
    url = settings.url or _variable(environment, settings.url_env, place)
    parts = checked_url(url, where=place)
    if parts.scheme != "https" and not settings.insecure and not is_loopback(parts.hostname or ""):
        raise UsageError(
            f"{place}: http:// to {parts.hostname} would be read by everybody on the way",
            advice="Use https://, or say insecure = true in the configuration.",
        )
    known = tuple(NAMES.values())
    for name in settings.events:
        if name not in known:
            raise UsageError(
                f"{place}: there is no event '{name}'{did_you_mean(name, known)}",
                advice=f"Known: {', '.join(known)}.",
            )
    secret = _variable(environment, settings.secret_env, place)
    return Receiver(
        url=url,
        key=key_of(secret, variable=settings.secret_env),
        events=frozenset(settings.events or DEFAULT_EVENTS),
        timeout=settings.timeout,
    )


def is_loopback(host: str) -> bool:
    """Whether this name or address never leaves the machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _variable(environment: Mapping[str, str], name: str, place: str) -> str:
    value = environment.get(name)
    if not value:
        raise UsageError(
            f"{place}: the variable {name} is not set",
            advice="Webhooks are signed. Set it to the secret that the receiver has, too."
            if "URL" not in name
            else "Set it to the receiver's URL.",
        )
    return value
