import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from migsafe.errors import TrafficError
from migsafe.plan.model import Scalar
from migsafe.rollout.providers.base import Statistics
from migsafe.rollout.providers.envoy import EnvoyProvider, envoy_provider
from tests.rollout.shop import Shop


def provider(shop: Shop, **options: Scalar) -> EnvoyProvider:
    made = envoy_provider({**shop.envoy.options, **options})
    assert isinstance(made, EnvoyProvider)
    return made


def test_a_thousand_requests_follow_the_split(shop: Shop) -> None:
    moved = provider(shop)
    seen = {}
    for percent in (0, 5, 25, 50, 100):
        moved.set(percent, moved.read().token)
        moved.verify(percent, timeout_seconds=2)
        answers = shop.ask(1000)
        assert set(answers) <= {"blue", "green"}
        seen[percent] = answers.count("green")
    assert seen[0] == 0
    assert seen[100] == 1000
    for percent in (5, 25, 50):  # five standard deviations of a binomial
        spread = 5 * (1000 * percent / 100 * (1 - percent / 100)) ** 0.5
        assert abs(seen[percent] - 10 * percent) < spread


def test_failures_count_whether_the_version_answers_with_them_or_not_at_all(shop: Shop) -> None:
    moved = provider(shop)
    moved.set(100, None)
    before = moved.statistics()
    shop.ask(5)
    shop.green.status = 500
    shop.ask(3)
    shop.green.status = None  # hangs up instead of answering
    assert shop.ask(4) == ["503"] * 4
    after = moved.statistics().since(before)
    assert after is not None
    assert after.green.requests == 12
    assert after.green.failures == 7
    assert after.blue.requests == 0


def test_latency_of_an_interval_is_the_difference_of_two_histograms(shop: Shop) -> None:
    moved = provider(shop)
    shop.ask(20)
    time.sleep(0.8)  # Envoy merges its histograms every half second in this configuration
    before = moved.statistics()
    shop.blue.delay_seconds = 0.06
    shop.ask(5)
    time.sleep(0.8)
    after = moved.statistics().since(before)
    assert after is not None
    latency = after.blue.latency_ms
    assert latency[max(latency)] == 5
    assert latency[50.0] == 0


def test_counters_that_went_back_are_no_interval(shop: Shop) -> None:
    moved = provider(shop)
    shop.ask(3)
    later = moved.statistics()
    assert Statistics.since(moved.statistics(), later) is not None
    shop.ask(1)
    assert later.since(moved.statistics()) is None


def test_an_unknown_route_is_named_with_what_was_probably_meant(shop: Shop) -> None:
    with pytest.raises(TrafficError, match=r"did you mean 'routing\.traffic_split\.app'"):
        provider(shop, runtime_prefix="routing.traffic_split.ap").read()


def test_an_unknown_cluster_is_named_with_what_was_probably_meant(shop: Shop) -> None:
    with pytest.raises(TrafficError, match="did you mean 'green'"):
        provider(shop, green_cluster="greeen").read()


@contextmanager
def someone_else(status: int, body: str) -> Iterator[str]:
    """A server that is no Envoy and gives the same answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815 # the standard library's name

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, "<html>welcome</html>", "is not JSON"),
        (200, "[]", "has no route|no list of stats|did not take"),
        (200, '{"entries": {"p.blue": {"final_value": "x"}, "p.green": {"final_value": "5"}}}', "no numbers"),
        (
            200,
            '{"entries": {"p.blue": {"final_value": "0"}, "p.green": {"final_value": "0"}}}',
            "both weights are 0",
        ),
        (200, '{"stats": [{"histograms": 5}]}', "cannot be read|has no route"),
        (404, "nothing here", "status 404: nothing here"),
        (500, "", "status 500"),
    ],
)
def test_garbage_is_an_error_that_quotes_it(status: int, body: str, message: str) -> None:
    with someone_else(status, body) as url:
        wrong = envoy_provider({"admin_url": url, "runtime_prefix": "p"})
        with pytest.raises(TrafficError, match=message):
            wrong.read()
        with pytest.raises(TrafficError):
            wrong.set(5, None)
        with pytest.raises(TrafficError):
            wrong.statistics()
