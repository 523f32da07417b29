import json
import time
from pathlib import Path

import pytest

from migsafe.errors import TrafficError
from migsafe.plan.model import Scalar
from migsafe.rollout.providers.command import CommandProvider, command_provider


def provider(**options: Scalar) -> CommandProvider:
    made = command_provider({"set": "true", "read": "echo 0", **options})
    assert isinstance(made, CommandProvider)
    return made


@pytest.mark.parametrize(
    "text", ["", "five", "-1", "101", "5.5", "5 6", "1e1", "\N{ARABIC-INDIC DIGIT FIVE}", "5\n6"]
)
def test_an_answer_that_is_no_share_is_an_error_that_quotes_it(text: str) -> None:
    with pytest.raises(TrafficError, match="the read command printed"):
        provider(read=f"printf %s '{text}'").read()


@pytest.mark.parametrize("text", ["25", "25%", "25 %", " 25\n\n"])
def test_a_share_may_have_a_percent_sign_and_blanks(text: str) -> None:
    assert provider(read=f"printf '{text.replace('%', '%%')}'").read().green_percent == 25


def test_a_failing_command_shows_the_end_of_what_it_said() -> None:
    noise = "yes noise | head -c 5000 >&2"
    with pytest.raises(TrafficError, match=r"exit code 3: (?s:.){480,500}token expired$"):
        provider(set=f"{noise}; echo token expired >&2; exit 3").set(5, None)


def test_the_percentages_reach_the_command_in_both_ways(tmp_path: Path) -> None:
    out = tmp_path / "out"
    provider(set=f'echo "{{green}} {{blue}} $MIGSAFE_GREEN_PERCENT $MIGSAFE_BLUE_PERCENT" > {out}').set(
        5, None
    )
    assert out.read_text() == "5 95 5 95\n"


def test_a_command_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    late = tmp_path / "late"
    started = time.monotonic()
    with pytest.raises(TrafficError, match=r"longer than 0\.3 s"):
        provider(set=f"(sleep 1; touch {late}) & sleep 30", timeout_seconds=0.3).set(5, None)
    assert time.monotonic() - started < 5
    time.sleep(1.2)
    assert not late.exists()


def test_something_left_in_the_background_does_not_hold_the_command_up() -> None:
    started = time.monotonic()
    provider(set="sleep 3 &").set(5, None)
    assert time.monotonic() - started < 2


def test_the_verify_command_has_the_last_word() -> None:
    with pytest.raises(TrafficError, match="verify command ended with exit code 1: only 2 of 3"):
        provider(read="echo 5", verify="echo only 2 of 3 >&2; exit 1").verify(5, timeout_seconds=1)


def test_statistics_are_counters_of_both_versions() -> None:
    document = {
        "blue": {"requests": 10, "failures": 1, "latency_ms": {"100": 9, "5": 4}},
        "green": {"requests": 2, "failures": 0},
    }
    statistics = provider(statistics=f"echo '{json.dumps(document)}'").statistics()
    assert statistics is not None
    assert statistics.blue.failures == 1
    assert list(statistics.blue.latency_ms.items()) == [(5.0, 4), (100.0, 9)]
    assert statistics.green.requests == 2


def test_without_a_statistics_command_there_are_none() -> None:
    assert provider().statistics() is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"blue": {"requests": 1, "failures": 0}}',
        '{"blue": {"requests": NaN, "failures": 0}, "green": {"requests": 1, "failures": 0}}',
        '{"blue": {"requests": -1, "failures": 0}, "green": {"requests": 1, "failures": 0}}',
        '{"blue": {"requests": "1", "failures": 0}, "green": {"requests": 1, "failures": 0}}',
        '{"blue": {"requests": 1, "failures": 0, "latency_ms": 3}, "green": {"requests": 1, "failures": 0}}',
    ],
)
def test_statistics_that_cannot_be_compared_are_an_error(text: str) -> None:
    with pytest.raises(TrafficError, match="statistics command printed"):
        provider(statistics=f"printf '%s' '{text}'").statistics()
