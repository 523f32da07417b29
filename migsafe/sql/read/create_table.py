"""CREATE TABLE in all its forms.

https://www.postgresql.org/docs/current/sql-createtable.html
"""

from dataclasses import dataclass, field, replace

from migsafe.sql.cursor import Cursor
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    ColumnDefinition,
    ConstraintDefinition,
    CreateTable,
    Operation,
    TypeName,
)
from migsafe.sql.read.columns import column_definition, column_options, starts_constraint, table_constraint

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


def create_table(cursor: Cursor, *, temporary: bool, unlogged: bool = False) -> tuple[Operation, ...]:
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
        columns, drops = _as_query(cursor)
        return (replace(made, as_query=True, columns=columns, drops_on_commit=drops),)
    partition_key, drops_on_commit = _storage(cursor)
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
            column = ColumnDefinition(name=cursor.identifier("a column"), type=TypeName(name=""))
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
    cursor.inside()
    return Cursor(cursor.text, cursor.tokens, first, cursor.at).source()


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
        cursor.inside()
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


def _is_column_list(cursor: Cursor) -> bool:
    """Whether the brackets hold names only, and AS follows: CREATE TABLE t (a, b) AS SELECT."""
    here = Cursor(cursor.text, cursor.tokens, cursor.at, cursor.end)
    inside = here.inside()
    if inside.done or (inside.peek(1) is not None and inside.word(1) != ","):
        return False
    return here.word() in {"as", "using", "with", "on", "tablespace"}


def _as_query(cursor: Cursor) -> tuple[tuple[ColumnDefinition, ...], bool]:
    """The rest of CREATE TABLE AS: the columns named, of unknown type; whether COMMIT drops the table."""
    columns: tuple[ColumnDefinition, ...] = ()
    if cursor.word() == "(":
        inside = cursor.inside()
        columns = inside.listed(
            lambda here: ColumnDefinition(name=here.identifier("a column"), type=TypeName(name=""))
        )
        inside.expect_end()
    _, drops = _storage(cursor)
    cursor.expect("as")
    if cursor.word() not in {"select", "values", "table", "with", "execute", "("}:
        raise cursor.unexpected("a query")
    query = cursor.rest()
    if query.at == query.end - 1:
        raise cursor.unexpected("a query")
    return columns, drops
