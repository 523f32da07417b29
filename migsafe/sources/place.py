"""From an offset in a source's text to the place that a person can go to."""

from bisect import bisect_right
from dataclasses import dataclass

from migsafe.sources.model import Origin, Source
from migsafe.sql.position import Lines, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A span of a file: 1-based lines and columns (code points), `end_column` exclusive."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int


class Places:
    """The places of one source; made once, then every lookup takes logarithmic time."""

    __slots__ = ("_lines", "_shown", "_source", "_starts")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lines = Lines(source.text)
        self._shown = Lines(source.shown) if source.origins else self._lines
        self._starts = [origin.start for origin in source.origins]

    def place(self, start: int, end: int) -> Place:
        """Where the characters `start` to `end` of the source's text come from.

        Text that comes from nowhere (a COMMIT that the tool adds) is placed at what stands before it.
        """
        if not self._source.origins:
            first, last = self._lines.position(start), self._lines.position(end)
            return _place(self._source.path, first, last)
        origin = self._origin(start)
        if not origin.copied:
            return _whole(origin, self._shown)
        ending = self._origin(max(start, end - 1))
        if ending.path != origin.path:
            ending = origin
        return _place(origin.path, self._within(origin, start), self._behind(ending, end))

    def _origin(self, offset: int) -> Origin:
        return self._source.origins[max(0, bisect_right(self._starts, offset) - 1)]

    def _behind(self, origin: Origin, end: int) -> Position:
        if origin.copied:
            return self._within(origin, end)
        return Position(origin.end_line or origin.line, origin.end_column or origin.column)

    def _within(self, origin: Origin, offset: int) -> Position:
        offset = min(max(offset, origin.start), origin.end)
        base, here = self._lines.position(origin.start), self._lines.position(offset)
        if here.line == base.line:
            return Position(origin.line, origin.column + here.column - base.column)
        return Position(origin.line + here.line - base.line, here.column)


def _whole(origin: Origin, shown: Lines) -> Place:
    first = Position(origin.line, origin.column)
    if origin.end_line:
        return _place(origin.path, first, Position(origin.end_line, origin.end_column))
    known = 1 <= origin.line <= len(shown)
    width = len(shown.line(origin.line)) + 1 if known else 0
    return _place(origin.path, first, Position(origin.line, max(origin.column, width)))


def _place(path: str, first: Position, last: Position) -> Place:
    return Place(path=path, line=first.line, column=first.column, end_line=last.line, end_column=last.column)
