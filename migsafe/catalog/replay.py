"""Keeps a catalog up to date with what statements do to tables.

A table that is not known becomes known, without its columns, as soon as something is learned about it.
"""

from dataclasses import replace

from migsafe.catalog.actions import apply_action
from migsafe.catalog.columns import (
    add_column,
    change_column,
    collation_name,
    default_text,
    drop_column,
    exact,
)
from migsafe.catalog.constraints import add_constraint, drop_constraint, validate
from migsafe.catalog.inheritance import attach, detach
from migsafe.catalog.keys import add_index, complete_indexes, drop_index
from migsafe.catalog.model import Catalog, Column
from migsafe.catalog.nullness import drop_not_null, set_not_null
from migsafe.catalog.objects_replay import apply_change
from migsafe.catalog.renames import move_relation, rename_column, rename_constraint, rename_index
from migsafe.catalog.sequences import with_serial
from migsafe.catalog.tables import create_table, drop_table
from migsafe.catalog.views import drop_users
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    OPAQUE_TAGS,
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AttachPartition,
    CreateIndex,
    CreateTable,
    DetachPartition,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    DropTable,
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
    Unread,
    ValidateConstraint,
)


def apply(  # noqa: C901, PLR0911, PLR0912 -- one flat table: operation, what it does
    catalog: Catalog, operation: Operation, *, script: str | None = None
) -> Catalog:
    """The catalog after an operation that succeeds. `script` is noted in the tables it creates."""
    match operation:
        case CreateTable():
            return create_table(catalog, operation, script=script)
        case DropTable(table=table, cascade=cascade):
            return drop_table(catalog, table, cascade=cascade)
        case RenameTable(table=table, new_name=new):
            found = catalog.resolve(table)
            return move_relation(catalog, found, Name(new, found.schema))
        case SetSchema(table=table, new_schema=schema):
            found = catalog.resolve(table)
            return move_relation(catalog, found, Name(found.name, schema))
        case RenameColumn():
            return rename_column(catalog, operation.table, operation.column, operation.new_name)
        case DropColumn(table=table, column=column, only=only):
            catalog = drop_users(catalog, catalog.resolve(table), column) if operation.cascade else catalog
            return drop_column(catalog, table, column, only=only)
        case DropConstraint(table=table, constraint=constraint, only=only):
            return drop_constraint(catalog, table, constraint, only=only)
        case DropIndex():
            return drop_index(catalog, operation.index)
        case RenameIndex(index=index, new_name=new):
            if catalog.resolve(index) in catalog.tables:
                return move_relation(
                    catalog, catalog.resolve(index), Name(new, catalog.resolve(index).schema)
                )
            return rename_index(catalog, index, new)
        case AttachPartition(table=table, partition=partition, bound=bound, default=default):
            return attach(catalog, table, partition, bound=bound, default=default)
        case DetachPartition(partition=partition):
            return detach(catalog, partition, concurrently=operation.concurrently or operation.finalize)
        case AddColumn(table=table, column=column, only=only):
            assumed = operation.if_not_exists and not _columns_known(catalog, table)
            return add_column(catalog, table, column, only=only, assumed=assumed)
        case AddConstraint(table=table, constraint=constraint, only=only):
            return add_constraint(catalog, table, constraint, only=only)
        case CreateIndex():
            return add_index(catalog, operation)
        case ValidateConstraint():
            return validate(catalog, operation.table, operation.constraint)
        case RenameConstraint():
            return rename_constraint(catalog, operation.table, operation.constraint, operation.new_name)
        case SetNotNull(table=table, column=column, only=only):
            return set_not_null(catalog, table, column, only=only)
        case DropNotNull(table=table, column=column, only=only):
            return drop_not_null(catalog, table, column, only=only)
        case OtherTableAction():
            return apply_action(catalog, operation)
        case TableOperation():
            return _change_column(catalog, operation)
        case OtherStatement(tag=tag) if tag in OPAQUE_TAGS:
            return catalog.with_doubt(tag)
        case OtherStatement(changes=changes):
            for change in changes:
                catalog = apply_change(catalog, change, script=script)
            return catalog
        case Unread(reason=reason):
            return catalog.with_doubt(f"a statement that was not understood: {reason}")
        case _:
            return catalog


def _columns_known(catalog: Catalog, name: Name) -> bool:
    table = catalog.table(name)
    return table is not None and table.columns_complete


def _change_column(catalog: Catalog, operation: TableOperation) -> Catalog:
    """Operations that change one column and nothing else. Others leave the catalog as it is."""
    match operation:
        case AlterColumnType(table=table, column=column, only=only):
            new = exact(catalog, operation.type)
            collation = collation_name(operation.collation)
            catalog = change_column(
                catalog, table, column, lambda old: replace(old, type=new, collation=collation), only=only
            )
            return complete_indexes(catalog, table, column)
        case SetDefault(table=table, column=column, only=only, default=default):
            return change_column(
                catalog,
                table,
                column,
                lambda old: _with_default(old, default_text(catalog, default, old.type)),
                only=only,
            )
        case DropDefault(table=table, column=column, only=only):
            return change_column(catalog, table, column, lambda old: _with_default(old, None), only=only)
        case _:
            return catalog


def _with_default(column: Column, default: str | None) -> Column:
    return with_serial(replace(column, default=default))
