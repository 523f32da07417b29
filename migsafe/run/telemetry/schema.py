"""Events as JSON: the name of each, its fields, and the line that stands around them.

The format is stable: within one FORMAT_VERSION names and fields are added and never changed. docs/events.md
describes all of them and is compared with this module.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from migsafe.run import events
from migsafe.run.events import Event

FORMAT_VERSION = 1
_DIGITS = 6

NAMES: Mapping[type[Event], str] = {
    events.RolloutOpened: "rollout_opened",
    events.StageReached: "stage_reached",
    events.StepStarted: "step_started",
    events.StepFinished: "step_finished",
    events.TableMeasured: "table_measured",
    events.MethodChosen: "method_chosen",
    events.Progress: "progress",
    events.BatchDone: "batch_done",
    events.PaceRead: "pace_read",
    events.PaceChanged: "pace_changed",
    events.Waiting: "waiting",
    events.LockRetry: "lock_retry",
    events.InTheWay: "in_the_way",
    events.SessionEnded: "session_ended",
    events.GaveWay: "gave_way",
    events.BlockedSoFar: "blocked_so_far",
    events.RowQuarantined: "row_quarantined",
    events.TrafficMoved: "traffic_moved",
    events.GateRead: "gate_read",
    events.PointPassed: "point_passed",
    events.Notice: "notice",
    events.RunEnded: "run_ended",
    events.RunFailed: "run_failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all events of one process have in common, as of now."""

    run: str  # a random name of this process's run
    fleet_database: str | None = None  # its name in the fleet that `migsafe fleet` goes through
    rollout: str | None = None
    rollout_id: int | None = None


def name_of(event: Event) -> str:
    """The stable name of this kind of event."""
    return NAMES[type(event)]


def document(event: Event, context: Context, *, at: datetime, sequence: int) -> dict[str, Any]:
    """The event with what stands around it. The sequence counts the events of a run, from 1."""
    return {
        "format_version": FORMAT_VERSION,
        "time": stamp(at),
        "run": context.run,
        "sequence": sequence,
        "fleet_database": context.fleet_database,
        "rollout": context.rollout,
        "rollout_id": context.rollout_id,
        "event": name_of(event),
        **{field.name: plain(getattr(event, field.name)) for field in fields(event)},
    }


def line(value: Mapping[str, Any]) -> bytes:
    """One line of ASCII, whatever the texts hold."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"


def stamp(at: datetime) -> str:
    """A time in UTC to the microsecond: 2026-03-01T12:00:00.000000Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plain(value: Any) -> Any:
    """A value as JSON has it; a number that JSON cannot hold is null."""
    match value:
        case Enum():
            return value.value
        case datetime():
            return stamp(value)
        case float():
            return round(value, _DIGITS) if math.isfinite(value) else None
        case dict():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case _ if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value
