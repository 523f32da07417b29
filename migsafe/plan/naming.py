"""What a rollout is called when nobody gives it a name."""

import re
from collections.abc import Sequence

from migsafe.catalog.model import Catalog
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    CreateIndex,
    Operation,
    RenameColumn,
    RenameTable,
    SetNotNull,
    SetSchema,
    TableOperation,
)

_UNFIT = re.compile(r"[^\w$]+")


def rollout_name(operations: Sequence[Operation], catalog: Catalog) -> str:
    """A name that says what the first operation does, and how many more there are."""
    name = _UNFIT.sub("_", _name(operations[0], catalog)).strip("_")
    more = len(operations) - 1
    return f"{name}_and_{more}_more" if more else name


def _name(operation: Operation, catalog: Catalog) -> str:
    if not isinstance(operation, TableOperation):
        return operation.kind
    table = catalog.resolve(operation.table).name
    match operation:
        case RenameColumn(column=column, new_name=new):
            return f"rename_{table}_{column}_to_{new}"
        case AlterColumnType(column=column, type=type_):
            return f"change_{table}_{column}_to_{type_.name}"
        case AddColumn(column=column):
            return f"add_column_{table}_{column.name}"
        case RenameTable(new_name=new):
            return f"rename_{table}_to_{new}"
        case SetSchema(new_schema=schema):
            return f"move_{table}_to_{schema}"
        case CreateIndex(key_names=keys):
            return f"create_index_{table}_{'_'.join(keys)}"
        case SetNotNull(column=column_name):
            return f"set_not_null_{table}_{column_name}"
        case AddConstraint(constraint=constraint):
            return f"add_{constraint.kind}_{table}_{constraint.name or '_'.join(constraint.columns)}"
        case _:
            return f"{operation.kind}_{table}"
