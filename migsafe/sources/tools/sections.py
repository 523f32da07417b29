"""Files with an up half and a down half, told apart by marker lines."""

import re
from dataclasses import dataclass

from migsafe.sources.settings import Direction
from migsafe.sources.tools.marked import blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One half: the offsets of what follows its marker, and what else the marker line says."""

    direction: Direction
    start: int
    end: int
    options: str


def sections(text: str, marker: re.Pattern[str]) -> tuple[Section, ...]:
    """The halves in order. The marker's groups `direction` and (if it has any) `options` say what follows."""
    found = list(marker.finditer(text))
    ends = [*(match.start() for match in found), len(text)][1:]
    return tuple(
        Section(
            direction=Direction(match["direction"].lower()),
            start=match.end(),
            end=end,
            options=match.groupdict().get("options") or "",
        )
        for match, end in zip(found, ends, strict=True)
    )


def only(text: str, parts: tuple[Section, ...], direction: Direction, *, marker: re.Pattern[str]) -> str:
    """What stands before the first marker (comments for the whole file) and the halves of one direction."""
    first = marker.search(text)
    if first is None:
        return text
    pieces = [text[: first.start()]]
    at = first.start()
    for part in parts:
        pieces.append(blank(text[at : part.start]))
        inside = text[part.start : part.end]
        pieces.append(inside if part.direction is direction else blank(inside))
        at = part.end
    return "".join(pieces)
