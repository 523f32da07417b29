"""A script as its tool would run it, with every character where it stands in the file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_VISIBLE = re.compile(r"[^\r\n]")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_PLACEHOLDER = re.compile(r"\$\{[^}\s]*\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """The text that runs, and whether the tool opens a transaction around it (None: not known).

    `applies` is false when the file has nothing in the direction that was asked for. `parts` are the offsets
    where what is deployed on its own begins, when a file holds several.
    """

    text: str
    in_transaction: bool | None
    applies: bool = True
    parts: tuple[int, ...] = ()


def blank(text: str) -> str:
    """As many spaces as there are characters; line ends stay."""
    return _VISIBLE.sub(" ", text)


def instead_of(text: str, replacement: str) -> str:
    """The replacement, made as long as what it stands for. It must not be longer."""
    return replacement + blank(text[len(replacement) :])


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Every line with its line end, and the offset where it starts."""
    for found in _LINE.finditer(text):
        if found.group():
            yield found.start(), found.group()


def without_placeholders(text: str) -> str:
    """The text with a name of the same length for every `${name}`, so that the SQL can be read."""
    return _PLACEHOLDER.sub(lambda found: "p" + re.sub(r"\W", "_", found.group()[1:]), text)
