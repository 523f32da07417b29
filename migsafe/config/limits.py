"""What can be set about the pace of a backfill: names, units, defaults, and how values are written."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from migsafe.errors import UsageError
from migsafe.suggest import did_you_mean

OFF, DEFAULT = "off", "default"
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)(?:/s)?")


class Unit(StrEnum):
    """What a number counts."""

    SECONDS = "seconds"
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes per second"
    ROWS_PER_SECOND = "rows per second"
    COUNT = "count"


_DURATIONS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1.0, "b": 1.0, "kb": 2.0**10, "mb": 2.0**20, "gb": 2.0**30, "tb": 2.0**40}
_SUFFIXES = {
    Unit.SECONDS: _DURATIONS,
    Unit.BYTES: _SIZES,
    Unit.BYTES_PER_SECOND: _SIZES,
    Unit.ROWS_PER_SECOND: {"": 1.0},
    Unit.COUNT: {"": 1.0},
}
_EXAMPLES = {
    Unit.SECONDS: "250ms, 10s, 5min or 1h",
    Unit.BYTES: "512MB or 10GB",
    Unit.BYTES_PER_SECOND: "50MB/s",
    Unit.ROWS_PER_SECOND: "5000",
    Unit.COUNT: "10",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Full pace up to `soft`, slower and slower above it, a stop from `hard` on."""

    soft: float
    hard: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Something that can be set. `default` is written as a person writes it.

    A signal has a limit, `5s..10s` or `10s`, which means the half of it is where slowing down begins. What is
    no signal is one number.
    """

    name: str
    unit: Unit
    default: str
    about: str
    is_signal: bool = True


SETTINGS = (
    Setting(
        name="batch-duration",
        unit=Unit.SECONDS,
        default="250ms",
        about="what a batch takes at most",
        is_signal=False,
    ),
    Setting(
        name="max-rows-per-second",
        unit=Unit.ROWS_PER_SECOND,
        default=OFF,
        about="rows per second, pauses included",
        is_signal=False,
    ),
    Setting(
        name="replica-lag",
        unit=Unit.SECONDS,
        default="5s..10s",
        about="how far the slowest streaming replica is behind in replaying",
    ),
    Setting(
        name="slot-wal",
        unit=Unit.BYTES,
        default="5GB..10GB",
        about="WAL that the furthest replication slot keeps on the server",
    ),
    Setting(
        name="wal-rate",
        unit=Unit.BYTES_PER_SECOND,
        default=OFF,
        about="WAL that the whole server writes",
    ),
    Setting(
        name="archive-queue",
        unit=Unit.COUNT,
        default="32..64",
        about="WAL segments that wait to be archived",
    ),
    Setting(
        name="oldest-xmin",
        unit=Unit.SECONDS,
        default="5min..1h",
        about="age of the oldest transaction that keeps dead rows from being removed",
    ),
    Setting(
        name="vacuum",
        unit=Unit.COUNT,
        default="0..2",
        about="vacuums at work on the table; one that prevents wraparound counts as two",
    ),
    Setting(
        name="active-sessions",
        unit=Unit.COUNT,
        default="50..100",
        about="sessions of others that are executing a statement",
    ),
    Setting(
        name="lock-waiters",
        unit=Unit.COUNT,
        default="2..10",
        about="sessions in this database that have waited for a lock for over a second",
    ),
    Setting(
        name="pgbouncer-waiting",
        unit=Unit.COUNT,
        default="2..20",
        about="clients of PgBouncer that wait for a server connection",
    ),
)
NAMES = tuple(setting.name for setting in SETTINGS)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def find_setting(name: str, others: tuple[Setting, ...] = ()) -> Setting:
    """The setting of this name; `others` are signals of the user's own.

    Raises:
        UsageError: There is none; the message says which one was probably meant.
    """
    known = {**_BY_NAME, **{setting.name: setting for setting in others}}
    if name not in known:
        raise UsageError(
            f"'{name}' cannot be set{did_you_mean(name, known)}", advice=f"Known: {', '.join(known)}."
        )
    return known[name]


def parse_limit(setting: Setting, text: str) -> Limit | None:
    """The limit that this text says; None for `off`. What is no signal has one number, soft and hard alike.

    Raises:
        UsageError: It says none.
    """
    text = text.strip()
    if text.lower() == OFF:
        if setting.name == "batch-duration":
            raise _wrong(setting, text)
        return None
    first, between, last = text.partition("..")
    low, high = (_number(setting, part, text) for part in (first, last or first))
    if not setting.is_signal:
        if between or high <= 0:
            raise _wrong(setting, text)
        return Limit(soft=high, hard=high)
    if not between:
        low = high / 2
    if low > high or high <= 0 or (between and not last):
        raise _wrong(setting, text)
    return Limit(soft=low, hard=high)


def show_limit(setting: Setting, limit: Limit | None) -> str:
    """The text that says this limit."""
    if limit is None:
        return OFF
    if not setting.is_signal:
        return show_value(setting.unit, limit.hard)
    return f"{show_value(setting.unit, limit.soft)}..{show_value(setting.unit, limit.hard)}"


def show_value(unit: Unit, value: float) -> str:
    """A number with its unit, as people write it."""
    match unit:
        case Unit.SECONDS:
            return _duration(value)
        case Unit.BYTES:
            return _size(value)
        case Unit.BYTES_PER_SECOND:
            return f"{_size(value)}/s"
        case _:
            return f"{value:.15g}"


def _number(setting: Setting, part: str, whole: str) -> float:
    found = _NUMBER.fullmatch(part.strip())
    factor = _SUFFIXES[setting.unit].get(found[2].lower()) if found else None
    if found is None or factor is None:
        raise _wrong(setting, whole)
    value = float(found[1]) * factor
    if not math.isfinite(value):
        raise _wrong(setting, whole)
    return value


def _wrong(setting: Setting, text: str) -> UsageError:
    example = _EXAMPLES[setting.unit]
    kind = f"a limit like {example}" if setting.is_signal else f"a value like {example}"
    more = ", from where on to slow down and where to stop, like " if setting.is_signal else ""
    both = f"{more}{setting.default if setting.default != OFF else '25MB/s..50MB/s'}" if more else ""
    off = "" if setting.name == "batch-duration" else ", or off"
    return UsageError(f"'{setting.name}' cannot be {text!r}", advice=f"Give {kind}{both}{off}.")


def _duration(seconds: float) -> str:
    for suffix, factor in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= factor and seconds % factor == 0:
            return f"{seconds / factor:.0f}{suffix}"
    if 0 < seconds < 1:
        return f"{seconds * 1000:.3g}ms"
    return f"{seconds:.1f}s" if seconds % 1 else f"{seconds:.0f}s"


def _size(size: float) -> str:
    for suffix, power in (("TB", 40), ("GB", 30), ("MB", 20), ("kB", 10)):
        if size >= 2.0**power:
            return f"{size / 2.0**power:.4g}{suffix}"
    return f"{size:.0f}B"
