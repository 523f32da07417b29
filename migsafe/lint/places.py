"""Where a range of a script's SQL stands for people: in the SQL itself, or in the code that makes it."""

from bisect import bisect_right
from dataclasses import dataclass

from migsafe.sources.model import Origin, Source
from migsafe.sql.position import Lines, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A range in a file. `is_copied`: it is this very SQL that stands there."""

    path: str
    start: Position
    end: Position
    is_copied: bool = True


class Places:
    """Finds the places of one source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lines = Lines(source.text)
        self._starts = [origin.start for origin in source.origins]

    def place(self, start: int, end: int) -> Place:
        """Where this range of the source's text stands."""
        first, last = self._lines.position(start), self._lines.position(end)
        if not self._source.origins:
            return Place(path=self._source.path, start=first, end=last)
        origin = self._origin(start)
        if not origin.copied:
            begin = Position(origin.line, origin.column)
            stop = Position(origin.end_line, origin.end_column) if origin.end_line else begin
            return Place(path=origin.path, start=begin, end=stop, is_copied=False)
        return Place(
            path=origin.path,
            start=self._moved(origin, first),
            end=self._moved(origin, self._lines.position(min(end, origin.end))),
        )

    def _origin(self, offset: int) -> Origin:
        """The origin that the offset is in, or the last one before it."""
        return self._source.origins[max(0, bisect_right(self._starts, offset) - 1)]

    def _moved(self, origin: Origin, position: Position) -> Position:
        begin = self._lines.position(origin.start)
        if position.line == begin.line:
            return Position(origin.line, origin.column + position.column - begin.column)
        return Position(origin.line + position.line - begin.line, position.column)
