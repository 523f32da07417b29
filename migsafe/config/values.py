"""Checked values out of a TOML table. A mistake is an error that names the place and what was meant."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from migsafe.config.places import Keys, line_of
from migsafe.errors import UsageError
from migsafe.suggest import did_you_mean

Word = TypeVar("Word", bound=StrEnum)


class Table:
    """One table of the file: `file` and `text` are for messages, `keys` lead to it, `name` is as written."""

    def __init__(self, value: Mapping[str, Any], *, file: str, text: str, keys: Keys, name: str) -> None:
        self.value = value
        self.file = file
        self.text = text
        self.keys = keys
        self.name = name

    def known(self, keys: Iterable[str]) -> None:
        """Every key that is there must be one of these.

        Raises:
            UsageError: One is not; the message says which one was probably meant.
        """
        keys = tuple(keys)
        for key in self.value:
            if key not in keys:
                hint = did_you_mean(key, keys)
                self.fail(key, f"unknown key {key!r}{self.name}{hint}", f"Known: {', '.join(keys)}.")

    def number(self, key: str, low: int, high: int | None = None) -> int | None:
        """A whole number between these two, None when it is not there."""
        value = self.value.get(key)
        if value is None:
            return None
        if (
            not isinstance(value, int)
            or isinstance(value, bool)
            or value < low
            or (high is not None and value > high)
        ):
            bounds = f"a whole number, {low} to {high}" if high is not None else f"a whole number from {low}"
            self.fail(key, f"{key!r}{self.name} is {bounds}, not {value!r}")
        return value

    def seconds(self, key: str, default: float) -> float:
        """A time above zero, in seconds."""
        value = self.value.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            self.fail(key, f"{key!r}{self.name} is a number of seconds above 0, not {value!r}")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.value.get(key, default)
        if not isinstance(value, bool):
            self.fail(key, f"{key!r}{self.name} is true or false, not {value!r}")
        return value

    def text_of(self, key: str, default: str = "") -> str:
        """A text."""
        value = self.value.get(key, default)
        if not isinstance(value, str):
            self.fail(key, f"{key!r}{self.name} is a text, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, none of them empty."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            self.fail(key, f"{key!r}{self.name} is a list of texts, not {value!r}")
        return tuple(value)

    def text_table(self, key: str) -> dict[str, str]:
        """A table of texts."""
        value = self.value.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            self.fail(key, f"{key!r}{self.name} is a table of texts, not {value!r}")
        return value

    def word(self, key: str, words: type[Word]) -> Word | None:
        """One of these words, None when it is not there."""
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or value not in tuple(words):
            hint = did_you_mean(value, words) if isinstance(value, str) else ""
            self.fail(key, f"{key!r}{self.name} cannot be {value!r}{hint}", f"Possible: {', '.join(words)}.")
        return words(value)

    def table(self, key: str) -> "Table | None":
        """The table of this name, None when it is not there."""
        value = self.value.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.fail(key, f"{key!r}{self.name} is a table, not {value!r}")
        return self._inner(value, (*self.keys, key), f" in {key!r}")

    def tables(self, key: str) -> list["Table"]:
        """All `[[key]]` tables."""
        value = self.value.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fail(key, f"{key!r}{self.name} is written as [[{key}]] tables")
        return [
            self._inner(one, (*self.keys, key, n), f" in [[{key}]] number {n + 1}")
            for n, one in enumerate(value)
        ]

    def fail(self, key: str | None, problem: str, advice: str = "") -> NoReturn:
        """Says what is wrong with this key, or with the whole table.

        Raises:
            UsageError: Always.
        """
        line = line_of(self.text, (*self.keys, key) if key is not None else self.keys)
        place = f"{self.file}:{line}" if line else self.file
        raise UsageError(f"{place}: {problem}", advice=advice)

    def _inner(self, value: Mapping[str, Any], keys: Keys, name: str) -> "Table":
        return Table(value, file=self.file, text=self.text, keys=keys, name=name)
