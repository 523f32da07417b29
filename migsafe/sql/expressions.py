"""Expressions: where one ends, which functions it calls, which columns it reads."""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.keywords import RESERVED, VALUE_FUNCTIONS, words
from migsafe.sql.lex import TokenKind
from migsafe.sql.operations import Expression

# Words that may stand before a bracket without being called, and words between operands.
_GRAMMAR = words(
    """
    all and any array as asc between both by case cast collate cross cube desc distinct else end escape
    except exists false filter for from full group grouping having ilike in inner intersect interval is
    isnull join lateral leading left like limit natural not notnull null nulls of offset on operator or
    order outer over overlaps partition placing precision recursive returning right rollup row rows select
    sets similar some symmetric then to trailing true uescape union unique using values varying when
    where window with within without zone
    """
)
# What a column's DEFAULT may be followed by: PostgreSQL allows no boolean operators there outside brackets.
_AFTER_DEFAULT = words(
    """
    check collate compression constraint default deferrable enforced generated initially not null primary
    references storage unique
    """
)
_NOT_IN_DEFAULT = frozenset({"and", "or", "in", "like", "ilike", "similar"})
_NO_COLUMN = RESERVED | _GRAMMAR
_CONSTANTS = frozenset({TokenKind.STRING, TokenKind.NUMBER})
_OPERATORS = frozenset({"<", ">", "=", "<=", ">=", "<>", "!=", "||", "/", "%", "^", "->", "->>", "::"})
# What needs an operand behind it, and before it.
_NOT_LAST = _OPERATORS | {"+", "-", "and", "or", "not", "in", "like", "between", "case", "when", "then", ","}
_NOT_FIRST = _OPERATORS | {"and", "or", "in", "like", "between", "is", "then", "when", ","}
_CLOSES = frozenset({")", "]", ","})
_OPENS = frozenset({"(", ","})
_DISTINCT_FROM = ("distinct", "from")


def default_expression(cursor: Cursor) -> Expression:
    """The expression of DEFAULT in a column definition: ends where the next constraint begins."""
    first = cursor.at
    cases = 0

    def stop(here: Cursor) -> bool:
        nonlocal cases
        word = here.word()
        if word == "case":
            cases += 1
        elif word == "end":
            cases -= 1
        if here.at == first or cases > 0:
            return False
        if word == "not" and here.at_words(*_DISTINCT_FROM, ahead=1):
            return False
        return word == "," or word in _AFTER_DEFAULT

    found = cursor.until(stop)
    if not _NOT_IN_DEFAULT.isdisjoint(found.words[found.at : found.end]):
        _check_default(found)
    return expression(found)


def _check_default(cursor: Cursor) -> None:
    """A DEFAULT has no boolean operators outside brackets: https://www.postgresql.org/docs/current/sql-createtable.html."""
    outside = cursor.part(cursor.at, cursor.end)
    cases = 0
    while not outside.done:
        outside.before("case", "end", *_NOT_IN_DEFAULT)
        cases += {"case": 1, "end": -1}.get(outside.word(), 0)
        if not cases and outside.word() in _NOT_IN_DEFAULT:
            raise outside.unexpected("brackets around it")
        outside.at += 1


def expression(cursor: Cursor) -> Expression:
    """All that is left of a cursor as one expression."""
    if cursor.done:
        raise Unreadable("expected an expression")
    _check(cursor)
    return _analysed(cursor)


def functions_called(cursor: Cursor) -> tuple[str, ...]:
    """The functions called anywhere in what is left of a cursor."""
    return _analysed(cursor).functions if not cursor.done else ()


def _analysed(cursor: Cursor) -> Expression:  # noqa: C901, PLR0912 -- the inner loop of reading: calls cost
    tokens, words, kinds = cursor.tokens, cursor.words, cursor.tokens.kinds
    first, end = cursor.at, cursor.end
    functions: dict[str, None] = {}
    columns: dict[str, None] = {}
    for index in range(first, end):
        kind = kinds[index]
        if kind is not TokenKind.WORD and kind is not TokenKind.QUOTED:
            continue
        value = words[index] or tokens.value(index)
        if kind is TokenKind.QUOTED and _is_placeholder(tokens.text, tokens.starts[index]):
            functions[value] = None  # it may stand for anything, also for a call
            continue
        before = words[index - 1] if index > first else ""
        after = words[index + 1] if index + 1 < end else ""
        if after == "." or _names_a_type(cursor, index):
            continue
        if after == "(" and (kind is TokenKind.QUOTED or value not in _GRAMMAR):
            functions[_called(cursor, index, value)] = None
        elif kind is TokenKind.QUOTED:
            if before != "collate":
                columns[value] = None
        elif value in VALUE_FUNCTIONS:
            functions[value] = None
        elif value == "time" and before == "at":
            functions["timezone"] = None
        elif value not in _NO_COLUMN and before != "collate":
            is_string_after = index + 1 < end and tokens.text.startswith("'", tokens.starts[index + 1])
            if before == "at" or is_string_after:
                if value not in {"time", "local"}:
                    columns[value] = None
            # `timestamp '...'`, `from` parts of extract(year from x) and `at time zone`.
            elif value not in {"at", "zone"} and after != "from":
                columns[value] = None
    return Expression(
        text=cursor.source(),
        functions=tuple(functions),
        columns=tuple(columns),
        is_null_constant=_is_null(words, first, end),
    )


def _is_placeholder(text: str, start: int) -> bool:
    return text[start] != '"' and text[start : start + 3] not in {'u&"', 'U&"'}


def _check(cursor: Cursor) -> None:
    """Finds what can be no expression, whatever its names stand for: not all of it, but no false alarm."""
    words, kinds = cursor.words, cursor.tokens.kinds
    first, last = words[cursor.at], words[cursor.end - 1]
    if (
        (first in _NOT_FIRST and not _is_name(cursor, cursor.at))
        or last in _NOT_LAST
        or (last == "*" and cursor.end - cursor.at > 1 and words[cursor.end - 2] != ".")
    ):
        raise cursor.unexpected("an expression")
    depth = 0
    for index in range(cursor.at, cursor.end):
        word = words[index]
        if word in {"(", "["}:
            depth += 1
        elif word in {")", "]"}:
            depth -= 1
        elif word == "," and depth == 0:
            raise Unreadable("a comma does not belong into an expression")
        if index == cursor.at:
            continue
        before = words[index - 1]
        misplaced = before in _OPENS and word in _NOT_FIRST and not _is_name(cursor, index)
        if misplaced or (word in _CLOSES and before in _NOT_LAST):
            raise Unreadable(f"expected an operand between {before!r} and {word!r}")
        if kinds[index] in _CONSTANTS and kinds[index - 1] in _CONSTANTS:
            raise Unreadable("two constants follow each other")


def _is_name(cursor: Cursor, index: int) -> bool:
    """Whether IS or LIKE stands for a function, or for a type with its constant: both may have such a name.

    https://www.postgresql.org/docs/current/sql-keywords-appendix.html
    """
    if cursor.words[index] not in {"is", "like"} or index + 1 >= cursor.end:
        return False
    start = cursor.tokens.starts[index + 1]
    return cursor.tokens.text[start : start + 3].lower().startswith(("(", "'", "e'", "u&'", "$"))


def _called(cursor: Cursor, index: int, name: str) -> str:
    if index >= cursor.at + 2 and cursor.words[index - 1] == ".":
        schema = cursor.tokens.value(index - 2)
        return name if schema == "pg_catalog" else f"{schema}.{name}"
    return name


def _names_a_type(cursor: Cursor, index: int) -> bool:
    """Whether this word is part of a type: after :: or after CAST's AS, with a schema or not."""
    words, first = cursor.words, cursor.at
    while index >= first + 2 and words[index - 1] == ".":
        index -= 2
    if index == first:
        return False
    before = words[index - 1]
    if before in {"::", "as"}:
        return True
    # The second word of a type of several words: `::double precision`, `::timestamp with time zone`.
    return (
        index >= first + 2 and words[index] in {"precision", "varying"} and _names_a_type(cursor, index - 1)
    )


def _is_null(words: list[str], first: int, end: int) -> bool:
    while first < end and words[first] in {"(", "cast"}:
        first += 1
    if first >= end or words[first] != "null":
        return False
    first += 1
    while first < end and words[first] == ")":
        first += 1
    return first == end or words[first] in {"::", "as"}
