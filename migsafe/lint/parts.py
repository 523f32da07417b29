"""What CREATE TABLE and ADD COLUMN hold, observed one by one: columns and constraints."""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.find import with_column
from migsafe.catalog.model import Catalog, Column, Constraint, Index, Table
from migsafe.lint.describe_columns import column_facts
from migsafe.lint.describe_keys import constraint_facts
from migsafe.lint.facts import Facts
from migsafe.sql import operations as ops
from migsafe.sql.names import Name
from migsafe.sql.operations import ColumnDefinition, ConstraintDefinition, ConstraintKind, Operation

_KEYS = frozenset({ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE})


def parts_of(operation: Operation, facts: Facts, catalog: Catalog) -> Iterator[Facts]:
    """The facts of each column and constraint that the operation defines, where it is about several."""
    match operation:
        case ops.CreateTable(table=table, columns=columns, constraints=constraints):
            future = _with_table(catalog, operation)
        case ops.AddColumn(table=table, column=column):
            columns, constraints = (), ()
            future = _with_new_column(catalog, table, column)
            for constraint in column.constraints:
                yield _constraint(facts, table, constraint, future)
        case _:
            return
    key = {
        c
        for constraint in constraints
        if constraint.kind is ConstraintKind.PRIMARY_KEY
        for c in constraint.columns
    }
    for column in columns:
        part = _part("table_column", facts)
        column_facts(part, column, catalog)
        part.in_primary_key = part.in_primary_key or column.name in key
        yield part
        for constraint in column.constraints:
            yield _constraint(facts, table, constraint, future)
    for constraint in constraints:
        yield _constraint(facts, table, constraint, future)


def _part(op: str, whole: Facts) -> Facts:
    return Facts(
        op=op,
        table=whole.table,
        table_created_here=whole.table_created_here,
        table_temporary=whole.table_temporary,
        table_partitioned=whole.table_partitioned,
        table_small=whole.table_small,
        is_partition=whole.is_partition,
        in_transaction=whole.in_transaction,
    )


def _constraint(facts: Facts, table: Name, constraint: ConstraintDefinition, future: Catalog) -> Facts:
    part = _part("table_constraint", facts)
    constraint_facts(part, table, constraint, future)
    return part


def _with_table(catalog: Catalog, operation: ops.CreateTable) -> Catalog:
    """The catalog with the new table in it, as far as its keys and types matter."""
    columns = tuple(Column(name=column.name, type=column.type) for column in operation.columns)
    defined = (*operation.constraints, *(c for column in operation.columns for c in column.constraints))
    keys = [constraint for constraint in defined if constraint.kind in _KEYS]
    return catalog.with_table(
        Table(
            name=catalog.resolve(operation.table),
            columns=columns,
            constraints=tuple(_as_constraint(key) for key in keys),
            indexes=tuple(_as_index(key) for key in keys),
        )
    )


def _with_new_column(catalog: Catalog, name: Name, column: ColumnDefinition) -> Catalog:
    table = catalog.table(name)
    if table is None:
        return catalog
    keys = [constraint for constraint in column.constraints if constraint.kind in _KEYS]
    table = with_column(table, Column(name=column.name, type=column.type))
    return catalog.with_table(replace(table, indexes=(*table.indexes, *map(_as_index, keys))))


def _as_constraint(key: ConstraintDefinition) -> Constraint:
    return Constraint(name=key.name or "", kind=key.kind, columns=key.columns, definition=key.text)


def _as_index(key: ConstraintDefinition) -> Index:
    return Index(name=key.name or "", columns=key.columns, keys=key.columns, unique=True)
