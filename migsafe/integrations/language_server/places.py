"""Places in a text, as the protocol counts them.

Lines and characters are 0-based. A character is a unit of the encoding that client and server agreed on:
UTF-16 unless both know better. Lines end at LF, CR LF and CR, and nowhere else.
https://microsoft.github.io/language-server-protocol/specifications/lsp/3.17/specification/#textDocuments
"""

import re
from bisect import bisect_right

from lsprotocol.types import Position, PositionEncodingKind, Range

_LINE_END = re.compile(r"\r\n|\r|\n")


class Places:
    """Offsets (code points) of one text to positions of the protocol, and back."""

    def __init__(self, text: str, encoding: PositionEncodingKind | str) -> None:
        self._text = text
        self._units = _UNITS.get(str(getattr(encoding, "value", encoding)), _utf16)
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def position(self, offset: int) -> Position:
        """Where an offset is; behind the end is the end."""
        offset = min(max(offset, 0), len(self._text))
        line = bisect_right(self._starts, offset) - 1
        return Position(line=line, character=self._units(self._text[self._starts[line] : offset]))

    def range(self, start: int, end: int) -> Range:
        """The range of the characters from `start` to `end`, which is exclusive."""
        return Range(start=self.position(start), end=self.position(end))

    def offset(self, position: Position) -> int:
        """The offset of a position; behind the end of a line is its end, as the protocol has it."""
        if position.line >= len(self._starts):
            return len(self._text)
        start = self._starts[position.line]
        is_last = position.line + 1 == len(self._starts)
        line = self._text[start:] if is_last else self._text[start : self._starts[position.line + 1]]
        line = line.rstrip("\r\n")
        units = 0
        for index, character in enumerate(line):
            if units >= position.character:
                return start + index
            units += self._units(character)
        return start + len(line)

    def offset_of(self, line: int, column: int) -> int:
        """The offset of a place in a finding: 1-based line and code point; a BOM takes no column."""
        start = self._starts[min(line, len(self._starts)) - 1]
        bom = 1 if start == 0 and self._text.startswith("\ufeff") else 0
        return min(start + bom + column - 1, len(self._text))


def _utf8(text: str) -> int:
    return len(text.encode(errors="replace"))


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", errors="replace")) // 2


_UNITS = {"utf-8": _utf8, "utf-16": _utf16, "utf-32": len}
