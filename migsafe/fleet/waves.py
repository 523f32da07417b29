"""In which order and how many at a time: one database first as the canary, then waves."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from migsafe.errors import UsageError
from migsafe.suggest import did_you_mean

REST = "rest"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many databases a wave has: a number of them, a share of the whole fleet, or all that are left."""

    count: int | None = None
    percent: float | None = None

    def of(self, total: int) -> int:
        """The number of databases, of a fleet with so many."""
        if self.percent is not None:
            return max(1, math.ceil(total * self.percent / 100))
        return total if self.count is None else self.count

    def __str__(self) -> str:
        """As it is written."""
        if self.percent is not None:
            return f"{self.percent:g}%"
        return REST if self.count is None else str(self.count)


DEFAULT_SIZES = (Size(percent=10), Size(percent=50), Size())


def parse_sizes(texts: Iterable[str | int]) -> tuple[Size, ...]:
    """Sizes such as `10`, `25%` and `rest`.

    Raises:
        UsageError: One is none of these, or something follows `rest`.
    """
    sizes = tuple(_size(str(text).strip().lower()) for text in texts)
    if Size() in sizes[:-1]:
        raise UsageError("a wave after 'rest' would be empty", advice="Put 'rest' at the end.")
    return sizes


def waves(
    names: Sequence[str], sizes: Sequence[Size], canary: str | None = None
) -> tuple[tuple[str, ...], ...]:
    """The waves of a fleet; the first one is the canary alone, and what the sizes leave over is the last one.

    Raises:
        UsageError: The fleet has no such canary.
    """
    if not names:
        return ()
    if canary is not None and canary not in names:
        raise UsageError(f"the canary '{canary}' is none of the databases{did_you_mean(canary, names)}")
    first = canary or names[0]
    others = [name for name in names if name != first]
    return ((first,), *_cut(others, len(names), sizes))


def _cut(names: Sequence[str], total: int, sizes: Sequence[Size]) -> Iterator[tuple[str, ...]]:
    at = 0
    for size in (*sizes, Size()):
        if at < len(names):
            yield tuple(names[at : at + size.of(total)])
            at += size.of(total)


def _size(text: str) -> Size:
    if text == REST:
        return Size()
    match = _SIZE.fullmatch(text)
    number = float(match[1]) if match else 0.0
    if match and match[2] and 0 < number <= 100:
        return Size(percent=number)
    if match and not match[2] and number >= 1 and number == int(number):
        return Size(count=int(number))
    raise UsageError(
        f"'{text}' is no size of a wave", advice="Write a number, a percentage, or rest, as in 5,25%,rest."
    )
