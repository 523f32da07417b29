"""CREATE TABLE in all its forms.

https://www.postgresql.org/docs/current/sql-createtable.html
"""

from dataclasses import dataclass, field, replace

from migsafe.sql.cursor import Cursor
from migsafe.sql.grammar.match import match_rule
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    ColumnDefinition,
    ConstraintDefinition,
    CreateTable,
    Operation,
    Query,
    TypeName,
)
from migsafe.sql.read.columns import column_definition, column_options, starts_constraint, table_constraint
from migsafe.sql.read.data import query_of

_LIKE_OPTIONS = frozenset(
    {
        *("comments", "compression", "constraints", "defaults", "generated", "identity", "indexes"),
        *("statistics", "storage"),
    }
)


@dataclass(slots=True)
class _Body:
    """What stands between the brackets, while it is read."""

    columns: list[ColumnDefinition] = field(default_factory=list)
    constraints: list[ConstraintDefinition] = field(default_factory=list)
    like: list[Name] = field(default_factory=list)
    like_options: list[frozenset[str]] = field(default_factory=list)


def create_table(
    cursor: Cursor, *, temporary: bool, unlogged: bool = False, foreign: bool = False
) -> tuple[Operation, ...]:
    """The statement behind `CREATE [TEMPORARY] TABLE`."""
    if_not_exists = cursor.skip_if_not_exists()
    made = CreateTable(table=cursor.name("a table"), temporary=temporary, if_not_exists=if_not_exists)
    made = replace(made, unlogged=unlogged)
    body = _Body()
    if cursor.take("partition", "of"):
        made = replace(made, partition_of=cursor.name("a table"))
        if cursor.word() == "(":
            _typed_elements(cursor.inside(), body)
        default = cursor.take("default")
        bound = "DEFAULT" if default else partition_bound(cursor)
        made = replace(made, default_partition=default, partition_bound=bound)
    elif cursor.take("of"):
        made = replace(made, of_type=cursor.name("a type"))
        if cursor.word() == "(":
            _typed_elements(cursor.inside(), body)
    elif cursor.word() == "(" and not _is_column_list(cursor):
        _elements(cursor.inside(), body)
        if cursor.take("inherits"):
            parents = cursor.inside()
            made = replace(made, inherits=parents.listed(lambda here: here.name("a table")))
            parents.expect_end()
    else:
        columns, query, drops = _as_query(cursor)
        return (replace(made, as_query=True, columns=columns, query=query, drops_on_commit=drops),)
    partition_key, drops_on_commit = _foreign_server(cursor) if foreign else _storage(cursor)
    cursor.expect_end()
    return (
        replace(
            made,
            columns=tuple(body.columns),
            constraints=tuple(body.constraints),
            like=tuple(body.like),
            like_options=tuple(body.like_options),
            partitioned=partition_key is not None,
            partition_key=partition_key,
            drops_on_commit=drops_on_commit,
        ),
    )


def _elements(cursor: Cursor, body: _Body) -> None:
    if not cursor.done:
        cursor.listed(lambda here: _element(here, body))
        cursor.expect_end()


def _element(cursor: Cursor, body: _Body) -> None:
    if cursor.take("like"):
        body.like.append(cursor.name("a table"))
        body.like_options.append(_like_options(cursor))
    elif starts_constraint(cursor):
        body.constraints.append(table_constraint(cursor))
    else:
        body.columns.append(column_definition(cursor))


def _typed_elements(cursor: Cursor, body: _Body) -> None:
    """Elements of PARTITION OF and OF: columns are named, their types come from elsewhere."""
    while True:
        if starts_constraint(cursor):
            body.constraints.append(table_constraint(cursor))
        else:
            column = {"name": cursor.identifier("a column"), "type": TypeName(name="")}
            cursor.take("with", "options")
            body.columns.append(column_options(cursor, column))
        if cursor.done:
            return
        cursor.expect(",")


def partition_bound(cursor: Cursor) -> str:
    """FOR VALUES and what follows it, as written."""
    first = cursor.at
    cursor.expect("for", "values")
    if cursor.take("from"):
        cursor.inside()
        cursor.expect("to")
    elif not cursor.take("in"):
        cursor.expect("with")
    if cursor.inside().done:
        raise cursor.unexpected("values of the partition")
    return cursor.part(first, cursor.at).source()


def _like_options(cursor: Cursor) -> frozenset[str]:
    """What LIKE takes over: a later option wins over an earlier one."""
    taken: set[str] = set()
    while word := cursor.take_any("including", "excluding"):
        what = cursor.identifier("what LIKE takes over", label=True)
        named = set(_LIKE_OPTIONS) if what == "all" else {what}
        taken = taken | named if word == "including" else taken - named
    return frozenset(taken)


def _storage(cursor: Cursor) -> tuple[str | None, bool]:
    """What follows the brackets: the partition key, and whether COMMIT drops the table."""
    key: str | None = None
    drops = False
    if cursor.take("partition", "by"):
        first = cursor.at
        cursor.one_of("range", "list", "hash")
        cursor.inside()
        key = Cursor(cursor.text, cursor.tokens, first, cursor.at).source()
    if cursor.take("using"):
        cursor.identifier("an access method")
    if cursor.take("with"):
        if match_rule("storage", cursor) is None:
            raise cursor.unexpected("options of a table")
    elif cursor.take("without"):
        cursor.expect("oids")
    if cursor.take("on", "commit"):
        drops = cursor.take("drop")
        if not drops:
            cursor.one_of("preserve", "delete")
            cursor.expect("rows")
    if cursor.take("tablespace"):
        cursor.identifier("a tablespace")
    return key, drops


def _foreign_server(cursor: Cursor) -> tuple[str | None, bool]:
    """What follows the brackets of a foreign table, which is never partitioned and never temporary."""
    cursor.expect("server")
    cursor.identifier("a server")
    if cursor.word() == "options" and match_rule("foreign_options", cursor) is None:
        raise cursor.unexpected("OPTIONS")
    return None, False


def _is_column_list(cursor: Cursor) -> bool:
    """Whether the brackets hold names only, and AS follows: CREATE TABLE t (a, b) AS SELECT."""
    here = Cursor(cursor.text, cursor.tokens, cursor.at, cursor.end)
    inside = here.inside()
    if inside.done or (inside.peek(1) is not None and inside.word(1) != ","):
        return False
    return here.word() in {"as", "using", "with", "on", "tablespace"}


def _as_query(cursor: Cursor) -> tuple[tuple[ColumnDefinition, ...], Query | None, bool]:
    """The rest of CREATE TABLE AS: the columns named, of unknown type; its query; whether COMMIT drops it."""
    columns: tuple[ColumnDefinition, ...] = ()
    if cursor.word() == "(":
        inside = cursor.inside()
        columns = inside.listed(
            lambda here: ColumnDefinition(name=here.identifier("a column"), type=TypeName(name=""))
        )
        inside.expect_end()
    _, drops = _storage(cursor)
    cursor.expect("as")
    body = cursor.rest()
    for ending in (("with", "no", "data"), ("with", "data")):
        if tuple(body.words[max(body.at, body.end - len(ending)) : body.end]) == ending:
            body.end -= len(ending)
            break
    if body.take("execute"):
        body.identifier("a prepared statement")
        return columns, None, drops
    return columns, query_of(body), drops
