"""The lines where the keys of a TOML file stand.

Python's own reader does not say, so it is asked again and again, for one line more each time: a key
stands where the text up to there first knows it. That takes milliseconds and is done for messages only.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

Keys = tuple[str | int, ...]


def line_of(text: str, keys: Keys) -> int | None:
    """The 1-based line of a key, or of the nearest table around it; None when that is not known."""
    lines = lines_of(text)
    while keys:
        if keys in lines:
            return lines[keys]
        keys = keys[:-1]
    return None


@lru_cache(maxsize=4)
def lines_of(text: str) -> dict[Keys, int]:
    """The 1-based line of every key; elements of lists have their index as key."""
    import tomllib  # noqa: PLC0415 -- seldom needed, and slow to import

    found: dict[Keys, int] = {}
    given = text.split("\n")
    begun = 0
    for end in range(1, len(given) + 1):
        if not given[end - 1].strip():
            continue
        try:
            document = tomllib.loads("\n".join(given[:end]))
        except tomllib.TOMLDecodeError:
            continue
        first = next((n for n in range(begun, end) if given[n].strip(" \t\r")[:1] not in ("", "#")), begun)
        for keys in _keys(document):
            found.setdefault(keys, first + 1)
        begun = end
    return found


def _keys(value: Any, before: Keys = ()) -> Iterator[Keys]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*before, key)
        yield from _keys(inner, (*before, key))
