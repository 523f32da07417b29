"""USING expressions that do nothing but name a column or cast it."""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.lex import Unlexable, lex
from migsafe.sql.operations import TypeName
from migsafe.sql.types import type_name

_MAX_DEPTH = 10


def simple_cast(text: str) -> tuple[str, TypeName | None] | None:
    """The column of `c`, and the type of `c::type` or `CAST(c AS type)`; None for everything else."""
    try:
        return _read(Cursor(text, lex(text)), 0)
    except (Unreadable, Unlexable):
        return None


def _read(cursor: Cursor, depth: int) -> tuple[str, TypeName | None] | None:
    if depth > _MAX_DEPTH:
        return None
    if cursor.take("cast"):
        inside = cursor.inside()
        column = inside.identifier()
        inside.expect("as")
        target = type_name(inside)
        inside.expect_end()
        cursor.expect_end()
        return column, target
    inner: tuple[str, TypeName | None] | None
    inner = _read(cursor.inside(), depth + 1) if cursor.word() == "(" else (cursor.identifier(), None)
    if inner is None or cursor.done:
        return inner
    if inner[1] is not None:
        return None
    cursor.expect("::")
    target = type_name(cursor)
    cursor.expect_end()
    return inner[0], target
