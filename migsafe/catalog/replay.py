"""Keeps a catalog up to date with what statements do to tables.

A table that is not known becomes known, without its columns, as soon as something is learned about it.
"""

from dataclasses import replace

from migsafe.catalog.constraints import add_constraint, add_index, drop_constraint
from migsafe.catalog.find import column_or_new, known, table_of_index, with_column
from migsafe.catalog.model import Catalog, Column, Table, qualified
from migsafe.catalog.renames import move_table, rename_column, rename_constraint, rename_index
from migsafe.catalog.tables import add_column, create_table, drop_column, drop_table
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AttachPartition,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    DetachPartition,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    DropTable,
    Generated,
    Operation,
    OtherStatement,
    OtherTableAction,
    RenameColumn,
    RenameConstraint,
    RenameIndex,
    RenameTable,
    SetDefault,
    SetNotNull,
    SetSchema,
    TableOperation,
    ValidateConstraint,
)


def apply(  # noqa: C901, PLR0911, PLR0912 -- one flat table: operation, what it does
    catalog: Catalog, operation: Operation, *, script: str | None = None
) -> Catalog:
    """The catalog after an operation that succeeds. `script` is noted in the tables it creates."""
    match operation:
        case CreateTable():
            return create_table(catalog, operation, script=script)
        case DropTable():
            return drop_table(catalog, operation.table)
        case RenameTable():
            return move_table(catalog, operation.table, Name(operation.new_name, operation.table.schema))
        case SetSchema():
            return move_table(catalog, operation.table, Name(operation.table.name, operation.new_schema))
        case RenameColumn():
            return rename_column(catalog, operation.table, operation.column, operation.new_name)
        case DropColumn():
            return drop_column(catalog, operation.table, operation.column)
        case DropConstraint():
            return drop_constraint(catalog, operation.table, operation.constraint)
        case DropIndex():
            return _drop_index(catalog, operation.index)
        case RenameIndex():
            return rename_index(catalog, operation.index, operation.new_name)
        case AttachPartition():
            return _set_parent(catalog, operation.partition, operation.table, default=operation.default)
        case DetachPartition():
            return _set_parent(catalog, operation.partition, None, default=False)
        case OtherStatement(tag="CREATE TYPE", target=Name() as made):
            return replace(catalog, types=catalog.types | {qualified(made)})
        case OtherStatement(tag="DROP TYPE", target=Name() as dropped):
            return replace(catalog, types=catalog.types - {qualified(dropped)})
        case AddColumn():
            return add_column(catalog, operation.table, operation.column)
        case AddConstraint():
            return add_constraint(catalog, operation.table, operation.constraint)
        case CreateIndex():
            return add_index(catalog, operation)
        case ValidateConstraint():
            return _validate(catalog, operation)
        case RenameConstraint():
            renamed = rename_constraint(
                known(catalog, operation.table), operation.constraint, operation.new_name
            )
            return catalog.with_table(renamed) if catalog.table(operation.table) else catalog
        case TableOperation():
            return _change_column(catalog, operation)
        case _:
            return catalog


def _drop_index(catalog: Catalog, index: Name) -> Catalog:
    found = table_of_index(catalog, index)
    if found is None:
        return catalog
    table, gone = found
    return catalog.with_table(replace(table, indexes=tuple(i for i in table.indexes if i is not gone)))


def _set_parent(catalog: Catalog, partition: Name, parent: Name | None, *, default: bool) -> Catalog:
    table = known(catalog, partition)
    above = qualified(parent) if parent else None
    catalog = catalog.with_table(replace(table, partition_of=above, default_partition=default))
    if parent is None:
        return catalog
    return catalog.with_table(replace(known(catalog, parent), partitioned=True))


def _validate(catalog: Catalog, operation: ValidateConstraint) -> Catalog:
    table = catalog.table(operation.table)
    found = next((c for c in table.constraints if c.name == operation.constraint), None) if table else None
    if table is None or found is None:
        return catalog
    constraints = tuple(replace(c, validated=True) if c is found else c for c in table.constraints)
    table = replace(table, constraints=constraints)
    for name in found.columns if found.kind is ConstraintKind.NOT_NULL else ():
        if column := column_or_new(table, name):
            table = with_column(table, replace(column, not_null=True))
    return catalog.with_table(table)


def _change_column(catalog: Catalog, operation: TableOperation) -> Catalog:
    """Operations that change one column and nothing else. Others leave the catalog as it is."""
    name = getattr(operation, "column", None)
    if not isinstance(name, str):
        return catalog
    table: Table = known(catalog, operation.table)
    column = column_or_new(table, name)
    changed = _changed(column, operation) if column else None
    return catalog.with_table(with_column(table, changed)) if changed else catalog


def _changed(column: Column, operation: TableOperation) -> Column | None:
    match operation:
        case AlterColumnType():
            collation = str(operation.collation) if operation.collation else None
            return replace(column, type=operation.type, collation=collation)
        case SetNotNull():
            return replace(column, not_null=True)
        case DropNotNull():
            return replace(column, not_null=False)
        case SetDefault():
            return replace(column, default=operation.default.text)
        case DropDefault():
            return replace(column, default=None, is_serial=False)
        case OtherTableAction(action="ALTER COLUMN ADD GENERATED AS IDENTITY"):
            return replace(column, generated=Generated.IDENTITY)
        case OtherTableAction(action="ALTER COLUMN DROP IDENTITY" | "ALTER COLUMN DROP EXPRESSION"):
            return replace(column, generated=None)
        case _:
            return None
