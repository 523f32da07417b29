"""node-pg-migrate's SQL files: `-- Up Migration` and `-- Down Migration`.

Without markers the whole file is the up half. Each file runs in a transaction: only its JavaScript
migrations can say `noTransaction`. https://salsita.github.io/node-pg-migrate/migrations/
"""

import re

from migsafe.sources.settings import Direction
from migsafe.sources.tools.marked import Marked, blank
from migsafe.sources.tools.sections import only, sections

MARKER = re.compile(r"(?im)^\ufeff?[ \t]*--[ \t-]*(?P<direction>up|down)[ \t]+migration[^\r\n]*")


def mark(text: str, direction: Direction) -> Marked:
    """The half of a node-pg-migrate file that runs."""
    parts = sections(text, MARKER)
    if not parts:
        up = direction is Direction.UP
        return Marked(text=text if up else blank(text), in_transaction=True, applies=up)
    return Marked(
        text=only(text, parts, direction, marker=MARKER),
        in_transaction=True,
        applies=any(part.direction is direction for part in parts),
    )
