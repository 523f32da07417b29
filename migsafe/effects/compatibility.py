"""Which versions of the application still work after an operation.

Old is the version that runs before the change and knows nothing of it; new is the one that was written
for it. Data that only some statements would violate counts as violated: the worse case.
"""

from migsafe.catalog.model import Catalog, Column
from migsafe.effects.model import Compatibility
from migsafe.effects.proofs import proves_not_null
from migsafe.effects.type_change import keeps_values
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    ConstraintKind,
    DetachPartition,
    DropColumn,
    DropDefault,
    DropTable,
    Operation,
    OtherTableAction,
    RenameColumn,
    RenameTable,
    SetNotNull,
    SetSchema,
    Truncate,
)

_BOTH_WORK = Compatibility()


def compatibility_of(  # noqa: PLR0911 -- one flat table: operation, who breaks
    operation: Operation, catalog: Catalog
) -> Compatibility:
    """Who still works after an operation, and why somebody does not."""
    match operation:
        case RenameColumn():
            return _old_breaks(f"it still says {operation.table}.{operation.column}")
        case RenameTable() | SetSchema():
            return _old_breaks(f"it still says {operation.table}")
        case DropColumn():
            return _old_breaks(f"it may still use {operation.table}.{operation.column}")
        case DropTable():
            return _old_breaks(f"it may still use {operation.table}")
        case Truncate():
            return Compatibility(old=False, new=False, reason=f"the rows of {operation.table} are gone")
        case DetachPartition():
            return _old_breaks(f"it no longer finds the rows of {operation.partition} in {operation.table}")
        case AlterColumnType():
            return _type(operation, catalog)
        case SetNotNull():
            return _not_null(operation.table, operation.column, catalog)
        case DropDefault():
            return _default(operation, catalog)
        case AddColumn():
            return _column(operation)
        case AddConstraint():
            return _constraint(operation, catalog)
        case _:
            return _other(operation)


def _other(operation: Operation) -> Compatibility:
    match operation:
        case OtherTableAction(action="ALTER COLUMN DROP EXPRESSION" | "ALTER COLUMN DROP IDENTITY"):
            return _old_breaks(f"it leaves {operation.table}.{operation.column} to the server")
        case _:
            return _BOTH_WORK


def _old_breaks(reason: str) -> Compatibility:
    return Compatibility(old=False, reason=reason)


def _known(catalog: Catalog, table: Name, column: str) -> Column | None:
    found = catalog.table(table)
    return found.column(column) if found else None


def _type(operation: AlterColumnType, catalog: Catalog) -> Compatibility:
    column = _known(catalog, operation.table, operation.column)
    if operation.using is None and column is not None and keeps_values(column.type, operation.type):
        return _BOTH_WORK
    return _old_breaks(f"it expects {operation.column} to have its old type")


def _not_null(table: Name, column: str, catalog: Catalog) -> Compatibility:
    known = catalog.table(table)
    if known is not None and proves_not_null(known, column):
        return _BOTH_WORK
    return _old_breaks(f"it may still write NULL into {table}.{column}")


def _default(operation: DropDefault, catalog: Catalog) -> Compatibility:
    column = _known(catalog, operation.table, operation.column)
    if column is not None and not column.not_null:
        return _BOTH_WORK
    return _old_breaks(f"it may leave {operation.column} out when it inserts")


def _column(operation: AddColumn) -> Compatibility:
    column = operation.column
    has_value = column.is_serial or column.generated is not None
    has_value = has_value or (column.default is not None and not column.default.is_null_constant)
    if column.not_null and not has_value:
        return _old_breaks(f"it inserts no value into the new column {column.name}")
    return _BOTH_WORK


def _constraint(operation: AddConstraint, catalog: Catalog) -> Compatibility:
    constraint = operation.constraint
    if constraint.not_enforced or constraint.using_index:
        return _BOTH_WORK
    if constraint.kind is ConstraintKind.NOT_NULL:
        return _not_null(operation.table, constraint.columns[0], catalog)
    return _old_breaks(f"it may still write rows that the new constraint on {operation.table} refuses")
