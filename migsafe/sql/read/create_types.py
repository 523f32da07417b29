"""CREATE and ALTER of types, domains and sequences."""

from dataclasses import replace

from migsafe.sql.changes import (
    AddLabel,
    AlterDomain,
    ChangeAttribute,
    ChangeSequence,
    CreateDomain,
    CreateType,
    NotFollowed,
    SchemaChange,
)
from migsafe.sql.cursor import Cursor
from migsafe.sql.definitions import ColumnDefinition, TypeName
from migsafe.sql.expressions import expression
from migsafe.sql.names import Name
from migsafe.sql.read.columns import column_options, table_constraint
from migsafe.sql.types import type_name


def create_type(cursor: Cursor) -> tuple[SchemaChange, ...]:
    """The statement behind `CREATE TYPE`."""
    name = cursor.name("a type")
    if cursor.take("as", "enum"):
        inside = cursor.inside()
        labels = inside.listed(lambda here: here.string("a label")) if not inside.done else ()
        return (CreateType(name=name, kind="enum", labels=labels),)
    if cursor.take("as", "range"):
        return (CreateType(name=name, kind="range"),)
    if cursor.take("as"):
        inside = cursor.inside()
        attributes = inside.listed(_attribute) if not inside.done else ()
        return (CreateType(name=name, kind="composite", attributes=attributes),)
    return (CreateType(name=name, kind="shell" if cursor.done else "base"),)


def _attribute(cursor: Cursor) -> ColumnDefinition:
    column = ColumnDefinition(name=cursor.identifier("an attribute"), type=type_name(cursor))
    collation = cursor.name("a collation") if cursor.take("collate") else None
    return replace(column, collation=collation)


def alter_type(cursor: Cursor, name: Name) -> tuple[SchemaChange, ...]:
    """What follows the name in `ALTER TYPE`, renames left out."""
    if cursor.take("add", "value"):
        if_not_exists = cursor.skip_if_not_exists()
        label = cursor.string("a label")
        before = cursor.string() if cursor.take("before") else None
        after = cursor.string() if cursor.take("after") else None
        return (AddLabel(type=name, label=label, before=before, after=after, if_not_exists=if_not_exists),)
    if cursor.word() in {"add", "drop", "alter"} and cursor.word(1) == "attribute":
        return cursor.listed(lambda here: _change_attribute(here, name))
    return ()


def _change_attribute(cursor: Cursor, name: Name) -> SchemaChange:
    verb = cursor.one_of("add", "drop", "alter")
    cursor.expect("attribute")
    cursor.skip_if_exists()
    if verb == "drop":
        attribute = cursor.identifier("an attribute")
        return ChangeAttribute(type=name, attribute=attribute, cascade=cursor.cascade())
    attribute = cursor.identifier("an attribute")
    if verb == "alter":
        cursor.take("set", "data")
        cursor.expect("type")
    definition = ColumnDefinition(name=attribute, type=type_name(cursor))
    if cursor.take("collate"):
        definition = replace(definition, collation=cursor.name("a collation"))
    return ChangeAttribute(type=name, attribute=attribute, definition=definition, cascade=cursor.cascade())


def create_domain(cursor: Cursor) -> tuple[SchemaChange, ...]:
    """The statement behind `CREATE DOMAIN`."""
    name = cursor.name("a domain")
    cursor.take("as")
    column = column_options(cursor, {"name": "value", "type": type_name(cursor)})
    return (CreateDomain(name=name, column=column),)


def alter_domain(cursor: Cursor, name: Name) -> tuple[SchemaChange, ...]:
    """What follows the name in `ALTER DOMAIN`, renames left out."""
    if cursor.take("set", "default"):
        default = expression(cursor.rest())
        return (AlterDomain(name=name, action="set default", default=default),)
    for words in (("drop", "default"), ("set", "not", "null"), ("drop", "not", "null")):
        if cursor.take(*words):
            return (AlterDomain(name=name, action=" ".join(words)),)
    if cursor.take("add"):
        if cursor.word() == "not" or (cursor.word() == "constraint" and cursor.word(2) == "not"):
            return (AlterDomain(name=name, action="set not null"),)
        return (AlterDomain(name=name, action="add", constraint=table_constraint(cursor)),)
    for word in ("drop", "validate"):
        if cursor.take(word, "constraint"):
            cursor.skip_if_exists()
            return (AlterDomain(name=name, action=word, constraint_name=cursor.identifier()),)
    return () if cursor.word() == "owner" else (NotFollowed(reason="ALTER DOMAIN"),)


def sequence(cursor: Cursor, *, created: bool, temporary: bool) -> tuple[SchemaChange, ...]:
    """The statement behind `CREATE SEQUENCE`."""
    if_not_exists = cursor.skip_if_not_exists()
    name = cursor.name("a sequence")
    found = _sequence(cursor, ChangeSequence(name=name, created=created, temporary=temporary))
    return (replace(found, if_not_exists=if_not_exists, type=found.type or TypeName(name="bigint")),)


def sequence_options(cursor: Cursor, name: Name) -> tuple[SchemaChange, ...]:
    """What follows the name in `ALTER SEQUENCE`, renames left out."""
    return (_sequence(cursor, ChangeSequence(name=name)),)


def _sequence(cursor: Cursor, change: ChangeSequence) -> ChangeSequence:
    while not cursor.done:
        if cursor.take("as"):
            change = replace(change, type=type_name(cursor))
        elif cursor.take("owned", "by", "none"):
            change = replace(change, owner=None, unowned=True)
        elif cursor.take("owned", "by"):
            parts = [cursor.identifier("a table")]
            while cursor.take("."):
                parts.append(cursor.identifier("a column", label=True))
            if len(parts) < 2:
                raise cursor.unexpected("a column of the table")
            table = Name(parts[-2], parts[-3] if len(parts) > 2 else None)
            change = replace(change, owner=(table, parts[-1]))
        else:
            cursor.next()
    return change
