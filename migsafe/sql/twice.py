"""Columns that a statement gives a value twice: PostgreSQL refuses that."""

from collections import Counter
from collections.abc import Sequence

from migsafe.sql.lex import Token, TokenKind
from migsafe.sql.statement_tokens import tokens_of


def columns_given_twice(text: str) -> tuple[str, ...]:
    """The columns that an INSERT names twice, or an UPDATE sets twice: PostgreSQL refuses both."""
    first = text[:6].lower()
    if first == "insert":
        head, bracket, _ = text.partition(")")  # of the list of columns, or of the first row
        names = _insert_columns(tokens_of(head + bracket))
    elif first == "update" and text.count("=") > 1:
        names = _set_columns(tokens_of(text))
    else:
        return ()
    return tuple(name for name, count in Counter(names).items() if count > 1)


def _insert_columns(tokens: Sequence[Token]) -> list[str]:
    """The names in the first bracket of INSERT INTO t (a, b)."""
    start = next((at for at, token in enumerate(tokens) if token.value == "("), None)
    if start is None or any(token.value in {"select", "values", "with"} for token in tokens[:start]):
        return []
    names: list[str] = []
    for before, token in zip(tokens[start:], tokens[start + 1 :], strict=False):
        if token.kind is TokenKind.OTHER and token.value not in {",", "."}:
            break
        if before.value in {"(", ","}:
            names.append(token.value)
    return names if not {"select", "values", "with", "table"} & set(names[:1]) else []


def _set_columns(tokens: Sequence[Token]) -> list[str]:
    """The names before = in UPDATE t SET a = 1, b = 2; other forms are left alone."""
    start = next((at for at, token in enumerate(tokens) if token.value == "set"), len(tokens))
    depth = 0
    names: list[str] = []
    for before, token, after in zip(tokens[start:], tokens[start + 1 :], tokens[start + 2 :], strict=False):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(before.value, 0)
        if depth == 0 and before.value in {"where", "from", "returning"}:
            break
        if depth == 0 and before.value in {"set", ","} and after.value == "=":
            names.append(token.value)
    return names
