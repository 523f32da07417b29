"""Reading the tables of a TOML file strictly: every key is known, has its type, and is used."""

import difflib
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar

from migsafe.errors import PlanError, UsageError
from migsafe.plan.toml.durations import parse_duration
from migsafe.sql.names import Name, parse_name

Member = TypeVar("Member", bound=Enum)


NO_LINES: Mapping[str, int] = {}


def path(place: str, key: str) -> str:
    """How a key of a table, or a table below it, is called: `traffic.gates 1`."""
    return f"{place}.{key}" if place and key else place or key


class Fields:
    """One table of the file. Each `take` removes its key; `done` complains about what is left.

    Raises (all methods):
        PlanError: With the file, the place in it, and what was expected or probably meant.
    """

    def __init__(
        self,
        table: Mapping[str, Any],
        *,
        file: str,
        place: str = "",
        lines: Mapping[str, int] = NO_LINES,
    ) -> None:
        self._left = dict(table)
        self._known: list[str] = []
        self._called = f": {table['id']}" if isinstance(table.get("id"), str) else ""
        self._lines = lines
        self.file = file
        self.place = place

    def error(self, text: str, *, key: str = "", advice: str = "") -> PlanError:
        """An error that names the file, the line of the key or else of the table, and the place."""
        line = self._lines.get(path(self.place, key)) or self._lines.get(self.place)
        where = f"{self.file}:{line}: " if line else f"{self.file}: "
        where += f"[{self.place}{self._called}] " if self.place else ""
        return PlanError(where + text, advice=advice)

    def _take(self, key: str, kind: type | tuple[type, ...], word: str, default: Any) -> Any:
        self._known.append(key)
        value = self._left.pop(key, default)
        if value is ...:
            raise self.error(f"'{key}' is missing")
        wrong_bool = isinstance(value, bool) and kind is not bool
        if value is not default and (wrong_bool or not isinstance(value, kind)):
            raise self.error(f"'{key}' must be {word}, not {value!r}", key=key)
        return value

    def text(self, key: str, default: Any = ...) -> Any:
        """A string."""
        return self._take(key, str, "a text", default)

    def whole(self, key: str, default: Any = ...) -> Any:
        """A whole number."""
        return self._take(key, int, "a whole number", default)

    def flag(self, key: str, *, default: Any = ...) -> Any:
        """True or false."""
        return self._take(key, bool, "true or false", default)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty when it is not there."""
        value = self._take(key, list, "a list of texts", [])
        if not all(isinstance(item, str) for item in value):
            raise self.error(f"'{key}' must be a list of texts", key=key)
        return tuple(value)

    def wholes(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """A list of whole numbers."""
        value = self._take(key, list, "a list of whole numbers", default)
        if not all(isinstance(item, int) and not isinstance(item, bool) for item in value):
            raise self.error(f"'{key}' must be a list of whole numbers", key=key)
        return tuple(value)

    def member(self, key: str, kind: type[Member], default: Any = ...) -> Member:
        """One of the values of an enumeration."""
        value = self.text(key, default)
        if isinstance(value, kind):
            return value
        try:
            return kind(value)
        except ValueError:
            choices = ", ".join(str(each.value) for each in kind)
            raise self.error(f"'{key}' is {value!r}, but must be one of: {choices}", key=key) from None

    def seconds(self, key: str, default: float) -> float:
        """A duration such as 30m, in seconds."""
        value = self.text(key, None)
        if value is None:
            return default
        try:
            return parse_duration(value)
        except UsageError as error:
            raise self.error(f"'{key}': {error.message}", key=key, advice=error.advice) from None

    def name(self, key: str) -> Name:
        """A table or index, schema-qualified where it needs to be."""
        return self._name(key, self.text(key))

    def optional_name(self, key: str) -> Name | None:
        """The same, or None when it is missing."""
        text = self.text(key, None)
        return None if text is None else self._name(key, text)

    def _name(self, key: str, text: str) -> Name:
        name = parse_name(text)
        if name is None:
            raise self.error(
                f"'{key}' is {text!r}, which is not a name",
                key=key,
                advice='Write table, or "schema"."table".',
            )
        return name

    def table(self, key: str, *, optional: bool = False) -> "Fields | None":
        """A table below this one; None when it is optional and missing."""
        value = self._take(key, dict, "a table", None if optional else ...)
        place = path(self.place, key)
        return None if value is None else Fields(value, file=self.file, place=place, lines=self._lines)

    def tables(self, key: str) -> tuple["Fields", ...]:
        """A list of tables below this one, empty when it is not there."""
        value = self._take(key, list, "a list of tables", [])
        if not all(isinstance(item, dict) for item in value):
            raise self.error(f"'{key}' must be a list of tables", key=key)
        place = path(self.place, key)
        return tuple(
            Fields(item, file=self.file, place=f"{place} {number}", lines=self._lines)
            for number, item in enumerate(value, 1)
        )

    def rest(self) -> dict[str, Any]:
        """All keys that were not taken yet, as scalars."""
        left, self._left = self._left, {}
        for key, value in left.items():
            if not isinstance(value, str | int | float | bool):
                raise self.error(f"'{key}' must be a text, a number, true or false", key=key)
        return left

    def done(self) -> None:
        """Every key was taken."""
        for key in self._left:
            close = difflib.get_close_matches(key, self._known, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(self._known)}."
            raise self.error(f"unknown key '{key}'", key=key, advice=hint)
