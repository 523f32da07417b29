"""What ALTER TABLE does to one column."""

from typing import TypedDict

from migsafe.sql.cursor import Cursor
from migsafe.sql.expressions import expression
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AlterColumnType,
    DropDefault,
    DropNotNull,
    Operation,
    OtherTableAction,
    SetDefault,
    SetNotNull,
)
from migsafe.sql.types import type_name


class Where(TypedDict):
    """What every action of one ALTER TABLE has in common."""

    table: Name
    if_exists: bool
    only: bool


def alter_column(cursor: Cursor, column: str, where: Where) -> Operation:
    """The action behind `ALTER [COLUMN] name`."""
    if cursor.take("type") or cursor.take("set", "data", "type"):
        return _type(cursor, column, where)
    if cursor.take("set", "default"):
        return SetDefault(**where, column=column, default=expression(_to_comma(cursor)))
    if cursor.take("drop", "default"):
        return DropDefault(**where, column=column)
    if cursor.take("set", "not", "null"):
        return SetNotNull(**where, column=column)
    if cursor.take("drop", "not", "null"):
        return DropNotNull(**where, column=column)
    action, detail = _other(cursor)
    return OtherTableAction(**where, action=f"ALTER COLUMN {action}", column=column, detail=detail)


def _type(cursor: Cursor, column: str, where: Where) -> Operation:
    new = type_name(cursor)
    collation = cursor.name("a collation") if cursor.take("collate") else None
    using = expression(_to_comma(cursor)) if cursor.take("using") else None
    return AlterColumnType(**where, column=column, type=new, using=using, collation=collation)


def _to_comma(cursor: Cursor) -> Cursor:
    return cursor.until(lambda here: here.word() == ",")


def _other(cursor: Cursor) -> tuple[str, str]:
    """The words of an action that needs no type of its own, and its details."""
    if cursor.take("set", "statistics"):
        return "SET STATISTICS", _checked(cursor, "statistics_target")
    if cursor.take("set", "storage"):
        return "SET STORAGE", cursor.identifier("a storage mode", label=True)
    if cursor.take("set", "compression"):
        return "SET COMPRESSION", cursor.identifier("a compression method", label=True)
    if cursor.take("set", "expression"):
        cursor.expect("as")
        return "SET EXPRESSION", cursor.inside().source()
    if cursor.take("drop", "expression"):
        cursor.skip_if_exists()
        return "DROP EXPRESSION", ""
    if cursor.take("drop", "identity"):
        cursor.skip_if_exists()
        return "DROP IDENTITY", ""
    if cursor.take("add", "generated"):
        if not cursor.take("always"):
            cursor.expect("by", "default")
        cursor.expect("as", "identity")
        return "ADD GENERATED AS IDENTITY", _checked(
            cursor, "identity_sequence"
        ) if cursor.word() == "(" else ""
    if cursor.word() in {"set", "reset"} and cursor.word(1) == "(":
        return cursor.next().value.upper(), _checked(cursor, "storage")
    if cursor.take("options"):
        cursor.at -= 1
        return "OPTIONS", _checked(cursor, "foreign_changes")
    if cursor.word() in {"set", "restart"}:
        return "SET IDENTITY", _checked(cursor, "identity_changes")
    raise cursor.unexpected("what to do with the column")


def _checked(cursor: Cursor, rule: str) -> str:
    start = cursor.at
    if match_rule(rule, cursor) is None:
        raise cursor.unexpected("options of a column")
    # Options are kept without their brackets.
    first = (
        start + 1 if cursor.words[start] == "(" else start + 2 if cursor.words[start] == "options" else start
    )
    return cursor.part(first, cursor.at - (first > start)).source()
