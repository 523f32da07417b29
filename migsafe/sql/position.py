"""Offsets in a text as lines and columns for people."""

import re
from bisect import bisect_right
from dataclasses import dataclass

_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A 1-based line and a 1-based column; columns count code points, not bytes."""

    line: int
    column: int


class Lines:
    """The lines of one text; made once, then every lookup takes logarithmic time."""

    __slots__ = ("_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def __len__(self) -> int:
        return len(self._starts)

    def position(self, offset: int) -> Position:
        """Where an offset stands; the end of the text is a valid offset. A BOM takes no column."""
        line = bisect_right(self._starts, offset)
        start = self._starts[line - 1]
        if start == 0 and offset > 0 and self._text.startswith("\ufeff"):
            start = 1
        return Position(line, offset - start + 1)

    def offset(self, line: int, column: int) -> int:
        """The offset of a place: the way back from `position`."""
        start = self._starts[line - 1]
        if start == 0 and self._text.startswith("\ufeff"):
            start = 1
        return start + column - 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its line end."""
        start = self._starts[number - 1]
        end = self._starts[number] if number < len(self._starts) else len(self._text)
        text = self._text[start:end].rstrip("\r\n")
        return text.removeprefix("\ufeff") if number == 1 else text
