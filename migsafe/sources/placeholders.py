"""`${name}` in a script: its value where that is known, else a name of the same length."""

import re
from collections.abc import Mapping

from migsafe.sources.model import Origin
from migsafe.sources.tools.marked import without_placeholders

_PLACEHOLDER = re.compile(r"\$\{(?P<name>[^}\s]+)\}")


def fill(text: str, values: Mapping[str, str], *, path: str) -> tuple[str, tuple[Origin, ...]]:
    """The script with values for placeholders, and where its pieces come from.

    There are no origins when every piece still stands at its own offset.
    """
    from migsafe.sql.position import Lines  # noqa: PLC0415 -- seldom needed, and slow to import

    known = {key.lower(): value for key, value in values.items()}
    pieces: list[str] = []
    origins: list[Origin] = []
    lines = Lines(text)
    done = length = 0

    def add(piece: str, start: int, end: int, *, copied: bool) -> None:
        nonlocal length
        if not piece:
            return
        first, last = lines.position(start), lines.position(end)
        origins.append(
            Origin(
                start=length,
                end=length + len(piece),
                path=path,
                line=first.line,
                column=first.column,
                end_line=last.line,
                end_column=last.column,
                copied=copied,
            )
        )
        pieces.append(piece)
        length += len(piece)

    for found in _PLACEHOLDER.finditer(text):
        value = known.get(found["name"].lower())
        if value is None:
            continue
        add(without_placeholders(text[done : found.start()]), done, found.start(), copied=True)
        add(value, found.start(), found.end(), copied=False)
        done = found.end()
    if not done:
        return without_placeholders(text), ()
    add(without_placeholders(text[done:]), done, len(text), copied=True)
    return "".join(pieces), tuple(origins)
