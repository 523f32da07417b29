"""Puts another column in the place of one in a piece of SQL that PostgreSQL itself wrote."""

from migsafe.errors import SqlError
from migsafe.sql.lex import TokenKind, Tokens, Unlexable, lex
from migsafe.sql.names import quote_identifier


def replace_column(fragment: str, old: str, new: str) -> str:
    """The fragment (of pg_get_constraintdef, pg_get_indexdef) with every use of a column renamed.

    Names of functions, types, collations and fields that happen to be spelled like it stay as they are.

    Raises:
        SqlError: The fragment cannot be read.
    """
    try:
        tokens = lex(fragment)
    except Unlexable as error:
        raise SqlError(f"cannot read {fragment!r}: {error}") from error
    pieces: list[str] = []
    at = 0
    for position, token in enumerate(tokens):
        if token.value == old and _is_column(tokens, position):
            pieces += [fragment[at : token.start], quote_identifier(new)]
            at = token.end
    return "".join((*pieces, fragment[at:]))


def _is_column(tokens: Tokens, position: int) -> bool:
    if tokens[position].kind not in {TokenKind.WORD, TokenKind.QUOTED}:
        return False
    before = tokens[position - 1].value if position else ""
    after = tokens[position + 1].value if position + 1 < len(tokens) else ""
    return before not in {"::", ".", "collate"} and after not in {"(", "."}
