"""ALTER FUNCTION and its like, CREATE AGGREGATE: which overload, and how volatile it is."""

from migsafe.sql.changes import AlterFunction, CreateFunction, SchemaChange
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.definitions import TypeName
from migsafe.sql.lex import TokenKind
from migsafe.sql.names import Name
from migsafe.sql.types import type_name

Arguments = tuple[TypeName, ...] | None
_MODES = ("in", "out", "inout", "variadic")
_VOLATILITIES = ("immutable", "stable", "volatile")


def create_aggregate(cursor: Cursor) -> tuple[SchemaChange, ...]:
    """The statement behind `CREATE AGGREGATE`: they are immutable in pg_proc, and stand in no default."""
    name = cursor.name("a function")
    inside = cursor.inside()
    old_style = any(token.value == "=" for token in inside.tokens[inside.at : inside.end])
    found = () if old_style else _aggregated(inside)
    return (CreateFunction(kind="aggregate", name=name, arguments=found, volatility="immutable"),)


def alter_function(cursor: Cursor, name: Name, given: Arguments) -> tuple[SchemaChange, ...]:
    """What follows the name and arguments in `ALTER FUNCTION`."""
    while not cursor.done:
        token = cursor.next()
        if token.kind is TokenKind.WORD and token.value in _VOLATILITIES:
            return (AlterFunction(name=name, volatility=token.value, arguments=given),)
        if token.kind is TokenKind.WORD and token.value == "set":
            cursor.next()
    return ()


def arguments(inside: Cursor) -> tuple[TypeName, ...]:
    """The types that tell one overload from another: those of the input arguments."""
    if inside.done or inside.word() == "*":
        return ()
    found = inside.listed(_argument)
    inside.expect_end()
    return tuple(each for each in found if each is not None)


def _aggregated(inside: Cursor) -> tuple[TypeName, ...]:
    direct = inside.until(lambda here: here.word() == "order")
    first = arguments(direct)
    return (*first, *arguments(inside)) if inside.take("order", "by") else first


def _argument(cursor: Cursor) -> TypeName | None:
    def end(here: Cursor) -> bool:
        return here.word() in {",", "default", "=", ":="}

    declared = cursor.until(end)
    cursor.until(lambda here: here.word() == ",")
    mode = declared.take_any(*_MODES)
    start = declared.at
    for skip in (0, 1):
        declared.at = start + skip
        if skip and not mode:
            # The mode may stand behind the name.
            mode = declared.take_any(*_MODES)
        try:
            found = type_name(declared)
        except Unreadable:
            continue
        if declared.done:
            return None if mode == "out" else found
        if declared.take("%", "type"):
            raise Unreadable("a type that is copied from a column is not followed")
    raise declared.unexpected("an argument's type")
