"""What is known of the expressions that a person writes: whether they can fail or give NULL.

Only a few shapes are known, which are what names and addresses are made of: columns, constants, `||`,
coalesce, concat and a few functions of text. Everything else may fail and may be NULL.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from migsafe.catalog.model import Catalog
from migsafe.effects.volatility import volatility_of
from migsafe.sql.cursor import Cursor
from migsafe.sql.lex import TokenKind, lex
from migsafe.sql.operations import Expression, TypeName

# Not volatile, but another value at every moment.
OF_THE_MOMENT = frozenset(
    {"now", "current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"}
    | {"transaction_timestamp", "statement_timestamp"}
)
_OF_TEXT = frozenset({"lower", "upper", "btrim", "ltrim", "rtrim", "initcap", "reverse"})
_NAMES = frozenset({TokenKind.WORD, TokenKind.QUOTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """`never_fails`, whatever the row holds; `never_null` where the columns given hold no NULL."""

    never_fails: bool = False
    never_null: bool = False


def is_restless(value: Expression, catalog: Catalog) -> bool:
    """Whether it gives another value every time it is computed."""
    return volatility_of(value, catalog).volatile or bool(OF_THE_MOMENT & {*value.functions})


def known_of(
    value: Expression, target: TypeName, columns: Mapping[str, TypeName], not_null: Collection[str]
) -> Known:
    """What is known of it when its value is put into a column of the type `target`.

    `columns` are those of its row with their types, `not_null` those of them that hold no NULL.
    """
    cursor = Cursor(value.text, lex(value.text))
    found = _joined(cursor, not_null)
    if found is None or not cursor.done:
        return Known()
    # Any other type may refuse a value, or cut it.
    holds_all = target.name in {"text", "character varying"} and not target.modifiers
    holds_all = holds_all and not target.array_dimensions and not target.schema
    alone = plain_column(value)
    return Known(never_fails=holds_all or columns.get(alone) == target, never_null=found)


def plain_column(value: Expression) -> str:
    """The column that the expression is, and nothing else; empty when it is more than that."""
    cursor = Cursor(value.text, lex(value.text))
    if cursor.kind() not in _NAMES or cursor.peek(1) is not None:
        return ""
    return cursor.next().value


def _joined(cursor: Cursor, not_null: Collection[str]) -> bool | None:
    """Whether operands with || between them are never NULL; None when one of them is not known."""
    first = _operand(cursor, not_null)
    while first is not None and cursor.take("||"):
        other = _operand(cursor, not_null)
        first = None if other is None else first and other
    return first


def _operand(cursor: Cursor, not_null: Collection[str]) -> bool | None:
    if cursor.kind() is TokenKind.STRING:
        cursor.at += 1
        return True
    if cursor.at_words("("):
        inner = cursor.inside()
        found = _joined(inner, not_null)
        return found if inner.done else None
    if cursor.kind() not in _NAMES:
        return None
    if cursor.word(1) == "(":
        name = cursor.word()
        cursor.at += 1
        return _call(name, cursor.inside(), not_null)
    column = cursor.next().value
    return None if cursor.word() == "." else column in not_null


def _call(name: str, inside: Cursor, not_null: Collection[str]) -> bool | None:
    arguments: list[bool] = []
    while not arguments or inside.take(","):
        found = _joined(inside, not_null)
        if found is None:
            return None
        arguments.append(found)
    if inside.peek() is not None:
        return None
    match name:
        case "coalesce":
            return any(arguments)
        case "concat":
            return True
        case "concat_ws":
            return arguments[0]
        case _ if name in _OF_TEXT and len(arguments) == 1:
            return arguments[0]
    return None
