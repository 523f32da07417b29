"""The grammar's smallest parts, read from tokens. Each gives what stands there, or None and stays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import default_expression, expression
from migsafe.sql.keywords import FUNCTION_OR_TYPE, RESERVED
from migsafe.sql.lex import TokenKind
from migsafe.sql.names import Name
from migsafe.sql.operations import TypeName
from migsafe.sql.types import type_name

Primitive = Callable[[Cursor], Any]
# What stands behind the name of a type that is that of a column: `t.a%type`.
COPIED = "%type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A routine's parameter: mode is in, out, inout or variadic."""

    type: TypeName
    name: str | None = None
    mode: str = "in"


def _tried(read: Callable[[Cursor], Any]) -> Primitive:
    def tries(cursor: Cursor) -> Any:
        start = cursor.at
        try:
            return read(cursor)
        except Unreadable:
            cursor.at = start
            return None

    return tries


def _name(cursor: Cursor) -> str | None:
    try:
        return cursor.identifier()
    except Unreadable:
        return None


def _label(cursor: Cursor) -> str | None:
    kind = cursor.kind()
    if kind is not TokenKind.WORD and kind is not TokenKind.QUOTED:
        return None
    cursor.at += 1
    return cursor.tokens.value(cursor.at - 1)


def _unreserved(cursor: Cursor) -> str | None:
    """A name that may also be one of the words that name functions and types."""
    if cursor.kind() is TokenKind.WORD and cursor.word() in RESERVED:
        return None
    return _label(cursor)


def _of_kind(kind: TokenKind) -> Primitive:
    def reads(cursor: Cursor) -> str | None:
        if cursor.kind() is not kind:
            return None
        cursor.at += 1
        return cursor.tokens.value(cursor.at - 1)

    return reads


def _number(cursor: Cursor) -> str | None:
    start = cursor.at
    sign = cursor.take_any("-", "+")
    if cursor.kind() is not TokenKind.NUMBER:
        cursor.at = start
        return None
    return sign + cursor.next().text


def _operator(cursor: Cursor) -> str | None:
    """An operator's sign, with a schema or not."""
    start = cursor.at
    while cursor.kind() in {TokenKind.WORD, TokenKind.QUOTED} and cursor.word(1) == ".":
        cursor.at += 2
    word = cursor.word()
    if cursor.kind() is not TokenKind.OTHER or word == "=>" or word[0] not in "+-*/<>=~!@#%^&|`?":
        cursor.at = start
        return None
    cursor.at += 1
    return word


def _brackets(cursor: Cursor) -> Cursor | None:
    if cursor.word() != "(":
        return None
    return cursor.inside()


def _condition(cursor: Cursor) -> Any:
    if cursor.word() != "(":
        return None
    return _tried(lambda here: expression(here.inside()))(cursor)


def _rest(cursor: Cursor) -> Cursor | None:
    return None if cursor.done else cursor.rest()


def _table_name(cursor: Cursor) -> Any:
    """A table in a list in which TABLES IN SCHEMA may also stand."""
    return None if cursor.at_words("tables", "in") else _tried(lambda here: here.name())(cursor)


def _routine_name(cursor: Cursor) -> Name | None:
    """A routine: alone it may be called like one of the words that name functions and types."""
    if cursor.word() in FUNCTION_OR_TYPE and cursor.word(1) != ".":
        return Name(cursor.next().value)
    return cursor.name()


def _object_name(cursor: Cursor) -> Name:
    """The name of something that is in no schema."""
    return Name(cursor.identifier())


def _schema_name(cursor: Cursor) -> str | None:
    """A schema in a list in which TABLES IN SCHEMA may also stand."""
    return None if cursor.at_words("tables", "in") else _name(cursor)


def _class_name(cursor: Cursor) -> Any:
    """An operator class, where NULLS FIRST may also stand."""
    if cursor.word() == "nulls" and cursor.word(1) in {"first", "last"}:
        return None
    return _tried(lambda here: here.name())(cursor)


def _to_comma(cursor: Cursor) -> Any:
    start = cursor.at
    found = cursor.before(",")
    if found.done:
        cursor.at = start
        return None
    return expression(found)


def _value(cursor: Cursor) -> Any:
    return expression(cursor.before(",", ")"))


def _rule_condition(cursor: Cursor) -> Any:
    return expression(cursor.before("do"))


def _column_name(cursor: Cursor) -> tuple[str, ...] | None:
    """A column with its table, and with a schema and a database or not; the server refuses one alone."""
    start = cursor.at
    parts = [cursor.identifier()]
    while cursor.take("."):
        parts.append(cursor.identifier(label=True))
    if len(parts) > 4:
        cursor.at = start
        return None
    return tuple(parts)


def _function_argument(cursor: Cursor) -> Argument:
    """A parameter: mode and name, where they are given, and type."""
    mode = _mode(cursor)
    start = cursor.at
    try:
        alone = _argument_type(cursor)
    except Unreadable:
        alone = None
    if alone is not None and (cursor.done or cursor.word() in _AFTER_ARGUMENT):
        return Argument(mode=mode, type=alone)
    cursor.at = start
    name = _unreserved(cursor)
    if name is None:
        raise cursor.unexpected("a parameter")
    mode = _mode(cursor) if mode == "in" and cursor.word() in _MODES else mode
    return Argument(name=name, mode=mode, type=_argument_type(cursor))


def _mode(cursor: Cursor) -> str:
    # A parameter may be called like a mode only where nothing but its type follows; PostgreSQL reads a mode.
    word = cursor.take_any(*_MODES)
    if word == "in" and cursor.take("out"):
        return "inout"
    return word or "in"


def _argument_type(cursor: Cursor) -> TypeName:
    found = type_name(cursor)
    if cursor.word() == "%":
        cursor.next()
        cursor.expect("type")
        return TypeName(name=f"{found.name}{COPIED}", schema=found.schema)
    return found


_MODES = ("in", "out", "inout", "variadic")
_AFTER_ARGUMENT = frozenset({",", ")", "default", "=", ":=", "order"})

PRIMITIVES: dict[str, Primitive] = {
    "any_operator": _operator,
    "brackets": _brackets,
    "class_name": _class_name,
    "column_name": _tried(_column_name),
    "condition": _condition,
    "default": _tried(default_expression),
    "function_argument": _tried(_function_argument),
    "label": _label,
    "name": _name,
    "number": _number,
    "object_name": _tried(_object_name),
    "qname": _tried(lambda cursor: cursor.name()),
    "rest": _rest,
    "routine_name": _tried(_routine_name),
    "rule_condition": _tried(_rule_condition),
    "schema_name": _schema_name,
    "string": _of_kind(TokenKind.STRING),
    "table_name": _table_name,
    "to_comma": _tried(_to_comma),
    "type": _tried(type_name),
    "unreserved": _unreserved,
    "value": _tried(_value),
}
