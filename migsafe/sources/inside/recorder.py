"""What a project's code says while it is rendered, and where it says it.

Everything in this package runs inside the project's own Python (3.9 is enough) and imports nothing of
migsafe.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

# A loop that only an exception ends must end.
_MOST_FAILURES = 1000


class Failure(Exception):
    """The project cannot be rendered at all: `kind` says where it went wrong."""

    def __init__(self, kind: str, message: str, place: str = "") -> None:
        super().__init__(message)
        self.kind, self.place = kind, place


class Recorder:
    """What one revision says, with the places it says it at."""

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        self.statements: list[dict[str, Any]] = []
        self.problems: list[dict[str, Any]] = []
        self.place: dict[str, int] | None = None
        self.failures = 0
        self.causes: Any = None
        # Whether the statements hold the BEGIN and COMMIT of the tool itself.
        self.shows_transactions = False
        # Whether the tool no longer commits the transaction that is open.
        self.lost_transaction = False

    def sql(self, text: str, *, by_tool: bool = False) -> None:
        """Takes a statement as it is emitted; `by_tool`: the tool says it, and the revision does not."""
        self.statements.append({"text": text, "place": self.here(), "by_tool": by_tool})

    def problem(self, message: str, place: dict[str, int] | None = None) -> None:
        """Takes a part that is not rendered; the same at the same place counts once."""
        if self.causes is not None:
            self.causes.note(self.lines())
        place = place or self.here()
        if not any(found["message"] == message and found["place"] == place for found in self.problems):
            self.problems.append({"message": message, "place": place, "before": len(self.statements)})

    def is_discarded(self) -> bool:
        """Whether nobody takes the value of the call that the revision's file is at."""
        place = self.here()
        return (
            self.causes is not None
            and place is not None
            and (place["line"], place.get("column")) in self.causes.discarded
        )

    def lines(self) -> list[int]:
        """Where the revision's file is now, the innermost call first."""
        frame: Any = sys._getframe(1)
        found = []
        while frame is not None:
            if real(frame.f_code.co_filename) == self.path:
                found.append(frame.f_lineno)
            frame = frame.f_back
        return found

    def here(self) -> dict[str, int] | None:
        """Where the revision's file is now: the innermost call in it."""
        if self.place is not None:
            return self.place
        frame: Any = sys._getframe(1)
        while frame is not None:
            if real(frame.f_code.co_filename) == self.path:
                return position(frame.f_code, frame.f_lasti, frame.f_lineno)
            frame = frame.f_back
        return None

    def failed(self, error: BaseException) -> None:
        """Takes an exception that a part of the revision raised. Too many of them, and it goes on its way."""
        self.failures += 1
        if self.failures > _MOST_FAILURES:
            raise error
        place = None
        lines: list[int] = []
        for found, line in traceback.walk_tb(error.__traceback__):
            if real(found.f_code.co_filename) == self.path:
                place = position(found.f_code, found.f_lasti, line)
                lines.insert(0, line)
        if self.causes is not None:
            follows = self.causes.follows(lines)
            self.causes.note(lines)
            if follows:
                return
        self.problem(f"could not be rendered without a database: {describe(error)[:300]}", place)


@cache
def real(name: str) -> str:
    """The file behind a name; every frame of every statement asks."""
    return os.path.realpath(name)


@lru_cache(maxsize=256)
def positions(code: Any) -> list[Any]:
    """The places of a function's instructions."""
    return list(code.co_positions())


def position(code: Any, lasti: int, line: int) -> dict[str, int]:
    """Line and columns of an instruction; columns are bytes, from 0, and only known since Python 3.11."""
    if hasattr(code, "co_positions"):
        found = positions(code)[lasti // 2]
        if None not in found:
            first, last, start, end = found
            return {"line": first, "column": start, "end_line": last, "end_column": end}
    return {"line": line}


class Nothing:
    """The empty answer to a query."""

    rowcount = 0
    returns_rows = True
    inserted_primary_key = (None,)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def keys(self) -> list[str]:
        """No columns."""
        return []

    def _none(self, *_args: Any, **_kwargs: Any) -> None:
        return None

    def _empty(self, *_args: Any, **_kwargs: Any) -> list[Any]:
        return []

    def _self(self, *_args: Any, **_kwargs: Any) -> Nothing:
        return self

    fetchone = first = scalar = one = one_or_none = scalar_one = scalar_one_or_none = close = _none
    fetchall = all = fetchmany = partitions = _empty
    scalars = mappings = unique = columns = yield_per = tuples = execution_options = _self


def describe(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def user_place(error: BaseException) -> str:
    """The innermost place of a traceback that is in no installed package."""
    own = os.path.realpath(os.path.dirname(__file__))
    places = [
        f"{found.f_code.co_filename}:{line}"
        for found, line in traceback.walk_tb(error.__traceback__)
        if "site-packages" not in found.f_code.co_filename
        and not found.f_code.co_filename.startswith(("<", sys.base_prefix + os.sep + "lib"))
        and not os.path.realpath(found.f_code.co_filename).startswith(own)
    ]
    return places[-1] if places else ""
