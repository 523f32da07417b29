"""CREATE INDEX, DROP INDEX, ALTER INDEX, REINDEX.

https://www.postgresql.org/docs/current/sql-createindex.html
"""

from dataclasses import dataclass

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.expressions import expression
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.keywords import VALUE_FUNCTIONS
from migsafe.sql.lex import TokenKind
from migsafe.sql.operations import (
    CreateIndex,
    DropIndex,
    Expression,
    Operation,
    Reindex,
    RenameIndex,
    RenameTable,
)
from migsafe.sql.read.alter_table import all_in_tablespace, alter_relation
from migsafe.sql.read.views import wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """One element of an index: its column, or an empty text for an expression; and what names it."""

    name: str
    column: str = ""
    uses: tuple[str, ...] = ()


def create_index(cursor: Cursor, *, unique: bool) -> tuple[Operation, ...]:
    """The statement behind `CREATE [UNIQUE] INDEX`."""
    concurrently = cursor.take("concurrently")
    if_not_exists = cursor.skip_if_not_exists()
    name = None if cursor.word() == "on" and not if_not_exists else cursor.identifier("an index's name")
    cursor.expect("on")
    only = cursor.take("only")
    table = cursor.name("a table")
    cursor.take("*")
    method = cursor.identifier("an index method") if cursor.take("using") else "btree"
    keys = _keys(cursor.inside())
    include: tuple[str, ...] = ()
    if cursor.take("include"):
        include = tuple(key.column for key in cursor.inside().listed(_key) if key.column)
    if cursor.take("nulls"):
        cursor.take("not")
        cursor.expect("distinct")
    if cursor.take("with") and match_rule("storage", cursor) is None:
        raise cursor.unexpected("options of an index")
    if cursor.take("tablespace"):
        cursor.identifier("a tablespace")
    where = expression(cursor.rest()) if cursor.take("where") else None
    cursor.expect_end()
    return (
        CreateIndex(
            table=table,
            only=only,
            name=name,
            columns=tuple(key.column for key in keys if key.column),
            include=include,
            expressions=sum(1 for key in keys if not key.column),
            key_names=(*(key.name for key in keys), *include),
            used_columns=_used(keys, include, where),
            unique=unique,
            concurrently=concurrently,
            if_not_exists=if_not_exists,
            method=method,
            where=where,
        ),
    )


def _keys(cursor: Cursor) -> tuple[_Key, ...]:
    checked = cursor.part(cursor.at, cursor.end)
    if match_rule("index_keys", checked) is None or not checked.done:
        raise checked.unexpected("a column or an expression, and how it is ordered")
    return cursor.listed(_key)


def _used(keys: tuple[_Key, ...], include: tuple[str, ...], where: Expression | None) -> tuple[str, ...]:
    found = [column for key in keys for column in (*key.uses, key.column) if column]
    return tuple(dict.fromkeys([*found, *include, *(where.columns if where else ())]))


def _key(cursor: Cursor) -> _Key:
    element = cursor.until(lambda here: here.word() == ",")
    first = element.peek()
    if first is None:
        raise element.unexpected("a column or an expression")
    if first.kind is TokenKind.WORD and first.value in VALUE_FUNCTIONS:
        return _Key(name=first.value)
    is_name = first.kind in {TokenKind.WORD, TokenKind.QUOTED}
    if first.value != "(" and not (is_name and element.word(1) in {"(", "."}):
        column = element.identifier("a column")
        return _Key(column=column, name=column)
    # What follows the brackets is the operator class and the order.
    start = element.at
    element.until(lambda here: here.word() == "(")
    uses = expression(Cursor(element.text, element.tokens, start, element.closing(element.at) + 1)).columns
    element.at = start
    while element.word() == "(" or element.at_words("cast", "("):
        element.next()
    called = element.peek()
    # CAST is called like the column in it.
    names = called is not None and (
        element.word(1) == "(" or (element.word(1) == "as" and element.at > start)
    )
    return _Key(name=called.value if called is not None and names else "expr", uses=uses)


def drop_index(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `DROP INDEX`."""
    concurrently = cursor.take("concurrently")
    if_exists = cursor.skip_if_exists()
    names = cursor.listed(lambda here: here.name("an index"))
    cascade = cursor.cascade()
    cursor.expect_end()
    return tuple(
        DropIndex(index=name, concurrently=concurrently, if_exists=if_exists, cascade=cascade)
        for name in names
    )


def alter_index(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `ALTER INDEX`."""
    if cursor.take("all", "in", "tablespace"):
        return all_in_tablespace(cursor, "ALTER INDEX")
    actions = alter_relation(cursor, is_index=True)
    if isinstance(actions[0], RenameTable):
        return (RenameIndex(index=actions[0].table, new_name=actions[0].new_name),)
    return (wrapped("ALTER INDEX", actions),)


def reindex(cursor: Cursor) -> tuple[Operation, ...]:
    """The statement behind `REINDEX`."""
    concurrently = False
    if cursor.word() == "(":
        options = cursor.inside()
        found = options.listed(lambda here: here.until(lambda at: at.word() == ",").source().lower())
        concurrently = any(
            option == "concurrently" or option.split()[1:] in (["on"], ["true"], ["1"])
            for option in found
            if option.startswith("concurrently")
        )
    kind = cursor.take_any("index", "table", "schema", "database", "system")
    if not kind:
        raise cursor.unexpected("INDEX, TABLE, SCHEMA, DATABASE or SYSTEM")
    concurrently = cursor.take("concurrently") or concurrently
    if cursor.done and kind not in {"database", "system"}:
        raise Unreadable(f"REINDEX {kind.upper()} must name one")
    target = None if cursor.done else cursor.name(f"a {kind}")
    cursor.expect_end()
    return (Reindex(object_kind=kind, target=target, concurrently=concurrently),)
