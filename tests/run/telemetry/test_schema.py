"""The format of events: what docs/events.md promises is what the code writes."""

import json
import math
import re
from dataclasses import fields
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.run.events import Event, Waiting
from migsafe.run.telemetry.families import KINDS
from migsafe.run.telemetry.metrics import Metrics
from migsafe.run.telemetry.schema import NAMES, Context, document, line, stamp
from tests.run.telemetry.samples import ALL, AT, HALF, OPENED

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
AROUND = {"format_version", "time", "run", "sequence", "fleet_database", "rollout", "rollout_id", "event"}


def kinds(base: type[Event] = Event) -> set[str]:
    """Names, for a dataclass with slots stands twice among the subclasses."""
    found = base.__subclasses__()
    return {each.__name__ for each in found}.union(*(kinds(each) for each in found))


def documented(first_cell: str) -> dict[str, list[str]]:
    """The rows of the page's tables whose first cell looks like this: its name, and the other cells."""
    rows = re.findall(rf"^\| `({first_cell})` \| (.*) \|$", PAGE, re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in rows}


def test_every_event_has_a_name_and_a_sample_here() -> None:
    assert {kind.__name__ for kind in NAMES} == kinds()
    assert len(set(NAMES.values())) == len(NAMES)
    assert {type(event) for event in ALL} == set(NAMES)


def test_the_page_describes_each_event_with_exactly_its_fields() -> None:
    rows = documented("[a-z_]+")
    written = {name: set(re.findall(r"`(\w+)`", cells[-1])) for name, cells in rows.items() if len(cells) > 1}
    around = {"rollout", "rollout_id"}  # of rollout_opened, which every line has
    wanted = {name: {field.name for field in fields(kind)} - around for kind, name in NAMES.items()}
    assert {name: written.get(name) for name in wanted} == wanted


def test_the_page_describes_what_stands_around_every_event() -> None:
    table = PAGE[PAGE.index("| `format_version` |") : PAGE.index("Times are")]
    assert (
        set(re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines() if row))) == AROUND
    )


def test_the_page_lists_each_metric_and_whether_a_process_serves_it() -> None:
    rows = documented("migsafe_[a-z_]+")
    assert list(rows) == list(KINDS)
    metrics = Metrics()
    for event in (*ALL, HALF):  # a step that is done has no speed any more
        metrics.take(event, {})
    served = set(re.findall(r"^# TYPE (\w+) ", metrics.text(), re.MULTILINE))
    assert {name for name, cells in rows.items() if cells[1] == "yes"} == served


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_every_event_is_one_line_of_json(event: Event) -> None:
    made = line(document(event, Context(run="r", rollout="rename", rollout_id=7), at=AT, sequence=3))
    assert made.count(b"\n") == 1
    read = json.loads(made)
    assert set(read) == AROUND | {field.name for field in fields(event)}
    assert (read["format_version"], read["rollout_id"], read["sequence"]) == (1, 7, 3)
    assert read["event"] == NAMES[type(event)]


def test_a_line_in_full_which_scripts_depend_on() -> None:
    made = document(OPENED, Context(run="r", rollout="rename", rollout_id=7), at=AT, sequence=1)
    assert made == {
        "format_version": 1,
        "time": "2026-03-01T12:00:00.000005Z",
        "run": "r",
        "sequence": 1,
        "fleet_database": None,
        "rollout": "rename",
        "rollout_id": 7,
        "event": "rollout_opened",
        "role": "runner",
        "stage": "planned",
        "stages": ["planned", "expanded", "backfilled", "dropped"],
        "database": "shop",
        "server_address": "db.internal",
        "server_port": 5432,
    }


def test_times_are_in_utc_whatever_zone_they_come_in() -> None:
    assert stamp(AT.astimezone(timezone(timedelta(hours=2)))) == "2026-03-01T12:00:00.000005Z"


@given(st.text(), st.floats())
def test_any_text_and_any_number_fit_into_a_line(text: str, number: float) -> None:
    waiting = Waiting(reason=text, seconds=number)
    written = line(document(waiting, Context(run="r"), at=AT, sequence=1))
    assert written.isascii()
    read = json.loads(written)
    assert read["reason"] == text
    assert read["seconds"] == (pytest.approx(number, abs=1e-6) if math.isfinite(number) else None)
