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

_LIKE_OPTIONS = frozenset({"including", "excluding"})


@dataclass(slots=True)
class _Body:
    """What stands between the brackets, while it is read."""

    columns: list[ColumnDefinition] = field(default_factory=list)
    constraints: list[ConstraintDefinition] = field(default_factory=list)
    like: list[Name] = field(default_factory=list)


def create_table(cursor: Cursor, *, temporary: bool, foreign: bool = False) -> tuple[Operation, ...]:
    """The statement behind `CREATE [TEMPORARY] TABLE`."""
    if_not_exists = cursor.skip_if_not_exists()
    made = CreateTable(table=cursor.name("a table"), temporary=temporary, if_not_exists=if_not_exists)
    body = _Body()
    if cursor.take("partition", "of"):
        made = replace(made, partition_of=cursor.name("a table"))
        if cursor.word() == "(":
            _typed_elements(cursor.inside(), body)
        made = replace(made, default_partition=cursor.take("default"))
        if not made.default_partition:
            partition_bound(cursor)
    elif cursor.take("of"):
        cursor.name("a type")
        if cursor.word() == "(":
            _typed_elements(cursor.inside(), body)
    elif cursor.word() == "(" and not _is_column_list(cursor):
        _elements(cursor.inside(), body)
        if cursor.take("inherits"):
            parents = cursor.inside()
            made = replace(made, inherits=parents.listed(lambda here: here.name("a table")))
            parents.expect_end()
    else:
        columns, query = _as_query(cursor)
        return (replace(made, as_query=True, columns=columns, query=query),)
    partitioned = _foreign_server(cursor) if foreign else _storage(cursor)
    cursor.expect_end()
    return (
        replace(
            made,
            columns=tuple(body.columns),
            constraints=tuple(body.constraints),
            like=tuple(body.like),
            partitioned=partitioned,
        ),
    )


def _elements(cursor: Cursor, body: _Body) -> None:
    if not cursor.done:
        cursor.listed(lambda here: _element(here, body))
        cursor.expect_end()


def _element(cursor: Cursor, body: _Body) -> None:
    if cursor.take("like"):
        body.like.append(cursor.name("a table"))
        while cursor.take_any(*_LIKE_OPTIONS):
            cursor.identifier("what LIKE takes over", label=True)
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


def partition_bound(cursor: Cursor) -> None:
    """FOR VALUES and what follows it."""
    cursor.expect("for", "values")
    if cursor.take("from"):
        cursor.inside()
        cursor.expect("to")
    elif not cursor.take("in"):
        cursor.expect("with")
    if cursor.inside().done:
        raise cursor.unexpected("values of the partition")


def _storage(cursor: Cursor) -> bool:
    """What follows the brackets; whether the table is partitioned."""
    partitioned = cursor.take("partition", "by")
    if partitioned:
        cursor.one_of("range", "list", "hash")
        cursor.inside()
    if cursor.take("using"):
        cursor.identifier("an access method")
    if cursor.take("with"):
        if match_rule("storage", cursor) is None:
            raise cursor.unexpected("options of a table")
    elif cursor.take("without"):
        cursor.expect("oids")
    if cursor.take("on", "commit") and not cursor.take("drop"):
        cursor.one_of("preserve", "delete")
        cursor.expect("rows")
    if cursor.take("tablespace"):
        cursor.identifier("a tablespace")
    return partitioned


def _foreign_server(cursor: Cursor) -> bool:
    """What follows the brackets of a foreign table, which is never partitioned."""
    cursor.expect("server")
    cursor.identifier("a server")
    if cursor.word() == "options" and match_rule("foreign_options", cursor) is None:
        raise cursor.unexpected("OPTIONS")
    return False


def _is_column_list(cursor: Cursor) -> bool:
    """Whether the brackets hold names only, and AS follows: CREATE TABLE t (a, b) AS SELECT."""
    here = Cursor(cursor.text, cursor.tokens, cursor.at, cursor.end)
    inside = here.inside()
    if inside.done or (inside.peek(1) is not None and inside.word(1) != ","):
        return False
    return here.word() in {"as", "using", "with", "on", "tablespace"}


def _as_query(cursor: Cursor) -> tuple[tuple[ColumnDefinition, ...], Query | None]:
    """The rest of CREATE TABLE AS: the columns named, whose types only the query knows, and the query."""
    columns: tuple[ColumnDefinition, ...] = ()
    if cursor.word() == "(":
        inside = cursor.inside()
        columns = inside.listed(
            lambda here: ColumnDefinition(name=here.identifier("a column"), type=TypeName(name=""))
        )
        inside.expect_end()
    _storage(cursor)
    cursor.expect("as")
    body = cursor.rest()
    for ending in (("with", "no", "data"), ("with", "data")):
        if tuple(body.words[max(body.at, body.end - len(ending)) : body.end]) == ending:
            body.end -= len(ending)
            break
    if body.take("execute"):
        body.identifier("a prepared statement")
        return columns, None
    return columns, query_of(body)
