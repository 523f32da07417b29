"""The names of the columns that a query gives, as far as its text tells them."""

from migsafe.sql.lex import Token, TokenKind, Unlexable, lex

_DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}
_ENDS = frozenset(
    {"from", "where", "group", "having", "window", "union", "intersect", "except", "order", "limit"}
    | {"offset", "fetch", "for"}
)


def output_names(query: str) -> tuple[str, ...] | None:
    """The columns of a SELECT, in order; None when the text alone does not tell them (`SELECT *`)."""
    try:
        tokens = tuple(lex(query))
    except Unlexable:
        return None
    items = _items(tokens)
    names = [_name(item) for item in items] if items else []
    found = [name for name in names if name is not None]
    return tuple(found) if found and len(found) == len(names) else None


def _items(tokens: tuple[Token, ...]) -> list[tuple[Token, ...]] | None:
    """What stands between SELECT and FROM, cut at the commas."""
    at = _first_select(tokens)
    if at is None:
        return None
    items: list[tuple[Token, ...]] = []
    depth, first = 0, at
    for index in range(at, len(tokens)):
        word = _word(tokens[index])
        depth += _DEPTH.get(word, 0)
        if depth == 0 and (word == "," or word in _ENDS):
            items.append(tokens[first:index])
            first = index + 1
            if word != ",":
                return items
    return [*items, tokens[first:]]


def _first_select(tokens: tuple[Token, ...]) -> int | None:
    """Where the list begins: behind the first SELECT that stands in no bracket, and its DISTINCT."""
    depth = 0
    for index, token in enumerate(tokens):
        word = _word(token)
        depth += _DEPTH.get(word, 0)
        if depth == 0 and word == "select":
            behind = _word(tokens[index + 1]) if index + 1 < len(tokens) else ""
            if behind == "distinct" and index + 2 < len(tokens) and _word(tokens[index + 2]) == "on":
                return None
            return index + 1 + (behind in {"distinct", "all"})
    return None


def _name(item: tuple[Token, ...]) -> str | None:
    if len(item) > 1 and _word(item[-2]) == "as":
        return item[-1].value
    plain = all(
        (_word(token) == ".") if place % 2 else token.kind in {TokenKind.WORD, TokenKind.QUOTED}
        for place, token in enumerate(item)
    )
    return item[-1].value if plain and len(item) % 2 else None


def _word(token: Token) -> str:
    return token.value if token.kind in {TokenKind.WORD, TokenKind.OTHER} else ""
