"""Expressions over the columns of a row, read from a row variable of a trigger instead."""

from collections.abc import Collection, Iterator, Mapping

from migsafe.errors import SqlError
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import expression
from migsafe.sql.lex import TokenKind, Tokens, Unlexable, lex
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import Expression

_NAMES = frozenset({TokenKind.WORD, TokenKind.QUOTED})
_TYPE_COMES = frozenset({"::", "as"})
_TWO_WORDS = frozenset({"precision", "varying"})


def read_expression(text: str) -> Expression:
    """An expression that somebody wrote, with what it calls and reads.

    Raises:
        SqlError: It is none, or it looks into tables.
    """
    try:
        cursor = Cursor(text, lex(text))
        found = expression(cursor)
    except (Unlexable, Unreadable) as error:
        raise SqlError(f"{text!r} is not an expression that can be read: {error}") from error
    if "select" in cursor.words:
        raise SqlError(f"{text!r} looks into tables; only the columns of the same row can be read")
    return found


def of_row(text: str, columns: Mapping[str, str], row: str, *, qualifiers: Collection[str] = ()) -> str:
    """The expression with its columns read from `row` (NEW, OLD), or from no variable when that is empty.

    `columns` are those of the table, each by the name that it has now. `qualifiers` are the names under which
    the expression may speak of the table.

    Raises:
        SqlError: The expression cannot be read, or reads something that is not in the row.
    """
    try:
        tokens = lex(text)
    except Unlexable as error:
        raise SqlError(f"cannot read {text!r}: {error}") from error
    pieces: list[str] = []
    at = 0
    for first, last, name in _columns(tokens, columns, qualifiers):
        quoted = quote_identifier(columns[name])
        pieces += [text[at : tokens.starts[first]], f"{row}.{quoted}" if row else quoted]
        at = tokens.ends[last]
    return "".join((*pieces, text[at:]))


def _columns(
    tokens: Tokens, columns: Collection[str], qualifiers: Collection[str]
) -> Iterator[tuple[int, int, str]]:
    """Every use of a column: its first and its last token, and the column."""
    index = 0
    while index < len(tokens.words):
        first, index = index, index + 1
        if tokens.kinds[first] not in _NAMES or _is_no_column(tokens, first):
            continue
        if _word(tokens, first + 1) == ".":
            index = first + 3
            if _word(tokens, index) == "(":
                continue  # a function with its schema
            if tokens.value(first) not in qualifiers or tokens.value(first + 2) not in columns:
                raise SqlError(f"{tokens.value(first)}.{tokens.value(first + 2)} is not a column of the row")
            yield first, first + 2, tokens.value(first + 2)
        elif tokens.value(first) in columns:
            yield first, first, tokens.value(first)


def _is_no_column(tokens: Tokens, index: int) -> bool:
    before, after = _word(tokens, index - 1), _word(tokens, index + 1)
    if after == "(" or before in {".", "collate"} or _names_a_type(tokens, index):
        return True
    if after == "from" and before == "(":
        return _word(tokens, index - 2) == "extract"
    if _in_time_zone(tokens, index):
        return True
    is_word = tokens.kinds[index] is TokenKind.WORD
    return is_word and index + 1 < len(tokens.kinds) and tokens.kinds[index + 1] is TokenKind.STRING


def _in_time_zone(tokens: Tokens, index: int) -> bool:
    """AT TIME ZONE and AT LOCAL are no columns."""
    if tokens.words[index] == "zone":
        return _word(tokens, index - 1) == "time" and _word(tokens, index - 2) == "at"
    return tokens.words[index] in {"time", "local"} and _word(tokens, index - 1) == "at"


def _names_a_type(tokens: Tokens, index: int) -> bool:
    while index >= 2 and _word(tokens, index - 1) == ".":
        index -= 2
    if _word(tokens, index - 1) in _TYPE_COMES:
        return True
    return index >= 2 and tokens.words[index] in _TWO_WORDS and _names_a_type(tokens, index - 1)


def _word(tokens: Tokens, index: int) -> str:
    return tokens.words[index] if 0 <= index < len(tokens.words) else ""
