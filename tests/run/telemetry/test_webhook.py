"""Webhooks: to a real server that takes them, is slow, refuses, fails, or is not there."""

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from migsafe.config.read import load_config
from migsafe.config.webhooks import WebhookSettings
from migsafe.errors import UsageError
from migsafe.plan.stages import Stage
from migsafe.run.events import StageReached
from migsafe.run.telemetry import webhook
from migsafe.run.telemetry.sink import Telemetry
from migsafe.run.telemetry.webhook import DEFAULT_EVENTS, Receiver, WebhookSender, receiver
from tests.run.telemetry.samples import ALL, BATCH, ENDED, FAILED, OPENED

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes....").decode()
KEY = b"a secret of 24 bytes...."
PAGE = Path(__file__).parents[3] / "docs" / "events.md"
STAGE = StageReached(stage=Stage.EXPANDED, seconds=1.0)


@dataclass
class Server:
    """Answers as it is told, one answer for each request; the last one stays."""

    answers: list[int] = field(default_factory=lambda: [200])
    delay: float = 0.0
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=hidden"

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.seen]

    @property
    def events(self) -> list[str]:
        return [json.loads(body)["event"] for _, body in self.seen]


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            state.seen.append((headers, body))
            time.sleep(state.delay)
            status = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who went away before the answer came is part of the test."""

    with Quiet(("127.0.0.1", 0), Handler) as running:
        state.port = running.server_port
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        running.shutdown()
        thread.join()


class Sender:
    """A sender to one receiver, with the observer around it."""

    def __init__(self, url: str, *, timeout: float = 2.0, first_pause: float = 0.02) -> None:
        self.said: list[str] = []
        where = Receiver(url=url, key=KEY, events=frozenset(DEFAULT_EVENTS), timeout=timeout)
        self.tell = Telemetry(
            (WebhookSender(where, self.said.append, first_pause=first_pause),), self.said.append
        )

    def close(self) -> None:
        self.tell.close()


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_receiver_gets_what_matters_signed_and_in_order(server: Server) -> None:
    sender = Sender(server.url)
    for event in ALL:
        sender.tell(event)
    sender.close()
    assert sender.said == []
    assert server.events == [
        "session_ended",
        "traffic_moved",
        "point_passed",
        "stage_reached",
        "run_ended",
        "run_failed",
    ]
    assert set(server.events) == set(DEFAULT_EVENTS)
    assert len(set(server.ids)) == 6
    for headers, body in server.seen:
        assert Webhook(SECRET).verify(body, headers)["rollout"] == "rename"
        assert headers["content-type"] == "application/json"


def test_a_body_that_was_changed_or_another_secret_is_found_out(server: Server) -> None:
    sender = Sender(server.url)
    sender.tell(STAGE)
    sender.close()
    ((headers, body),) = server.seen
    other = "whsec_" + base64.b64encode(b"x" * 24).decode()
    for secret, forged in ((SECRET, body.replace(b"expanded", b"dropped")), (other, body)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(forged, headers)


def test_the_example_of_the_documentation_tells_genuine_from_forged(server: Server) -> None:
    (example,) = re.findall(r"```python\n(def is_genuine.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(example.strip().splitlines()) == 6
    space: dict[str, Any] = {"base64": base64, "hashlib": hashlib, "hmac": hmac, "time": time}
    exec(example, space)  # noqa: S102 - it is our own page
    sender = Sender(server.url)
    sender.tell(STAGE)
    sender.close()
    ((headers, body),) = server.seen
    is_genuine = space["is_genuine"]
    assert is_genuine(headers, body, SECRET)
    assert not is_genuine(headers, body + b" ", SECRET)
    assert not is_genuine({**headers, "webhook-id": "other"}, body, SECRET)
    late = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 301)}
    assert not is_genuine(late, body, SECRET)


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_what_may_pass_is_tried_again_with_the_same_id(server: Server, status: int) -> None:
    server.answers = [status, status, 200]
    sender = Sender(server.url)
    sender.tell(STAGE)
    sender.close()
    assert sender.said == []
    assert len(server.seen) == 3
    assert len(set(server.ids)) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
def test_what_will_not_pass_is_given_up_at_once_and_said(server: Server, status: int) -> None:
    server.answers = [status]
    sender = Sender(server.url)
    sender.tell(STAGE)
    sender.tell(ENDED)
    sender.close()
    assert server.events == ["stage_reached", "run_ended"]
    assert sender.said[0].endswith(f"it answers {status}; the rollout goes on")
    assert sender.said[1].endswith(f"2 of 2 events were not delivered: it answers {status}")
    assert len(sender.said) == 2
    assert "hidden" not in "".join(sender.said)


def test_attempts_are_bounded_and_after_one_was_given_up_the_next_gets_one(server: Server) -> None:
    server.answers = [500]
    sender = Sender(server.url)
    sender.tell(STAGE)
    until(lambda: len(server.seen) == webhook.ATTEMPTS)
    sender.tell(FAILED)
    until(lambda: len(server.seen) == webhook.ATTEMPTS + 1)
    time.sleep(0.2)
    server.answers = [200]
    sender.tell(ENDED)
    sender.close()
    assert server.events == ["stage_reached"] * webhook.ATTEMPTS + ["run_failed", "run_ended"]
    assert sender.said[1].startswith(f"webhook http://127.0.0.1:{server.port}: 2 of 3 events")


def test_a_receiver_that_is_not_there_costs_the_rollout_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "FAREWELL_SECONDS", 0.5)
    sender = Sender("http://127.0.0.1:1/hook")
    began = time.monotonic()
    for _ in range(2000):  # more than the queue holds
        sender.tell(STAGE)
    assert time.monotonic() - began < 2
    sender.close()
    assert "did not answer" in sender.said[-1]
    assert re.search(r"2000 of 2000 events were not delivered", sender.said[-1])


def test_a_slow_receiver_is_waited_for_at_the_end_but_not_for_ever(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "FAREWELL_SECONDS", 1.0)
    server.delay = 5.0
    sender = Sender(server.url, timeout=0.3)
    began = time.monotonic()
    for _ in range(10):
        sender.tell(STAGE)
    assert time.monotonic() - began < 0.2
    sender.close()
    assert time.monotonic() - began < 4
    assert "10 of 10 events were not delivered" in sender.said[-1]
    assert "did not answer within 0.3 s" in sender.said[-1]


def test_what_is_queued_when_the_command_ends_is_still_delivered(server: Server) -> None:
    server.delay = 0.1
    sender = Sender(server.url)
    for _ in range(5):
        sender.tell(STAGE)
    sender.close()
    assert len(server.seen) == 5
    assert sender.said == []


def test_events_that_were_not_chosen_are_not_sent(server: Server) -> None:
    sender = Sender(server.url)
    sender.tell(OPENED)
    sender.tell(BATCH)
    sender.close()
    assert server.seen == []


@pytest.mark.parametrize(
    ("settings", "environment", "problem"),
    [
        ({"url": "https://x.example/a"}, {}, "MIGSAFE_WEBHOOK_SECRET is not set"),
        ({"url_env": "HOOK"}, {}, "HOOK is not set"),
        ({"url": "http://x.example/a"}, {"MIGSAFE_WEBHOOK_SECRET": SECRET}, "read by everybody on the way"),
        ({"url": "ftp://x.example/a"}, {"MIGSAFE_WEBHOOK_SECRET": SECRET}, "is not an http"),
        ({"url": "https://u:p@x.example/a"}, {"MIGSAFE_WEBHOOK_SECRET": SECRET}, "user or a password"),
        ({"url": "https://x.example/a"}, {"MIGSAFE_WEBHOOK_SECRET": "short"}, "shorter than 16 bytes"),
        ({"url": "https://x.example/a"}, {"MIGSAFE_WEBHOOK_SECRET": "whsec_§"}, "is not base64"),
        ({"url": "https://x.example/a", "events": ("stage_reach",)}, {}, "did you mean 'stage_reached'"),
    ],
)
def test_what_cannot_work_or_is_not_safe_is_refused(
    settings: dict[str, Any], environment: dict[str, str], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        receiver(WebhookSettings(**settings), environment)
    assert SECRET not in str(refused.value)


def test_plain_http_to_another_host_when_somebody_says_so() -> None:
    settings = WebhookSettings(url="http://x.example/a", insecure=True)
    assert receiver(settings, {"MIGSAFE_WEBHOOK_SECRET": "sixteen bytes ok"}).key == b"sixteen bytes ok"


def test_the_table_of_the_documentation_is_one_that_works(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(\[\[webhooks\]\].*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "migsafe.toml").write_text(example)
    (settings,) = load_config(current=tmp_path).webhooks
    assert settings.events == ("stage_reached", "run_failed")
    found = receiver(settings, {"MIGSAFE_WEBHOOK_SECRET": SECRET})
    assert (str(found), found.key) == ("https://ops.example.com", KEY)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[webhooks]]\nurl = "https://a"\nsecret = "x"', "unknown key 'secret'"),
        ("[[webhooks]]\ntimeout = 3", "either 'url' or 'url_env'"),
        ('[[webhooks]]\nurl = "https://a"\nurl_env = "A"', "either 'url' or 'url_env'"),
        ('[webhooks]\nurl = "https://a"', r"written as \[\[webhooks\]\]"),
    ],
)
def test_mistakes_in_the_table_are_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "migsafe.toml").write_text(text)
    with pytest.raises(UsageError, match=problem):
        load_config(current=tmp_path)
