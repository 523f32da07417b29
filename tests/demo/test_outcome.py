"""The demo passes only when everything held. Each test breaks one thing."""

import io
import time
from dataclasses import replace

import pytest

from migsafe.demo.blocked import Blocked
from migsafe.demo.instep import Step
from migsafe.demo.outcome import Outcome, problems_of, to_json
from migsafe.demo.story import Story
from migsafe.demo.summary import summary_rows
from migsafe.demo.tally import Report, Tally, percentile
from migsafe.plan.stages import Stage, Version

BOTH = ("name", "full_name")


def good_tour() -> Outcome:
    return Outcome(
        rows=10,
        least_requests=100,
        stage=Stage.DROPPED,
        green_percent=100,
        stages=[(Stage.EXPANDED, 0.1), (Stage.BACKFILLED, 1.0), (Stage.DROPPED, 2.0)],
        looks=[
            Step(when="expanded", rows=10, columns=BOTH, pending=10),
            Step(when="backfilled", rows=10, columns=BOTH),
            Step(when="dropped", rows=10, columns=("full_name",)),
        ],
        load=Report(requests=100, crossed=3, by_version={"blue": 60, "green": 40}),
        longest_block=Blocked(milliseconds=3, application="demo-blue", lock="relation", stage="expand"),
        block_samples=9,
        wrong_rows=0,
    )


def good_retreat() -> Outcome:
    outcome = good_tour()
    outcome.break_canary = True
    outcome.stage, outcome.green_percent, outcome.retreat_reason = Stage.CANARY, 0, "too many errors"
    outcome.stages, outcome.looks = outcome.stages[:2], outcome.looks[:2]
    outcome.load = replace(outcome.load, failed=7, failed_by_version={"green": 7}, crossed=0)
    return outcome


def test_a_good_tour_has_no_problems() -> None:
    assert problems_of(good_tour()) == []


def test_a_good_retreat_has_no_problems() -> None:
    assert problems_of(good_retreat()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"least_requests": 101}, "only 100 requests"),
        ({"load": Report(requests=100, crossed=3, failed=1, examples=("blue: 500",))}, "1 requests failed"),
        ({"load": Report(requests=100)}, "no version was seen to read"),
        ({"wrong_rows": 2}, "2 rows do not say"),
        ({"wrong_rows": None}, "not compared at the end"),
        ({"stage": Stage.FENCED}, "ended in stage 'fenced'"),
        ({"green_percent": 50}, "green has 50 %"),
        ({"block_samples": 0}, "was not watched"),
        ({"block_error": "gone"}, "was not watched: gone"),
        ({"error": "lost"}, "lost"),
        ({"looks": []}, "not compared at every stage"),
        (
            {"looks": [*good_tour().looks, Step(when="full", rows=9, columns=BOTH, different=4)]},
            "at 'full', 4 rows",
        ),
        (
            {"looks": [*good_tour().looks, Step(when="full", rows=9, columns=BOTH, pending=5)]},
            "at 'full', 5 rows",
        ),
    ],
)
def test_each_broken_promise_of_the_tour_is_said(change: dict[str, object], said: str) -> None:
    outcome = replace(good_tour(), **change)  # type: ignore[arg-type]  # one field at a time, from the table above
    problems = problems_of(outcome)
    assert len(problems) == 1
    assert said in problems[0]
    assert to_json(outcome, problems)["passed"] is False


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"load": Report(requests=100, failed=2, failed_by_version={"green": 1, "blue": 1})},
            "1 requests failed that green did not answer",
        ),
        ({"retreat_reason": ""}, "no gate stopped"),
        ({"green_percent": 5}, "green still has 5 %"),
        ({"failed_after_retreat": 3}, "3 requests failed after"),
        ({"green_after_retreat": 3}, "green answered 3"),
        ({"stage": Stage.EXPANDED}, "stage 'expanded'"),
        ({"looks": [Step(when="now", rows=1, columns=("name",))]}, "not both there"),
    ],
)
def test_each_broken_promise_of_the_retreat_is_said(change: dict[str, object], said: str) -> None:
    problems = problems_of(replace(good_retreat(), **change))  # type: ignore[arg-type]  # as above
    assert len(problems) == 1
    assert said in problems[0]


def test_the_summary_says_that_only_the_broken_green_failed() -> None:
    text = dict(summary_rows(good_retreat()))
    assert "all answered by the broken green" in text["failed requests"]
    assert dict(summary_rows(good_tour()))["failed requests"] == "0"


def test_the_slowest_statement_is_in_the_result() -> None:
    outcome = replace(good_tour(), slowest_statement_ms={Version.BLUE: 12.345})
    blocked = to_json(outcome, [])["blocked"]
    assert isinstance(blocked, dict)
    assert blocked["slowest_statement_ms"] == {"blue": 12.35}


def test_percentiles_are_by_nearest_rank_in_milliseconds() -> None:
    hundred = [number / 1000 for number in range(1, 101)]
    assert (percentile(hundred, 50), percentile(hundred, 99), percentile(hundred, 100)) == (50, 99, 100)
    assert percentile([0.002], 99) == 2
    assert percentile([], 50) == 0


def test_the_tally_counts_by_version_and_keeps_examples() -> None:
    tally = Tally()
    for number in range(20):
        tally.request("blue", 0.001)
        tally.failure("blue", f"what {number}")
    report = tally.report(with_times=True)
    assert (report.requests, report.failed, report.by_version) == (20, 20, {"blue": 20})
    assert report.examples[0] == "blue: what 0"
    assert len(report.examples) == 8


def test_a_story_that_is_not_for_a_terminal_has_no_control_codes() -> None:
    out = io.StringIO()
    story = Story(out)
    story.section("One", "why")
    story.progress("too early to be told")
    story.step(story.bad("bad"))
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()
    assert "too early" not in out.getvalue()


def test_progress_on_a_terminal_is_replaced_by_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    story = Story(out)
    with story.ticking(lambda: "x" * 200):
        time.sleep(1)
    story.step(story.bad("done"))
    first, *_, last = out.getvalue().split("\r\x1b[K")
    assert first == ""
    assert "done" in last
    assert all(len(line) < 40 for line in out.getvalue().split("\r\x1b[K")[1:-1])
    assert "\x1b[3" not in out.getvalue()
