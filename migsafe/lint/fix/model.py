"""Edits of a script, as data."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edit:
    """Puts `text` in the place of what stands from `start` to `end` (code points, exclusive)."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """All edits that one repair needs, in order and without overlap; half of them is never right."""

    title: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFixed:
    """Why nothing here may be changed by a machine, and what a person has to look at."""

    reason: str


def make_fix(title: str, edits: Iterable[Edit]) -> Fix:
    """The fix with its edits in order; insertions at one place keep theirs.

    Raises:
        ValueError: Two edits overlap.
    """
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(f"the edits {before} and {after} overlap")
    return Fix(title=title, edits=tuple(ordered))


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits; they are in order and do not overlap."""
    parts: list[str] = []
    at = 0
    for edit in edits:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])
