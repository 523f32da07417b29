"""Events of a rollout as text: one updating line in a terminal, plain lines in a log."""

import time
from collections.abc import Callable
from typing import Any, TextIO

from migsafe.run.events import (
    Event,
    GateRead,
    GaveWay,
    InTheWay,
    LockRetry,
    Notice,
    Observer,
    PaceChanged,
    PointPassed,
    Progress,
    RowQuarantined,
    SessionEnded,
    StageReached,
    StepFinished,
    StepStarted,
    TrafficMoved,
    Waiting,
)
from migsafe.run.telemetry.costs import Costs

LOG_EVERY_SECONDS = 5.0
_SLOW_STEP_SECONDS = 1.0
_CLEAR_LINE = "\r\x1b[K"


def describe(event: Event) -> str | None:
    """One line for people; None when the event says nothing new to them."""
    match event:
        case StageReached(stage=stage, seconds=seconds):
            return f"stage {stage} reached after {duration(seconds)}"
        case StepStarted(title=title, resumed=resumed):
            return f"{title} (going on)" if resumed else title
        case StepFinished() | Progress() | LockRetry() | PaceChanged():
            return _detail(event)
        case GaveWay() | RowQuarantined() | InTheWay() | SessionEnded():
            return _trouble(event)
        case Waiting(reason=reason, seconds=seconds):
            return f"{reason} for {duration(seconds)}" if seconds else reason
        case TrafficMoved(green_percent=green, seconds=seconds):
            return f"traffic: green {green} %, blue {100 - green} % (confirmed in {duration(seconds)})"
        case GateRead(gate=gate, verdict=verdict, reading=reading):
            return f"gate {gate}: {verdict} ({reading})"
        case Notice(text=text):
            return text
        case _:  # what only machines want to know
            return None


def duration(seconds: float) -> str:
    """A length of time as people read it: 12 ms, 3.4 s, 5 min 10 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


class TextObserver:
    """Writes events as they come. Progress is one line that changes, or in a log one every 5 s."""

    def __init__(
        self, stream: TextIO, *, terminal: bool, clock: Callable[[], float] = time.monotonic, width: int = 100
    ) -> None:
        self._stream, self._terminal, self._clock, self._width = stream, terminal, clock, width
        self._began = clock()
        self._progress_at = -LOG_EVERY_SECONDS
        self._line_is_open = False

    def __call__(self, event: Event) -> None:
        """Write one event."""
        text = describe(event)
        if text is None:
            return
        elapsed = self._clock() - self._began
        line = f"[{duration(elapsed):>9}] {text}"
        if not isinstance(event, Progress):
            self._write_line(line)
        elif self._terminal:
            self._stream.write(_CLEAR_LINE + line[: self._width - 1])
            self._stream.flush()
            self._line_is_open = True
        elif elapsed - self._progress_at >= LOG_EVERY_SECONDS:
            self._progress_at = elapsed
            self._write_line(line)

    def close(self) -> None:
        """End the line that is still changing."""
        if self._line_is_open:
            self._stream.write("\n")
            self._stream.flush()
            self._line_is_open = False

    def _write_line(self, line: str) -> None:
        self._stream.write((_CLEAR_LINE if self._line_is_open else "") + line + "\n")
        self._stream.flush()
        self._line_is_open = False


class Recorder:
    """Keeps what the final report needs."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._rows: dict[str, int] = {}
        self._stages: list[dict[str, Any]] = []
        self._traffic: list[dict[str, Any]] = []
        self._gates: dict[str, dict[str, Any]] = {}
        self._lock_retries = 0
        self._gave_way = 0
        self._ended: list[str] = []
        self._quarantined: list[dict[str, str]] = []
        self._points: list[dict[str, str]] = []
        self._costs = Costs()

    def __call__(self, event: Event) -> None:
        """Note one event."""
        self._costs(event)
        match event:
            case StageReached(stage=stage, seconds=seconds):
                self._stages.append({"stage": stage.value, "seconds": round(seconds, 3)})
            case TrafficMoved(green_percent=green, seconds=seconds):
                self._traffic.append({"green_percent": green, "seconds": round(seconds, 3)})
            case GateRead(gate=gate, verdict=verdict, reading=reading):
                self._gates[gate] = {"gate": gate, "verdict": str(verdict), "reading": reading}
            case StepFinished(step=step, rows=rows) if rows is not None:
                self._rows[step] = rows
            case LockRetry():
                self._lock_retries += 1
            case GaveWay():
                self._gave_way += 1
            case SessionEnded(session=session, done=True):
                self._ended.append(session)
            case RowQuarantined(step=step, relation=relation, key=key, error=error):
                self._quarantined.append({"step": step, "relation": relation, "key": key, "error": error})
            case PointPassed(kind=kind, at=at, text=text):
                self._points.append({"kind": kind, "at": at.isoformat(), "text": text})
            case _:
                pass

    def document(self) -> dict[str, Any]:
        """What was noted, for JSON."""
        return {
            "seconds": round(time.monotonic() - self._began, 3),
            "rows": sum(self._rows.values()),
            **self._costs.document(),
            "lock_retries": self._lock_retries,
            "gave_way": self._gave_way,
            "sessions_ended": self._ended,
            "quarantined": self._quarantined,
            "stages": self._stages,
            "traffic": self._traffic,
            "gates": list(self._gates.values()),
            "points_of_no_return_passed": self._points,
        }


def both(*observers: Observer) -> Observer:
    """One observer that tells several."""

    def tell(event: Event) -> None:
        for observer in observers:
            observer(event)

    return tell


def _detail(event: StepFinished | Progress | LockRetry | PaceChanged) -> str | None:
    match event:
        case StepFinished(seconds=seconds, rows=rows):
            return _step_finished(seconds, rows)
        case Progress():
            return _progress(event)
        case LockRetry():
            return _lock_retry(event)
        case PaceChanged(share=share, reason=reason):
            return f"  slower, {100 * share:.0f} %: {reason}" if reason else "  at full pace again"


def _step_finished(seconds: float, rows: int | None) -> str | None:
    if rows is not None:
        rate = f", {rows / seconds:,.0f} rows/s" if seconds > 0 and rows else ""
        return f"  {rows:,} rows in {duration(seconds)}{rate}"
    return f"  done in {duration(seconds)}" if seconds >= _SLOW_STEP_SECONDS else None


def _progress(event: Progress) -> str:
    eta = f", ETA {duration(event.eta_seconds)}" if event.eta_seconds is not None else ""
    rate = f", {event.rows_per_second:,.0f} rows/s" if event.rows_per_second else ""
    if event.phase:
        return f"  {100 * event.fraction:.0f} %, {event.phase}{eta}"
    return f"  {100 * event.fraction:.0f} %, {event.rows:,} rows{rate}{eta}"


def _first(names: tuple[str, ...]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _trouble(event: LockRetry | GaveWay | RowQuarantined | InTheWay | SessionEnded) -> str:
    match event:
        case LockRetry():
            return _lock_retry(event)
        case GaveWay(waiters=waiters, seconds=seconds):
            return f"  gave way after {duration(seconds)} to {_first(waiters)}, who waited for us"
        case RowQuarantined(relation=relation, key=key, error=error):
            return f"  left out, in quarantine: {key} of {relation}: {error}"
        case InTheWay(blockers=blockers):
            return f"  in the way: {'; '.join(blockers)}"
        case SessionEnded(session=session, done=done):
            return f"  ended: {session}" if done else f"  will be ended, if it is still in the way: {session}"


def _lock_retry(event: LockRetry) -> str:
    who = ", ".join(event.blockers) or "somebody"
    return (
        f"  no lock yet, attempt {event.attempt} of {event.attempts}: {who} has it; "
        f"again in {duration(event.wait_seconds)}"
    )
