"""Lengths of time as people write them: 90s, 30m, 12h, 7d."""

import re

from migsafe.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")


def parse_duration(text: str) -> float:
    """Seconds from `0s`, `30m`, `1.5h`, `7d`.

    Raises:
        UsageError: It is none of these.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{text!r} is not a duration", advice="Write a number and a unit: 90s, 30m, 12h or 7d."
        )
    return float(match[1]) * _UNITS[match[2]]


def format_duration(seconds: float) -> str:
    """The shortest exact form that `parse_duration` reads back."""
    for unit, length in reversed(_UNITS.items()):
        if seconds and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.10f}".rstrip("0").rstrip(".") + "s"
