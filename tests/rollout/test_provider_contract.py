"""What every provider promises, asked of each one for real."""

from collections.abc import Callable
from pathlib import Path

import pytest

from migsafe.errors import TrafficError, UsageError
from migsafe.plan.model import Options, Traffic
from migsafe.rollout.providers import Provider, provider_for

DEAD = "http://127.0.0.1:1"


def command_options(folder: Path) -> dict[str, str]:
    state = folder / "green"
    state.write_text("0\n")
    return {"set": f"echo {{green}} > {state}", "read": f"cat {state}"}


@pytest.fixture(params=["envoy", "command"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Options]:
    """A provider's name and the options of a working one that stands at 0 %."""
    if request.param == "envoy":
        return "envoy", request.getfixturevalue("shop").envoy.options
    return "command", command_options(tmp_path)


@pytest.fixture
def make(options: tuple[str, Options]) -> Callable[[], Provider]:
    """A new provider for the same traffic, as a process has it that starts after a crash."""
    return lambda: provider_for(Traffic(provider=options[0], options=options[1]))


def test_a_fresh_provider_reads_what_is_configured(make: Callable[[], Provider]) -> None:
    assert make().read().green_percent == 0


@pytest.mark.parametrize("percent", [0, 1, 5, 50, 99, 100])
def test_what_was_set_is_verified_and_read_back(make: Callable[[], Provider], percent: int) -> None:
    provider = make()
    provider.set(percent, provider.read().token)
    provider.verify(percent, timeout_seconds=2)
    assert provider.read().green_percent == percent


def test_a_process_that_starts_after_a_crash_reads_what_the_other_one_set(
    make: Callable[[], Provider],
) -> None:
    make().set(25, None)
    assert make().read().green_percent == 25


def test_setting_the_same_share_again_does_no_harm(make: Callable[[], Provider]) -> None:
    provider = make()
    for _ in range(2):
        provider.set(25, provider.read().token)
    assert provider.read().green_percent == 25


def test_a_token_that_is_out_of_date_is_refused_and_nothing_moves(make: Callable[[], Provider]) -> None:
    provider = make()
    token = provider.read().token
    make().set(50, None)
    with pytest.raises(TrafficError, match="changed since it was read: now 50 % green"):
        provider.set(5, token)
    assert provider.read().green_percent == 50


@pytest.mark.parametrize("percent", [-1, 101, 1000])
def test_a_share_out_of_range_is_refused_and_nothing_moves(
    make: Callable[[], Provider], percent: int
) -> None:
    provider = make()
    provider.set(5, None)
    with pytest.raises(TrafficError, match="0 to 100"):
        provider.set(percent, None)
    assert provider.read().green_percent == 5


def test_verify_fails_when_the_split_is_another_one(make: Callable[[], Provider]) -> None:
    provider = make()
    provider.set(5, None)
    with pytest.raises(TrafficError, match=r"still .* instead of 25"):
        provider.verify(25, timeout_seconds=0.1)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("envoy", {"admin_url": DEAD, "runtime_prefix": "x"}),
        ("command", {"set": "no-such-program", "read": "no-such-program", "statistics": "no-such-program"}),
    ],
)
def test_what_cannot_be_reached_is_a_traffic_error(name: str, broken: Options) -> None:
    provider = provider_for(Traffic(provider=name, options=broken))
    with pytest.raises(TrafficError):
        provider.read()
    with pytest.raises(TrafficError):
        provider.set(5, None)
    with pytest.raises(TrafficError):
        provider.verify(5, timeout_seconds=0.1)
    with pytest.raises(TrafficError):
        provider.statistics()


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("envoi", {}, "unknown traffic provider 'envoi'\ndid you mean 'envoy'?"),
        ("envoy", {}, "option 'runtime_prefix' is missing"),
        ("envoy", {"runtime_prefix": "x", "admin_ulr": "y"}, "did you mean 'admin_url'?"),
        ("envoy", {"runtime_prefix": 5}, "'runtime_prefix' must be a text, not 5"),
        ("envoy", {"runtime_prefix": "x", "admin_url": "localhost:9901"}, "not an http"),
        (
            "envoy",
            {"runtime_prefix": "x", "admin_url": "http://me:secret@h"},
            "must not hold a user or a password",
        ),
        ("envoy", {"runtime_prefix": "x", "blue_cluster": "green"}, "are the same"),
        ("envoy", {"runtime_prefix": "x", "timeout_seconds": -1}, "must be above 0"),
        ("envoy", {"runtime_prefix": "x", "timeout_seconds": True}, "must be a number, not True"),
        ("command", {"set": "a"}, "option 'read' is missing"),
        ("command", {"set": " ", "read": "b"}, "option 'set' is empty"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_anything_is_called(
    name: str, given: Options, message: str
) -> None:
    with pytest.raises(UsageError) as error:
        provider_for(Traffic(provider=name, options=given))
    assert message in str(error.value)
    assert "secret" not in str(error.value)
