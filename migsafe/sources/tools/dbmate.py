"""dbmate: `-- migrate:up` and `-- migrate:down`.

Each half runs in a transaction unless its marker says `transaction:false`.
https://github.com/amacneil/dbmate#migration-options
"""

import re

from migsafe.sources.settings import Direction
from migsafe.sources.tools.marked import Marked
from migsafe.sources.tools.sections import only, sections

MARKER = re.compile(r"(?im)^--[ \t]*migrate:(?P<direction>up|down)(?P<options>[ \t]+[^\r\n]*)?[ \t]*(?=\r?$)")
_NO_TRANSACTION = re.compile(r"(?i)\btransaction:false\b")


def mark(text: str, direction: Direction) -> Marked:
    """The half of a dbmate file that runs."""
    parts = sections(text, MARKER)
    own = [part for part in parts if part.direction is direction]
    return Marked(
        text=only(text, parts, direction, marker=MARKER),
        in_transaction=not any(_NO_TRANSACTION.search(part.options) for part in own),
        applies=bool(own) or direction is Direction.UP,
    )
