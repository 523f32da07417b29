"""The state of the pace as `status` and events tell it."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from migsafe.config.limits import Setting, Unit, show_limit, show_value
from migsafe.run.events import PaceRead, SignalRead
from migsafe.run.pace.controller import Judged, PaceState
from migsafe.run.pace.limits import Effective, described


def reason(judged: Judged, values: Mapping[str, Effective]) -> str:
    """Why it slows down or stops: `replica-lag is 12.1s, limit 5s..10s (standby1)`."""
    reading = judged.reading
    text = f" ({reading.text})" if reading.text else ""
    if reading.value is None:
        return f"{reading.name} cannot be read: {reading.text}"
    return f"{reading.name} is {_shown(judged, values)}, limit {_limit(judged, values)}{text}"


def document(
    state: PaceState,
    values: Mapping[str, Effective],
    *,
    waiting: str | None,
    since: datetime | None,
    batch_seconds: float,
    rows_per_second: float | None,
    watching: bool,
) -> dict[str, Any]:
    """All of it, for the ledger and for JSON."""
    return {
        "watching": watching,
        "share": round(state.share, 3),
        "waiting_for": waiting,
        "since": since.isoformat() if since else None,
        "batch_seconds": round(batch_seconds, 4),
        "max_rows_per_second": rows_per_second,
        "signals": [_signal(each, values) for each in state.judged],
        "values": described(values.values()),
    }


def event(
    state: PaceState,
    *,
    waiting: str | None,
    batch_seconds: float,
    rows_per_second: float | None,
    throttled: Mapping[str, float],
) -> PaceRead:
    """The same for who observes the run."""
    return PaceRead(
        share=state.share,
        waiting_for=waiting,
        batch_seconds=batch_seconds,
        max_rows_per_second=rows_per_second,
        signals=tuple(
            SignalRead(
                name=each.reading.name,
                value=_finite(each.reading.value),
                soft=each.reading.limit.soft,
                hard=each.reading.limit.hard,
                verdict=each.verdict.value,
            )
            for each in state.judged
        ),
        throttled_seconds=dict(throttled),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _signal(judged: Judged, values: Mapping[str, Effective]) -> dict[str, Any]:
    reading = judged.reading
    value = reading.value
    return {
        "name": reading.name,
        "value": _finite(value),
        "soft": reading.limit.soft,
        "hard": reading.limit.hard,
        "verdict": judged.verdict.value,
        "share": round(judged.share, 3),
        "shown": "unread" if value is None else _shown(judged, values),
        "limit": _limit(judged, values),
        "text": reading.text,
        "source": values[reading.name].source if reading.name in values else "",
    }


def _shown(judged: Judged, values: Mapping[str, Effective]) -> str:
    value = judged.reading.value
    if value is None or math.isinf(value):
        return "no"
    return show_value(_setting(judged, values).unit, value)


def _limit(judged: Judged, values: Mapping[str, Effective]) -> str:
    return show_limit(_setting(judged, values), judged.reading.limit)


def _setting(judged: Judged, values: Mapping[str, Effective]) -> Setting:
    found = values.get(judged.reading.name)
    return found.setting if found else Setting(name="", unit=Unit.COUNT, default="1", about="")
