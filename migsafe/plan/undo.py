"""What takes a harmless operation back, where a statement can."""

from migsafe.catalog.model import Catalog, Column
from migsafe.plan.undo_objects import undo_of_object
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    CreateTable,
    DropDefault,
    Operation,
    OtherStatement,
    RenameConstraint,
    RenameIndex,
    SetDefault,
    TableOperation,
    ValidateConstraint,
)


def undo_of(  # noqa: PLR0911 -- one flat table: operation, what takes it back
    operation: Operation, catalog: Catalog
) -> tuple[str, ...] | None:
    """The statements of one transaction that take the operation back; None when none are known.

    `catalog` is the schema right before the operation. What happens to a table that the same migration made
    ends with the table.
    """
    if isinstance(operation, OtherStatement):
        return undo_of_object(operation, catalog)
    if isinstance(operation, RenameIndex):
        return _index_name(operation, catalog)
    if isinstance(operation, CreateTable):
        return (f"DROP TABLE IF EXISTS {catalog.resolve(operation.table).sql}",)
    if not isinstance(operation, TableOperation):
        return None
    table = catalog.table(operation.table)
    if table is None:
        return None
    if catalog.created_now(table):
        return ()
    match operation:
        case AddColumn(column=column):
            return (_alter(table.name, f"DROP COLUMN IF EXISTS {quote_identifier(column.name)}"),)
        case SetDefault(column=name) | DropDefault(column=name):
            return _default(table.name, table.column(name))
        case AddConstraint(constraint=constraint) if constraint.name:
            return (_alter(table.name, f"DROP CONSTRAINT IF EXISTS {quote_identifier(constraint.name)}"),)
        case RenameConstraint(constraint=old, new_name=new):
            names = f"{quote_identifier(new)} TO {quote_identifier(old)}"
            return (_alter(table.name, f"RENAME CONSTRAINT {names}"),)
        case ValidateConstraint():
            return ()  # what is proven may stay
        case _:
            return None


def _index_name(operation: RenameIndex, catalog: Catalog) -> tuple[str, ...]:
    index = catalog.resolve(operation.index)
    new = Name(operation.new_name, index.schema)
    return (f"ALTER INDEX {new.sql} RENAME TO {quote_identifier(index.name)}",)


def _default(table: Name, column: Column | None) -> tuple[str, ...] | None:
    if column is None or column.generated or column.is_serial:
        return None
    value = f"SET DEFAULT {column.default}" if column.default is not None else "DROP DEFAULT"
    return (_alter(table, f"ALTER COLUMN {quote_identifier(column.name)} {value}"),)


def _alter(table: Name, action: str) -> str:
    return f"ALTER TABLE {table.sql} {action}"
