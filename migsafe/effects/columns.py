"""What operations on columns do."""

from collections.abc import Iterator

from migsafe.catalog.model import DEFAULT_SCHEMA, Column, Table
from migsafe.effects.constraints import adds_constraint, requires_not_null
from migsafe.effects.model import LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.type_change import UTC_QUESTION, Change, type_change
from migsafe.effects.volatility import volatility_of
from migsafe.sql.casts import simple_cast
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    AlterColumnType,
    ColumnDefinition,
    ConstraintKind,
    DropColumn,
    Expression,
    Generated,
    SetNotNull,
    TypeName,
)
from migsafe.sql.types import is_built_in

# Types of widely used extensions: base types, never domains.
_EXTENSION_TYPES = frozenset(
    {"citext", "geography", "geometry", "halfvec", "hstore", "ltree", "sparsevec", "vector"}
)


def adds_column(prediction: Prediction, operation: AddColumn) -> None:
    """ADD COLUMN: cheap, unless every row needs a value of its own."""
    column, table = operation.column, prediction.table(operation.table)
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    if operation.if_not_exists and table and table.column(column.name):
        return
    stored = prediction.stored(operation.table, only=operation.only)
    rewrites = _needs_rewrite(prediction, column)
    if rewrites:
        prediction.rewrite(stored)
    has_value = column.default is not None and not column.default.is_null_constant
    if column.not_null and not has_value and not rewrites and column.generated is None:
        prediction.scan(stored)
    for constraint in column.constraints:
        filled = has_value or column.generated is not None or rewrites
        is_empty_key = constraint.kind is ConstraintKind.FOREIGN_KEY and not filled
        adds_constraint(prediction, operation.table, constraint, only=operation.only, scans=not is_empty_key)


def _needs_rewrite(prediction: Prediction, column: ColumnDefinition) -> bool:
    if column.is_serial or column.generated in {Generated.IDENTITY, Generated.STORED}:
        return True
    default = column.default
    if default is not None and not default.is_null_constant:
        volatility = volatility_of(default)
        for function in volatility.unknown:
            prediction.unknown(f"whether {function}() is volatile")
        if volatility.volatile:
            return True
    if column.generated is Generated.VIRTUAL or _is_plain_type(column.type):
        return False
    if Name(column.type.name, column.type.schema or DEFAULT_SCHEMA) in prediction.catalog.types:
        return False
    prediction.unknown(f"whether {column.type} is a domain with constraints")
    return True


def _is_plain_type(written: TypeName) -> bool:
    return written.name in _EXTENSION_TYPES or (written.schema is None and is_built_in(written))


def drops_column(prediction: Prediction, operation: DropColumn) -> None:
    """DROP COLUMN: short, but foreign keys on the column lock the other side too."""
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    table = prediction.table(operation.table)
    if table is None or not table.columns_complete:
        prediction.unknown(f"whether a foreign key uses {operation.table}.{operation.column}")
    if operation.cascade:
        prediction.unknown(f"which views use {operation.table}.{operation.column}")
    if table is None:
        return
    for constraint in table.constraints:
        if operation.column in constraint.columns and constraint.references:
            prediction.lock([constraint.references], LockMode.ACCESS_EXCLUSIVE)
        if operation.column in constraint.columns and constraint.index:
            lock_referrers(prediction, table)


def lock_referrers(prediction: Prediction, table: Table) -> None:
    """Dropping a key, or a table, with CASCADE drops the foreign keys that need it."""
    prediction.lock(table.referenced_by, LockMode.ACCESS_EXCLUSIVE)


def sets_not_null(prediction: Prediction, operation: SetNotNull) -> None:
    """SET NOT NULL: reads the table, unless the column has no NULL for certain."""
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    requires_not_null(prediction, operation.table, operation.column, only=operation.only)


def changes_type(prediction: Prediction, operation: AlterColumnType) -> None:
    """ALTER COLUMN TYPE: free for some pairs of types, a rewrite for all others."""
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    table = prediction.table(operation.table)
    column = table.column(operation.column) if table else None
    stored = prediction.stored(operation.table, only=operation.only)
    change = Change.REWRITE
    if operation.using is not None and not _only_casts(operation.using, operation.column, operation.type):
        change = Change.REWRITE
    elif column is None or not column.type.name:
        prediction.unknown(f"the type of {operation.table}.{operation.column}")
    elif (
        not (_is_plain_type(column.type) and _is_plain_type(operation.type)) and column.type != operation.type
    ):
        prediction.unknown(f"how {column.type} becomes {operation.type}")
    else:
        change = type_change(column.type, operation.type)
    if change is Change.FREE_IN_UTC:
        prediction.unknown(UTC_QUESTION)
    if change is not Change.FREE:
        prediction.rewrite(stored)
    if table is not None:
        _makes_again(prediction, table, operation, stored)


def _makes_again(
    prediction: Prediction, table: Table, operation: AlterColumnType, stored: tuple[Name, ...]
) -> None:
    """Foreign keys and checks on the column are made again; indexes too, when they would sort differently."""
    column = table.column(operation.column)
    alike = column is not None and _sorts_alike(column, operation)
    for constraint in table.constraints:
        if operation.column not in constraint.columns:
            continue
        if constraint.references:
            prediction.lock([constraint.references], LockMode.ACCESS_EXCLUSIVE)
        if (
            constraint.kind is ConstraintKind.CHECK
            and constraint.validated
            and not _is_same(column, operation)
        ):
            prediction.scan(stored)
    for referrer in _referrers(prediction, table, operation.column):
        prediction.lock([referrer], LockMode.ACCESS_EXCLUSIVE)
        if not alike:
            prediction.scan(prediction.stored(referrer))
    if column is not None and not alike and any(operation.column in i.columns for i in table.indexes):
        prediction.builds_index = True
        prediction.scan(stored)


def _is_same(column: Column | None, operation: AlterColumnType) -> bool:
    return column is not None and column.type == operation.type and operation.using is None


def _referrers(prediction: Prediction, table: Table, column: str) -> Iterator[Name]:
    """The tables whose foreign keys name this column; without a list of columns they mean the key."""
    key = {c for k in table.constraints if k.kind is ConstraintKind.PRIMARY_KEY for c in k.columns}
    for name in table.referenced_by:
        referrer = prediction.table(name)
        for constraint in referrer.constraints if referrer else ():
            if constraint.references == table.name and column in (constraint.referenced_columns or key):
                yield name


def _sorts_alike(column: Column, operation: AlterColumnType) -> bool:
    collation = str(operation.collation) if operation.collation else None
    if collation != column.collation:
        return False
    names = {column.type.name, operation.type.name}
    return len(names) == 1 or names <= {"text", "character varying"} or names == {"cidr", "inet"}


def _only_casts(using: Expression, column: str, to: TypeName) -> bool:
    """Whether USING is the column itself, or its cast to the new type: then it changes nothing."""
    found = simple_cast(using.text)
    return found is not None and found[0] == column and found[1] in {None, to}
