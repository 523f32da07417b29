"""Statements that the grammar knows and that need no reader of their own.

https://www.postgresql.org/docs/18/sql-commands.html
"""

from collections.abc import Callable
from dataclasses import replace

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.grammar import Found, match_statement
from migsafe.sql.names import Name
from migsafe.sql.objects import (
    AddEnumValue,
    AlterSequence,
    CreateSequence,
    CreateType,
    Maintenance,
    MoveObject,
    OpaqueCode,
    PartOfTable,
    RenameEnumValue,
    RenameObject,
    SchemaStatement,
)
from migsafe.sql.operations import Operation, OtherStatement, Query, TypeName
from migsafe.sql.read.domains import alter_domain, create_domain
from migsafe.sql.read.routines import alter_or_drop_routine, create_routine, do_block

Build = Callable[[Found, Cursor], tuple[Operation, ...]]
_OFF = frozenset({"off", "false", "0", "no", "f", "n"})


def other_statement(cursor: Cursor) -> tuple[Operation, ...] | None:
    """A statement of the grammar, or None when none begins like this."""
    if cursor.word() == "show":
        return _show(cursor)
    found = match_statement(cursor)
    if found is None:
        return None
    build = _BUILD.get(found.tag, _plain)
    return build(found, cursor)


def _show(cursor: Cursor) -> tuple[Operation, ...]:
    cursor.next()
    if not (
        cursor.take("time", "zone")
        or cursor.take("transaction", "isolation", "level")
        or cursor.take("session", "authorization")
        or cursor.take("all")
    ):
        cursor.identifier("a setting")
        while cursor.take("."):
            cursor.identifier("a setting", label=True)
    cursor.expect_end()
    return (Query(),)


def _names(found: Found) -> tuple[Name, ...]:
    """What the statement names, types as names too."""
    return tuple(
        Name(each.name, each.schema) if isinstance(each, TypeName) else each for each in found.all("target")
    )


def _plain(found: Found, _: Cursor) -> tuple[Operation, ...]:
    names: tuple[Name | None, ...] = _names(found) or (None,)
    column = found.first("column")
    if column:
        names = (Name(column[-2], column[-3] if len(column) > 2 else None),)
    if found.tag == "CREATE LANGUAGE" and found.first("handler") is None:
        return (OtherStatement(tag="CREATE EXTENSION"),)
    if (new_name := found.first("new_name")) is not None:
        return (RenameObject(tag=found.tag, target=names[0], new_name=new_name, name=found.first("name")),)
    if (new_schema := found.first("new_schema")) is not None:
        return (MoveObject(tag=found.tag, target=names[0], new_schema=new_schema),)
    return tuple(
        OtherStatement(
            tag=found.tag,
            target=name,
            if_exists=found.first("if_exists") is not None,
            cascade=_cascades(found),
        )
        for name in names
    )


def _cascades(found: Found) -> bool:
    behaviour = found.first("cascade")
    return behaviour is not None and behaviour.word() == "cascade"


def _create_type(found: Found, _: Cursor) -> tuple[Operation, ...]:
    kind = next((k for k in ("enum", "range", "composite", "base") if found.first(k) is not None), "shell")
    made = CreateType(
        tag=found.tag,
        target=found.first("target"),
        type_kind=kind,
        labels=found.all("enum_label"),
        attributes=tuple(zip(found.all("attribute"), found.all("attribute_type"), strict=True)),
    )
    return (made,)


def _alter_type(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    target = found.first("target")
    if found.first("add_value") is not None:
        return (
            AddEnumValue(
                tag=found.tag,
                target=target,
                value=found.first("value"),
                if_not_exists=found.first("if_not_exists") is not None,
                neighbour=found.first("neighbour"),
                before=found.first("before") is not None,
            ),
        )
    if found.first("old_value") is not None:
        old, new = found.first("old_value"), found.first("new_value")
        return (RenameEnumValue(tag=found.tag, target=target, value=old, new_value=new),)
    return _plain(found, cursor)


def _part_of_table(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    if found.first("new_name") is not None:
        return _plain(found, cursor)
    return (
        PartOfTable(
            tag=found.tag,
            target=found.first("target"),
            name=found.first("name"),
            function=found.first("function"),
            if_exists=found.first("if_exists") is not None,
        ),
    )


def _trigger(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    events = [event.word() for event in found.all("event")]
    if len(set(events)) < len(events):
        raise Unreadable("the trigger has an event twice")
    return _part_of_table(found, cursor)


def _rule(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    """CREATE RULE: what it does instead must be a statement, or several in brackets."""
    action: Cursor = found.first("action")
    if not action.take("nothing"):
        if action.word() == "(" and action.word(1) not in {"select", "with", "values", "("}:
            action = action.inside()
        if action.word() not in {"select", "insert", "update", "delete", "notify", "with", "values", "("}:
            raise action.unexpected("what the rule does")
    return _part_of_table(found, cursor)


def _drop_schema(found: Found, _: Cursor) -> tuple[Operation, ...]:
    return tuple(
        SchemaStatement(
            tag=found.tag, name=name, if_exists=found.first("if_exists") is not None, cascade=_cascades(found)
        )
        for name in found.all("name")
    )


def _sequence(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    if found.tag == "CREATE SEQUENCE":
        return (
            CreateSequence(
                tag=found.tag,
                target=found.first("target"),
                temporary=found.first("temporary") is not None,
                if_not_exists=found.first("if_not_exists") is not None,
                owned_by=found.first("owned"),
            ),
        )
    if found.first("option") is None:
        return _plain(found, cursor)
    altered = AlterSequence(tag=found.tag, target=found.first("target"), owned_by=found.first("owned"))
    return (replace(altered, if_exists=found.first("if_exists") is not None),)


def _maintenance(found: Found, _: Cursor) -> tuple[Operation, ...]:
    options: list[str] = []
    for part in found.all("option"):
        words = [token.value.lower() for token in part.tokens[part.at : part.end]]
        if words[1:2] and words[1] in _OFF:
            options = [option for option in options if option != words[0]]
        elif words[0] not in options:
            options.append("analyze" if words[0] == "analyse" else words[0])
    tag = "ANALYZE" if found.tag == "ANALYSE" else found.tag
    if tag == "VACUUM" and "full" in options:
        tag = "VACUUM FULL"
    if tag == "REPACK" and "concurrently" in options:
        tag = "REPACK CONCURRENTLY"
    names = found.all("target") or (None,)
    return tuple(Maintenance(tag=tag, target=name, options=tuple(options)) for name in names)


def _refresh(found: Found, _: Cursor) -> tuple[Operation, ...]:
    ending = " CONCURRENTLY" if found.first("concurrently") is not None else ""
    return (OtherStatement(tag=found.tag + ending, target=found.first("target")),)


def _opaque(found: Found, _: Cursor) -> tuple[Operation, ...]:
    function = found.first("function")
    return (OpaqueCode(tag=found.tag, reason=f"what {found.tag} runs", function=function),)


def _inner_query(found: Found, _: Cursor) -> tuple[Operation, ...]:
    """PREPARE and DECLARE CURSOR: their query runs later, but it must be one."""
    query: Cursor = found.first("query")
    if query.word() not in {"select", "insert", "update", "delete", "merge", "with", "values", "table", "("}:
        raise Unreadable(f"{found.tag} needs a query")
    return (OtherStatement(tag=found.tag),)


_BUILD: dict[str, Build] = {
    "ALTER DOMAIN": alter_domain,
    "ALTER FUNCTION": alter_or_drop_routine,
    "ALTER POLICY": _part_of_table,
    "ALTER PROCEDURE": alter_or_drop_routine,
    "ALTER ROUTINE": alter_or_drop_routine,
    "ALTER SEQUENCE": _sequence,
    "ALTER TRIGGER": _part_of_table,
    "ALTER TYPE": _alter_type,
    "ANALYSE": _maintenance,
    "ANALYZE": _maintenance,
    "CALL": _opaque,
    "CLUSTER": _maintenance,
    "CREATE DOMAIN": create_domain,
    "CREATE FUNCTION": create_routine,
    "CREATE POLICY": _part_of_table,
    "CREATE PROCEDURE": create_routine,
    "CREATE RULE": _rule,
    "CREATE SEQUENCE": _sequence,
    "CREATE TRIGGER": _trigger,
    "CREATE TYPE": _create_type,
    "DECLARE CURSOR": _inner_query,
    "DO": do_block,
    "DROP FUNCTION": alter_or_drop_routine,
    "DROP POLICY": _part_of_table,
    "DROP PROCEDURE": alter_or_drop_routine,
    "DROP ROUTINE": alter_or_drop_routine,
    "DROP RULE": _part_of_table,
    "DROP SCHEMA": _drop_schema,
    "DROP TRIGGER": _part_of_table,
    "EXECUTE": _opaque,
    "PREPARE": _inner_query,
    "REFRESH MATERIALIZED VIEW": _refresh,
    "REPACK": _maintenance,
    "VACUUM": _maintenance,
}
