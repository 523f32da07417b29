"""dbmate: `-- migrate:up` and `-- migrate:down`.

Each half runs in a transaction unless its marker says `transaction:false`. Even then it goes to the server
as one message, which is a transaction if it has several statements (tried with dbmate 2.36).
https://github.com/amacneil/dbmate#migration-options
"""

import re

from migsafe.sources.settings import Direction
from migsafe.sources.tools.batch import is_transaction
from migsafe.sources.tools.marked import Marked
from migsafe.sources.tools.sections import only, sections

MARKER = re.compile(
    r"(?im)^\ufeff?--[ \t]*migrate:(?P<direction>up|down)(?P<options>[ \t]+[^\r\n]*?)?[ \t]*(?=\r|\n|\Z)"
)
_NO_TRANSACTION = re.compile(r"(?i)\btransaction:false\b")


def mark(text: str, direction: Direction) -> Marked:
    """The half of a dbmate file that runs."""
    parts = sections(text, MARKER)
    own = [part for part in parts if part.direction is direction]
    shown = only(text, parts, direction, marker=MARKER)
    opted_out = any(_NO_TRANSACTION.search(part.options) for part in own)
    return Marked(
        text=shown,
        in_transaction=is_transaction(shown) if opted_out else True,
        applies=bool(own) or direction is Direction.UP,
    )
