"""Views, foreign tables and schemas: statements that hold a query, a table or other statements.

https://www.postgresql.org/docs/current/sql-createview.html
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from migsafe.sql.changes import CreateSchema, CreateView, SchemaChange
from migsafe.sql.cursor import Cursor
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    CreateTable,
    Operation,
    OtherStatement,
)
from migsafe.sql.read.alter_table import all_in_tablespace, alter_relation
from migsafe.sql.read.create_table import create_table
from migsafe.sql.read.data import query_of

Part = TypeVar("Part", bound=Operation | SchemaChange)
_KINDS = (("materialized", "view"), ("foreign", "table"), ("view",))


def create_view(cursor: Cursor) -> tuple[Operation, ...] | None:
    """CREATE VIEW or CREATE MATERIALIZED VIEW, or None when none stands here."""
    start = cursor.at
    cursor.expect("create")
    or_replace = cursor.take("or", "replace")
    cursor.take_any("local", "global")
    temporary = bool(cursor.take_any("temporary", "temp"))
    cursor.take("unlogged")
    recursive = cursor.take("recursive")
    materialized = cursor.take("materialized")
    if not cursor.take("view"):
        cursor.at = start
        return None
    if materialized and (or_replace or temporary or recursive):
        raise cursor.unexpected("a view that can be made so")
    if_not_exists = materialized and cursor.skip_if_not_exists()
    target = cursor.name("a view")
    columns = _columns(cursor) if cursor.word() == "(" else ()
    _storage(cursor, materialized=materialized)
    cursor.expect("as")
    body = cursor.rest()
    filled = _ending(body, materialized=materialized)
    text, query = body.source(), query_of(body)
    return (
        OtherStatement(
            tag="CREATE MATERIALIZED VIEW" if materialized else "CREATE VIEW",
            target=target,
            query=query,
            changes=(
                CreateView(
                    name=target,
                    columns=columns,
                    reads=query.tables,
                    materialized=materialized,
                    temporary=temporary,
                    replaces=or_replace,
                    if_not_exists=if_not_exists,
                    text=text,
                    filled=filled,
                ),
            ),
        ),
    )


def _columns(cursor: Cursor) -> tuple[str, ...]:
    inside = cursor.inside()
    columns = inside.listed(lambda here: here.identifier("a column"))
    inside.expect_end()
    return columns


def _storage(cursor: Cursor, *, materialized: bool) -> None:
    if materialized and cursor.take("using"):
        cursor.identifier("an access method")
    if cursor.take("with") and match_rule("storage", cursor) is None:
        raise cursor.unexpected("options of a view")
    if materialized and cursor.take("tablespace"):
        cursor.identifier("a tablespace")


def _ending(body: Cursor, *, materialized: bool) -> bool:
    """Cuts off what may follow the query; whether the view is filled."""
    endings: tuple[tuple[str, ...], ...] = (
        (("with", "no", "data"), ("with", "data"))
        if materialized
        else (("with", "local", "check", "option"), ("with", "cascaded", "check", "option"))
    )
    if not materialized:
        endings = (*endings, ("with", "check", "option"))
    for ending in endings:
        first = body.end - len(ending)
        if first > body.at and tuple(body.words[first : body.end]) == ending:
            body.end = first
            return ending != ("with", "no", "data")
    return True


def alter_or_drop_relation(cursor: Cursor) -> tuple[Operation, ...] | None:
    """ALTER or DROP of a view, materialized view or foreign table, or None when none stands here."""
    verb = cursor.word()
    for words in _KINDS:
        if cursor.at_words(verb, *words):
            cursor.at += 1 + len(words)
            tag = f"{verb} {' '.join(words)}".upper()
            return _drop(cursor, tag) if verb == "drop" else _alter(cursor, tag)
    return None


def _drop(cursor: Cursor, tag: str) -> tuple[Operation, ...]:
    if_exists = cursor.skip_if_exists()
    names = cursor.listed(lambda here: here.name())
    cascade = cursor.cascade()
    cursor.expect_end()
    return tuple(OtherStatement(tag=tag, target=name, if_exists=if_exists, cascade=cascade) for name in names)


def _alter(cursor: Cursor, tag: str) -> tuple[Operation, ...]:
    if tag == "ALTER MATERIALIZED VIEW" and cursor.take("all", "in", "tablespace"):
        return all_in_tablespace(cursor, tag)
    return (wrapped(tag, alter_relation(cursor)),)


def wrapped(tag: str, actions: tuple[Operation, ...]) -> OtherStatement:
    """What ALTER TABLE's reader made of an ALTER of something else."""
    first = actions[0]
    target: Name | None = getattr(first, "table", None)
    if_exists = bool(getattr(first, "if_exists", False))
    return OtherStatement(tag=tag, target=target, actions=actions, if_exists=if_exists)


def create_foreign_table(cursor: Cursor) -> tuple[Operation, ...] | None:
    """CREATE FOREIGN TABLE, or None: the table inside is the one action."""
    if not cursor.take("create", "foreign", "table"):
        return None
    (table,) = create_table(cursor, temporary=False, foreign=True)
    target = table.table if isinstance(table, CreateTable) else None
    return (OtherStatement(tag="CREATE FOREIGN TABLE", target=target, actions=(table,)),)


def create_schema(
    cursor: Cursor, read_inner: Callable[[Cursor], tuple[Operation, ...]]
) -> tuple[Operation, ...] | None:
    """CREATE SCHEMA and the statements in it, whose objects go into the schema; None for all else."""
    if not cursor.take("create", "schema"):
        return None
    if_not_exists = cursor.skip_if_not_exists()
    name = cursor.identifier("a schema") if cursor.word() != "authorization" else ""
    if cursor.take("authorization"):
        role = cursor.identifier("a role", label=True)
        name = name or role
    change = CreateSchema(name=name, if_not_exists=if_not_exists)
    found: list[Operation] = [OtherStatement(tag="CREATE SCHEMA", changes=(change,))]
    while not cursor.done:
        if cursor.word() not in {"create", "grant"} or if_not_exists:
            raise cursor.unexpected("CREATE or GRANT")
        start = cursor.at
        cursor.at += 1
        cursor.until(lambda here: here.word() in {"create", "grant"} and _starts(here))
        found += [_in_schema(operation, name) for operation in read_inner(cursor.part(start, cursor.at))]
    return tuple(found)


def _starts(cursor: Cursor) -> bool:
    if cursor.word() == "grant":
        return cursor.word(-1) != "with"
    ahead = 1
    while cursor.word(ahead) in {"or", "replace", "temp", "temporary", "unlogged", "unique", "recursive"}:
        ahead += 1
    return cursor.word(ahead) in {
        "table",
        "view",
        "index",
        "sequence",
        "trigger",
        "materialized",
        "constraint",
    }


def _in_schema(operation: Operation, schema: str) -> Operation:
    """An operation inside CREATE SCHEMA: names without a schema are in it."""
    if getattr(operation, "temporary", False) or not schema:
        return operation
    if isinstance(operation, OtherStatement):
        if any(getattr(change, "temporary", False) for change in operation.changes):
            return operation
        changes = tuple(_named_in(change, schema) for change in operation.changes)
        return replace(_named_in(operation, schema), changes=changes)
    return _named_in(operation, schema)


def _named_in(part: Part, schema: str) -> Part:
    """The same, whose object or table is in the schema where it is named without one."""
    names = {field: getattr(part, field, None) for field in ("name", "table", "target")}
    put = {
        field: Name(name.name, schema)
        for field, name in names.items()
        if isinstance(name, Name) and name.schema is None
    }
    return replace(part, **put) if put else part
