"""A code frame: the lines of a finding, with marks under what is meant. Safe to print on any terminal."""

import unicodedata
from itertools import pairwise

from migsafe.lint.model import Finding
from migsafe.sql.position import Lines

MAX_LINES = 6
MAX_WIDTH = 120
_TAB = 4


def code_frame(lines: Lines, finding: Finding) -> list[str]:
    """The marked lines of the finding, the first ones and the last if there are many."""
    last = finding.end_line
    if finding.end_column == 1 and last > finding.line:  # the span ends with the line before
        last -= 1
    numbers = list(range(finding.line, last + 1))
    if len(numbers) > MAX_LINES:
        numbers = [*numbers[: MAX_LINES - 1], last]
    gutter = len(str(last))
    frame: list[str] = []
    for before, number in pairwise([numbers[0] - 1, *numbers]):
        if number > before + 1:
            frame.append(f"{'...':>{gutter}} |")
        text = lines.line(number)
        start = finding.column - 1 if number == finding.line else len(text) - len(text.lstrip())
        end = finding.end_column - 1 if number == finding.end_line else len(text.rstrip())
        shown, marks = _mark(text, start, end)
        frame += [f"{number:>{gutter}} | {shown}".rstrip(), f"{'':>{gutter}} | {marks}".rstrip()]
    return frame


def printable(text: str) -> str:
    """The text with every character that could control a terminal replaced by `?`."""
    return "".join("?" if _is_control(character) else character for character in text)


def _mark(text: str, start: int, end: int) -> tuple[str, str]:
    """The part of a line that is worth showing, and the marks that go under it."""
    first = max(0, start - MAX_WIDTH // 2) if end > MAX_WIDTH and start > MAX_WIDTH // 2 else 0
    cut = text[first : first + MAX_WIDTH]
    shown: list[str] = []
    marks: list[str] = []
    for offset, character in enumerate(cut, start=first):
        piece = " " * _TAB if character == "\t" else "?" if _is_control(character) else character
        shown.append(piece)
        marks.append(("^" if start <= offset < max(end, start + 1) else " ") * _width(piece))
    before = "... " if first else ""
    after = " ..." if first + MAX_WIDTH < len(text) else ""
    under = "".join(marks) or "^"
    return f"{before}{''.join(shown)}{after}", f"{' ' * len(before)}{under}".rstrip()


def _width(piece: str) -> int:
    """How many cells of a terminal this takes."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in piece
    )


def _is_control(character: str) -> bool:
    """Control characters, and marks that turn the direction of text around (they can hide SQL)."""
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
