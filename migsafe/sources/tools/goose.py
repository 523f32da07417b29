"""goose: `-- +goose Up` and its other annotations.

Each file runs in a transaction unless `-- +goose NO TRANSACTION` says otherwise; annotations stand at the
start of a line, in any case. https://pressly.github.io/goose/documentation/annotations
"""

import re

from migsafe.sources.settings import Direction
from migsafe.sources.tools.marked import Marked, instead_of, without_placeholders
from migsafe.sources.tools.sections import only, sections

MARKER = re.compile(r"(?im)^\ufeff?--\s*\+goose[ \t]+(?P<direction>up|down)\b[^\r\n]*")
_NO_TRANSACTION = re.compile(r"(?im)^\ufeff?--\s*\+goose[ \t]+no[ \t]+transaction\b")
_STATEMENT_END = re.compile(r"(?im)^\ufeff?--\s*\+goose[ \t]+statementend\b[^\r\n]*")
_ENVSUB = re.compile(r"(?im)^\ufeff?--\s*\+goose[ \t]+envsub[ \t]+on\b")


def mark(text: str, direction: Direction) -> Marked:
    """The half of a goose file that runs. A statement that an annotation ends gets its semicolon there."""
    parts = sections(text, MARKER)
    shown = only(text, parts, direction, marker=MARKER)
    shown = _STATEMENT_END.sub(lambda found: instead_of(found.group(), ";"), shown)
    if _ENVSUB.search(text):
        shown = without_placeholders(shown)
    return Marked(
        text=shown,
        in_transaction=_NO_TRANSACTION.search(text) is None,
        applies=any(part.direction is direction for part in parts) or direction is Direction.UP,
    )
