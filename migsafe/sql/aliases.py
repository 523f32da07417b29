"""A statement about the rows of one table, written so that a row goes by the table's name."""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.keywords import FUNCTION_OR_TYPE, RESERVED
from migsafe.sql.lex import TokenKind, lex
from migsafe.sql.names import Name, quote_identifier

_NAMES = (TokenKind.WORD, TokenKind.QUOTED)
_NO_ALIAS = RESERVED | FUNCTION_OR_TYPE | {"cross", "set", "values"}


class NotPlain(Exception):
    """The statement cannot be taken apart: why."""


def take_alias(cursor: Cursor, *next_words: str) -> tuple[str, int, int] | None:
    """Goes over an alias, if one stands before these words: what it is, and the tokens it is written with."""
    first = cursor.at
    if not cursor.take("as") and (cursor.done or cursor.word() in next_words):
        return None
    return cursor.identifier("an alias"), first, cursor.at


def without_alias(cursor: Cursor, table: Name, found: tuple[str, int, int] | None) -> str:
    """The same statement without the alias; what was called by it is called by the table's name.

    Raises:
        NotPlain: Then something else would be meant.
    """
    alias, first, end = found or (table.name, 0, 0)
    tokens, words = cursor.tokens, cursor.words
    parts: list[str] = []
    at = 0
    for index in range(len(words)):
        start, stop = tokens.starts[index], tokens.ends[index]
        if first <= index < end:
            parts += [cursor.text[at:start]]
            at = stop
        elif _is_row(cursor, index, alias, table):
            known = index - 2 * (words[index - 1] == ".")
            parts += [cursor.text[at : tokens.starts[known]], quote_identifier(table.name)]
            at = stop
        elif found:
            _refuse_capture(cursor, index, alias, table)
    return "".join((*parts, cursor.text[at:]))


def _is_row(cursor: Cursor, index: int, alias: str, table: Name) -> bool:
    """Whether the word here is what the row is called, before one of its columns."""
    words, tokens = cursor.words, cursor.tokens
    if cursor.part(index, len(words)).word(1) != "." or not tokens.is_name(index):
        return False
    if words[index - 1] != ".":
        return tokens.value(index) == alias
    schema = tokens.value(index - 2)
    before = words[index - 3] if index >= 3 else ""
    return tokens.value(index) == table.name == alias and schema == table.schema and before != "."


def _refuse_capture(cursor: Cursor, index: int, alias: str, table: Name) -> None:
    """A name in a subquery that would take the row's new name for itself, or that has its old one."""
    words, tokens = cursor.words, cursor.tokens
    if not tokens.is_name(index):
        return
    last = index + 1 >= len(words)
    after = "" if last else words[index + 1]
    value, qualified = tokens.value(index), words[index - 1] == "."
    if value == alias and not qualified and after != "(":
        raise NotPlain(f"{alias} means more than the row of {table}")
    if value != table.name or after == ".":
        return
    has_alias = not last and (after == "as" or (tokens.is_name(index + 1) and after not in _NO_ALIAS))
    if not has_alias and (not qualified or tokens.value(index - 2) == table.schema):
        raise NotPlain(f"{table} is read again without an alias; give one to each of the two")


def own_columns(cursor: Cursor, table: str) -> frozenset[str]:
    """The columns that an expression may read of the row itself: those without another table before them."""
    found: set[str] = set()
    for index in range(cursor.at, cursor.end):
        if cursor.tokens.kinds[index] not in _NAMES:
            continue
        after = cursor.words[index + 1] if index + 1 < cursor.end else ""
        qualified = index > cursor.at and cursor.words[index - 1] == "."
        if after in {".", "("} or (qualified and cursor.tokens.value(index - 2) != table):
            continue
        found.add(cursor.tokens.value(index))
    return frozenset(found)


def relations_of(sources: str) -> tuple[tuple[Name, str], ...]:
    """The tables of a FROM list with the names they go by; what is no plain table of the list is left out."""
    if not sources:
        return ()
    cursor = Cursor(sources, lex(sources))
    found: list[tuple[Name, str]] = []
    while not cursor.done:
        try:
            cursor.take("only")
            name = cursor.name()
            alias = take_alias(cursor, ",", *_NO_ALIAS)
            found.append((name, alias[0] if alias else name.name))
        except Unreadable:
            pass
        cursor.before(",", "join")
        if not cursor.done:
            cursor.next()
    return tuple(found)
