"""Reads what a CREATE, ALTER or DROP of anything but tables and indexes does to the schema."""

from collections.abc import Callable

from migsafe.sql.changes import (
    AttachIndex,
    CreateExtension,
    CreateOnTable,
    CreateTrigger,
    DropObject,
    MoveObject,
    NotFollowed,
    RenameObject,
    SchemaChange,
)
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.names import Name
from migsafe.sql.read import create_functions, create_types

_Reader = Callable[[Cursor], tuple[SchemaChange, ...]]

# Longest first, where one begins another.
_KINDS = (
    *("MATERIALIZED VIEW", "FOREIGN TABLE", "VIEW", "SEQUENCE", "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE"),
    *("AGGREGATE", "ROUTINE", "SCHEMA", "EXTENSION", "TRIGGER", "POLICY", "RULE", "INDEX"),
)
_PREFIXES = frozenset({"or", "replace", "temporary", "temp", "recursive", "constraint", "local", "global"})
_CALLED = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE"})
_ON_TABLE = frozenset({"TRIGGER", "POLICY", "RULE"})
_EVENTS = frozenset({"select", "insert", "update", "delete"})


def schema_changes(whole: Cursor) -> tuple[SchemaChange, ...]:
    """What the statement does to the schema; nothing where it does nothing that a catalog holds."""
    cursor = whole.part(whole.at, whole.end)
    verb = cursor.take_any("create", "alter", "drop")
    prefixes: set[str] = set()
    while verb == "create" and (word := cursor.take_any(*_PREFIXES, "unlogged")):
        prefixes.add(word)
    kind = next((kind for kind in _KINDS if cursor.take(*kind.lower().split())), None)
    if not verb or kind is None:
        return ()
    try:
        match verb:
            case "create":
                return _create(cursor, kind, prefixes)
            case "alter":
                return _alter(cursor, kind)
            case _:
                return _drop(cursor, kind)
    except Unreadable as error:
        return (NotFollowed(reason=f"{verb.upper()} {kind}: {error}"),)


def _create(cursor: Cursor, kind: str, prefixes: set[str]) -> tuple[SchemaChange, ...]:
    temporary = bool(prefixes & {"temporary", "temp"})
    match kind:
        case "SEQUENCE":
            return create_types.sequence(cursor, created=True, temporary=temporary)
        case "TYPE":
            return create_types.create_type(cursor)
        case "DOMAIN":
            return create_types.create_domain(cursor)
        case "AGGREGATE":
            return create_functions.create_aggregate(cursor)
        case "EXTENSION":
            return (_extension(cursor),)
        case "TRIGGER":
            return (_trigger(cursor),)
        case "POLICY" | "RULE":
            name = cursor.identifier()
            return (CreateOnTable(kind=kind, name=name, table=_on_table(cursor)),)
        case "FOREIGN TABLE":
            cursor.skip_if_not_exists()
            name_of = cursor.name("a table")
            return (CreateOnTable(kind=kind, name=name_of.name, table=name_of),)
        case _:
            return (NotFollowed(reason=f"CREATE {kind}"),)


def _extension(cursor: Cursor) -> CreateExtension:
    if_not_exists = cursor.skip_if_not_exists()
    name = cursor.identifier("an extension")
    cursor.until(lambda here: here.word() == "schema")
    schema = cursor.identifier("a schema") if cursor.take("schema") else None
    return CreateExtension(name=name, schema=schema, if_not_exists=if_not_exists)


def _trigger(cursor: Cursor) -> CreateTrigger:
    name = cursor.identifier("a trigger")
    before = cursor.word() == "before"
    cursor.until(lambda here: here.word() == "on")
    cursor.expect("on")
    table = cursor.name("a table")
    row = bool(cursor.until(lambda here: here.word() == "execute" or here.at_words("for"))) and cursor.take(
        "for"
    )
    if row:
        cursor.take("each")
        row = cursor.take("row")
    cursor.until(lambda here: here.word() == "execute")
    cursor.expect("execute")
    cursor.one_of("function", "procedure")
    return CreateTrigger(name=name, table=table, function=cursor.name(), before=before, row=row)


def _on_table(cursor: Cursor) -> Name:
    """The table of a trigger, rule or policy: after ON, or after TO in a rule."""

    def stop(here: Cursor) -> bool:
        return (here.word() == "on" and here.word(1) not in _EVENTS) or here.word() == "to"

    cursor.until(stop)
    cursor.one_of("on", "to")
    return cursor.name("a table")


def _drop(cursor: Cursor, kind: str) -> tuple[SchemaChange, ...]:
    if_exists = cursor.skip_if_exists()
    if kind in _ON_TABLE:
        name = Name(cursor.identifier())
        cursor.expect("on")
        table = cursor.name("a table")
        return (DropObject(kind=kind, name=name, if_exists=if_exists, table=table, cascade=cursor.cascade()),)

    def one(here: Cursor) -> tuple[Name, create_functions.Arguments]:
        name = here.name()
        with_arguments = kind in _CALLED and here.word() == "("
        return name, create_functions.arguments(here.inside()) if with_arguments else None

    found = cursor.listed(one)
    cascade = cursor.cascade()
    return tuple(
        DropObject(kind=kind, name=name, if_exists=if_exists, cascade=cascade, arguments=arguments)
        for name, arguments in found
    )


def _alter(cursor: Cursor, kind: str) -> tuple[SchemaChange, ...]:
    if kind == "INDEX":
        return _alter_index(cursor)
    if kind == "MATERIALIZED VIEW" and cursor.word() == "all":
        return ()
    cursor.skip_if_exists()
    cursor.take("only")
    name = Name(cursor.identifier()) if kind in _ON_TABLE else cursor.name()
    arguments = None
    if kind in _CALLED and cursor.word() == "(":
        arguments = create_functions.arguments(cursor.inside())
    table = cursor.name("a table") if kind in _ON_TABLE and cursor.take("on") else None
    if cursor.take("rename"):
        return (
            _rename(
                cursor, RenameObject(kind=kind, name=name, new_name="", table=table, arguments=arguments)
            ),
        )
    if cursor.take("set", "schema"):
        schema = cursor.identifier("a schema")
        return (MoveObject(kind=kind, name=name, new_schema=schema, arguments=arguments),)
    match kind:
        case "TYPE":
            return create_types.alter_type(cursor, name)
        case "DOMAIN":
            return create_types.alter_domain(cursor, name)
        case "SEQUENCE":
            return create_types.sequence_options(cursor, name)
        case "FUNCTION" | "PROCEDURE" | "ROUTINE":
            return create_functions.alter_function(cursor, name, arguments)
        case _:
            return ()


def _rename(cursor: Cursor, change: RenameObject) -> RenameObject:
    part = part_kind = None
    if not cursor.take("to"):
        part_kind = cursor.take_any("column", "attribute", "value", "constraint") or "column"
        part = cursor.string() if part_kind == "value" else cursor.identifier()
        cursor.expect("to")
    new_name = cursor.string() if part_kind == "value" else cursor.identifier("a new name")
    return RenameObject(
        kind=change.kind,
        name=change.name,
        new_name=new_name,
        part=part,
        part_kind=part_kind,
        table=change.table,
        arguments=change.arguments,
    )


def _alter_index(cursor: Cursor) -> tuple[SchemaChange, ...]:
    cursor.skip_if_exists()
    index = cursor.name("an index")
    if cursor.take("attach", "partition"):
        return (AttachIndex(index=index, partition=cursor.name("an index")),)
    return ()
