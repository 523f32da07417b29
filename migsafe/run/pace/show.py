"""The pace in `migsafe status`."""

from collections.abc import Mapping
from typing import Any

from migsafe.run.ledger.pace import PaceRow

_MOST_REASONS = 3
_CURRENT_SECONDS = 60.0  # it is written every second


def pace_document(row: PaceRow | None, *, at_work: bool) -> dict[str, Any] | None:
    """What the runner wrote; readings only while somebody is at work on a backfill. None: it never wrote."""
    if row is None:
        return None
    total = {
        "throttled_seconds": round(sum(row.throttled.values()), 1),
        "throttled_by": {name: round(seconds, 1) for name, seconds in sorted(row.throttled.items())},
        "updated_at": row.updated_at.isoformat(),
    }
    is_current = at_work and row.silent_seconds < _CURRENT_SECONDS and row.state.get("watching")
    return {**(row.state if is_current else {}), **total}


def pace_lines(document: Mapping[str, Any] | None) -> list[str]:
    """The same as lines of text."""
    if document is None:
        return []
    lines = []
    if "share" in document:
        batch = f"batches of at most {1000 * document['batch_seconds']:.0f} ms"
        if document.get("max_rows_per_second"):
            batch += f", at most {document['max_rows_per_second']:g} rows/s"
        lines.append(f"  pace         {100 * document['share']:.0f} % of full speed, {batch}")
        if document["waiting_for"]:
            lines.append(f"  waits for    {document['waiting_for']}, since {_clock(document['since'])}")
        lines += [_signal(each) for each in document["signals"]]
    if document["throttled_seconds"] >= 1:
        most = sorted(document["throttled_by"].items(), key=lambda item: -item[1])[:_MOST_REASONS]
        by = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in most)
        lines.append(f"  throttled    {document['throttled_seconds']:.0f} s in all: {by}")
    return lines


def _signal(signal: Mapping[str, Any]) -> str:
    text = f", {signal['text']}" if signal["text"] else ""
    return f"    {signal['verdict']:<8}{signal['name']}: {signal['shown']}, limit {signal['limit']}{text}"


def _clock(at: str) -> str:
    return at[:19].replace("T", " ")
