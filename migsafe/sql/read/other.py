"""Statements that the grammar knows and that need no reader of their own.

https://www.postgresql.org/docs/18/sql-commands.html
"""

from collections.abc import Callable

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.grammar import Found, match_statement
from migsafe.sql.names import Name
from migsafe.sql.operations import OpaqueCode, Operation, OtherStatement, Query, TypeName
from migsafe.sql.read.data import query_of
from migsafe.sql.read.routines import create_routine, do_block

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
    if column and len(column) > 1:
        names = (Name(column[-2], column[-3] if len(column) > 2 else None),)
    if found.tag == "CREATE LANGUAGE" and found.first("handler") is None:
        return (OtherStatement(tag="CREATE EXTENSION"),)
    return tuple(
        OtherStatement(
            tag=found.tag,
            target=name,
            options=("part",) if found.first("part") is not None else (),
            if_exists=found.first("if_exists") is not None,
            cascade=_cascades(found),
        )
        for name in names
    )


def _cascades(found: Found) -> bool:
    behaviour = found.first("cascade")
    return behaviour is not None and behaviour.word() == "cascade"


def _trigger(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    events = [event.word() for event in found.all("event")]
    if len(set(events)) < len(events):
        raise Unreadable("the trigger has an event twice")
    return _plain(found, cursor)


def _rule(found: Found, cursor: Cursor) -> tuple[Operation, ...]:
    """CREATE RULE: what it does instead must be a statement, or several in brackets."""
    action: Cursor = found.first("action")
    if not action.take("nothing"):
        if action.word() == "(" and action.word(1) not in {"select", "with", "values", "("}:
            action = action.inside()
        if action.word() not in {"select", "insert", "update", "delete", "notify", "with", "values", "("}:
            raise action.unexpected("what the rule does")
    return _plain(found, cursor)


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
    return tuple(OtherStatement(tag=tag, target=name, options=tuple(options)) for name in names)


def _refresh(found: Found, _: Cursor) -> tuple[Operation, ...]:
    ending = " CONCURRENTLY" if found.first("concurrently") is not None else ""
    return (OtherStatement(tag=found.tag + ending, target=found.first("target")),)


def _opaque(found: Found, _: Cursor) -> tuple[Operation, ...]:
    function = found.first("function")
    return (OpaqueCode(tag=found.tag, reason=f"what {found.tag} runs", function=function),)


def _inner_query(found: Found, _: Cursor) -> tuple[Operation, ...]:
    """PREPARE and DECLARE CURSOR: their query runs later, but it must be one."""
    query: Cursor = found.first("query")
    changing = {"insert", "update", "delete", "merge"} if found.tag == "PREPARE" else set[str]()
    if query.word() not in {"select", "with", "values", "table", "("} | changing:
        raise Unreadable(f"{found.tag} needs a query")
    reads = query_of(query) if query.word() in {"select", "with", "values", "table", "("} else None
    return (OtherStatement(tag=found.tag, query=reads),)


_BUILD: dict[str, Build] = {
    "ANALYSE": _maintenance,
    "ANALYZE": _maintenance,
    "CALL": _opaque,
    "CLUSTER": _maintenance,
    "CREATE FUNCTION": create_routine,
    "CREATE PROCEDURE": create_routine,
    "CREATE RULE": _rule,
    "CREATE TRIGGER": _trigger,
    "DECLARE CURSOR": _inner_query,
    "DO": do_block,
    "EXECUTE": _opaque,
    "PREPARE": _inner_query,
    "REFRESH MATERIALIZED VIEW": _refresh,
    "REPACK": _maintenance,
    "VACUUM": _maintenance,
}
