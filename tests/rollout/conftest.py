"""Two small applications behind a real Envoy."""

import threading
import time
from collections.abc import Iterator

import pytest

from migsafe.demo.envoy import envoy
from tests.rollout.shop import Shop, Version


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
