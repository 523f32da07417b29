"""One small HTTP client: a deadline for the whole exchange, a bounded answer, no redirects, no proxies."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from migsafe.errors import TrafficError, UsageError

MAX_ANSWER_BYTES = 16 * 1024 * 1024  # the configuration dump of a big Envoy
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said."""

    status: int
    text: str


class Unanswered(TrafficError):
    """Nobody answered, or not with HTTP, or not in time."""


def checked_url(url: str, *, where: str) -> SplitResult:
    """The parts of an http or https URL.

    Raises:
        UsageError: It is no such URL, or it holds a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # read here because reading it is what checks it
    except ValueError as error:
        raise UsageError(f"{where}: not a URL: {error}") from error
    if parts.username or parts.password:
        raise UsageError(f"{where}: a URL must not hold a user or a password")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{where}: '{url}' is not an http:// or https:// URL")
    return parts


def ask(
    method: str,
    url: str,
    *,
    timeout_seconds: float,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> Answer:
    """Send one request and read its answer.

    Raises:
        Unanswered: No complete HTTP answer within the time, or more than 16 MiB of it.
    """
    parts = checked_url(url, where=method)
    place = f"{parts.scheme}://{parts.netloc}"
    deadline = time.monotonic() + timeout_seconds
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_seconds)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        data = body.encode() if body is not None else None
        connection.request(method, target, body=data, headers={"Connection": "close", **(headers or {})})
        response = connection.getresponse()
        return Answer(status=response.status, text=_read(response, deadline, place))
    except TimeoutError as error:
        raise Unanswered(f"{place} did not answer within {timeout_seconds:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unanswered(f"{place} did not answer: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()


def _read(response: http.client.HTTPResponse, deadline: float, place: str) -> str:
    pieces: list[bytes] = []
    size = 0
    while piece := response.read1(_PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise Unanswered(f"the answer of {place} is longer than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(pieces).decode(errors="replace")
