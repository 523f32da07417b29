"""What a table's own constraints prove, so that PostgreSQL need not read its rows."""

from collections.abc import Iterator

from migsafe.catalog.model import Table
from migsafe.sql.lex import Token, TokenKind, Unlexable, lex
from migsafe.sql.operations import ConstraintKind


def proves_not_null(table: Table, column: str, *, of_rows: bool = False) -> bool:
    """Whether the column cannot hold NULL: it is NOT NULL, or a validated constraint says so.

    A CHECK of a column `of_rows` proves nothing: IS NOT NULL asks for each field of a row.

    https://www.postgresql.org/docs/current/sql-altertable.html (SET NOT NULL)
    """
    known = table.column(column)
    if known is not None and known.not_null:
        return True
    for constraint in table.constraints:
        if not constraint.validated:
            continue
        if constraint.kind is ConstraintKind.NOT_NULL and column in constraint.columns:
            return True
        if of_rows:
            continue
        if constraint.kind is ConstraintKind.CHECK and column in _not_null_columns(constraint.definition):
            return True
    return False


def _not_null_columns(check: str) -> frozenset[str]:
    """The columns that CHECK (a IS NOT NULL AND ...) names: every part that ANDs join must hold."""
    try:
        tokens = list(lex(check))
    except Unlexable:
        return frozenset()
    if tokens and tokens[0].value == "check":
        del tokens[0]
    # NO INHERIT or NOT VALID behind the condition says nothing about its parts.
    found = (_not_null_column(part) for part in _parts(_inside(tokens)))
    return frozenset(column for column in found if column)


def _inside(tokens: list[Token]) -> list[Token]:
    """The tokens between the first bracket and the one that closes it."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += _step(token)
        if depth == 0:
            return tokens[1:index]
    return []


def _parts(tokens: list[Token]) -> Iterator[list[Token]]:
    """What top-level ANDs join; nothing when there is an OR, which proves nothing by its parts."""
    while tokens and tokens[0].value == "(" and len(_inside(tokens)) == len(tokens) - 2:
        tokens = tokens[1:-1]
    depth, part, parts = 0, list[Token](), list[list[Token]]()
    for token in tokens:
        depth += _step(token)
        if depth == 0 and token.kind is TokenKind.WORD and token.value in {"or", "case", "between"}:
            return
        if depth == 0 and token.kind is TokenKind.WORD and token.value == "and":
            parts.append(part)
            part = []
        else:
            part.append(token)
    yield from (*parts, part)


def _step(token: Token) -> int:
    if token.kind is not TokenKind.OTHER:
        return 0
    return {"(": 1, ")": -1}.get(token.value, 0)


def _not_null_column(part: list[Token]) -> str | None:
    while len(part) > 1 and part[0].value == "(" and part[-1].value == ")":
        part = part[1:-1]
    if len(part) == 2 and part[1].value == "notnull":
        return part[0].value
    is_name = bool(part) and part[0].kind in {TokenKind.WORD, TokenKind.QUOTED}
    words = [token.value for token in part[1:] if token.kind is TokenKind.WORD]
    return part[0].value if is_name and len(part) == 4 and words == ["is", "not", "null"] else None
