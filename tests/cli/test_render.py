import io

import pytest

from migsafe.cli.render import Recorder, TextObserver, describe, duration
from migsafe.plan.stages import Stage
from migsafe.run.events import (
    Event,
    GateRead,
    LockRetry,
    Notice,
    Progress,
    StageReached,
    StepFinished,
    StepStarted,
    TrafficMoved,
    Waiting,
)

HALF = Progress(step="fill", fraction=0.5, rows=1000, rows_per_second=500.0, eta_seconds=2.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0124, "12 ms"),
        (0.9996, "1.0 s"),
        (59.96, "1 min 0 s"),
        (310, "5 min 10 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_read_like_speech(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (StageReached(stage=Stage.DARK, seconds=3), "stage dark reached after 3.0 s"),
        (StepStarted(step="a", title="Add it", resumed=True), "Add it (going on)"),
        (StepFinished(step="a", seconds=0.1), None),
        (StepFinished(step="a", seconds=2, rows=1000), "  1,000 rows in 2.0 s, 500 rows/s"),
        (HALF, "  50 %, 1,000 rows, 500 rows/s, ETA 2.0 s"),
        (TrafficMoved(green_percent=5, seconds=0.01), "traffic: green 5 %, blue 95 % (confirmed in 10 ms)"),
        (GateRead(gate="errors", verdict="hold", reading="no data"), "gate errors: hold (no data)"),
        (Waiting(reason="watching", seconds=60), "watching for 1 min 0 s"),
        (
            LockRetry(step="a", attempt=2, attempts=40, wait_seconds=0.5, blockers=("pid 7",)),
            "  no lock yet, attempt 2 of 40: pid 7 has it; again in 500 ms",
        ),
    ],
)
def test_what_people_read(event: Event, text: str | None) -> None:
    assert describe(event) == text


def observe(events: list[tuple[float, Event]], *, terminal: bool) -> str:
    stream, now = io.StringIO(), [0.0]
    observer = TextObserver(stream, terminal=terminal, clock=lambda: now[0])
    for at, event in events:
        now[0] = at
        observer(event)
    observer.close()
    return stream.getvalue()


def test_a_log_gets_plain_lines_and_progress_every_five_seconds() -> None:
    text = observe([(second / 2, HALF) for second in range(24)], terminal=False)
    assert "\x1b" not in text
    assert "\r" not in text
    assert [line.split("]")[0].strip("[ ") for line in text.splitlines()] == ["0 ms", "5.0 s", "10.0 s"]


def test_a_terminal_gets_one_line_that_changes_and_is_replaced_by_the_next_event() -> None:
    text = observe([(0, HALF), (1, HALF), (2, Notice(text="done"))], terminal=True)
    assert text.count("\n") == 1
    assert text.count("\r\x1b[K") == 3
    assert text.endswith("done\n")


def test_the_record_sums_up_a_run() -> None:
    record = Recorder()
    for event in (
        StageReached(stage=Stage.EXPANDED, seconds=1.5),
        StepFinished(step="fill", seconds=1, rows=10),
        TrafficMoved(green_percent=5, seconds=0.25),
        GateRead(gate="errors", verdict="hold", reading="no data"),
        GateRead(gate="errors", verdict="pass", reading="fine"),
    ):
        record(event)
    document = record.document()
    assert document["rows"] == 10
    assert document["stages"] == [{"stage": "expanded", "seconds": 1.5}]
    assert document["traffic"] == [{"green_percent": 5, "seconds": 0.25}]
    assert document["gates"] == [{"gate": "errors", "verdict": "pass", "reading": "fine"}]
