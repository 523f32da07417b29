"""What operations on columns do."""

from migsafe.catalog.columns import other_parent_has
from migsafe.catalog.model import Column, Table
from migsafe.effects.constraints import adds_constraint, locks_heirs
from migsafe.effects.domains import is_constrained, is_plain
from migsafe.effects.keys import drops_key, locks_referenced
from migsafe.effects.model import LockMode
from migsafe.effects.not_null import locks_not_null, requires_not_null
from migsafe.effects.prediction import Prediction
from migsafe.effects.refusals import NOT_NULL_SINCE, refuses_nullable
from migsafe.effects.volatility import volatility_of
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    ColumnDefinition,
    ConstraintKind,
    DropColumn,
    DropNotNull,
    Expression,
    Generated,
    RenameColumn,
    SetDefault,
    SetNotNull,
    TableOperation,
)

VIRTUAL_SINCE = 180000


def adds_column(prediction: Prediction, operation: AddColumn) -> None:
    """ADD COLUMN: cheap, unless every row needs a value of its own."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    column, table = operation.column, prediction.table(operation.table)
    prediction.lock([operation.table], LockMode.ACCESS_EXCLUSIVE)
    if table and table.column(column.name) and operation.if_not_exists:
        return
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    if table and table.column(column.name):
        prediction.fail(f"{operation.table} has a column {column.name} already")
    if table and table.partition_of:
        prediction.fail(f"{operation.table} is a partition: add the column to {table.partition_of}")
    if table and table.of_type:
        prediction.fail(f"{operation.table} is made of the type {table.of_type}")
    if operation.only and prediction.has_children(operation.table):
        prediction.fail("the column must be added to the tables below too")
    if column.generated is Generated.VIRTUAL and prediction.server_version < VIRTUAL_SINCE:
        prediction.fail("virtual generated columns need PostgreSQL 18")
    stored = prediction.stored(operation.table, only=operation.only)
    rewrites = _needs_rewrite(prediction, column)
    if rewrites:
        prediction.rewrite(stored)
    has_value = column.default is not None and not column.default.is_null_constant
    if column.not_null and not has_value and not rewrites and column.generated is None:
        prediction.scan(stored)
    for constraint in column.constraints:
        filled = column.default is not None or column.generated is not None or rewrites
        is_empty_key = constraint.kind is ConstraintKind.FOREIGN_KEY and not filled
        adds_constraint(prediction, operation.table, constraint, only=operation.only, scans=not is_empty_key)


def _needs_rewrite(prediction: Prediction, column: ColumnDefinition) -> bool:
    if column.is_serial or column.generated in {Generated.IDENTITY, Generated.STORED}:
        return True
    default = column.default
    if default is not None and not default.is_null_constant and _is_volatile(prediction, default):
        return True
    if column.generated is Generated.VIRTUAL or is_plain(column.type):
        return False
    constrained = is_constrained(prediction, column.type)
    if constrained is None:
        prediction.unknown(f"whether {column.type} is a domain with constraints")
    return constrained is not False


def _is_volatile(prediction: Prediction, default: Expression) -> bool:
    volatility = volatility_of(default, prediction.catalog)
    for function in volatility.unknown:
        prediction.unknown(f"whether {function}() is volatile")
    return volatility.volatile


def drops_column(prediction: Prediction, operation: DropColumn) -> None:
    """DROP COLUMN: short, but foreign keys on the column lock the other side too."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    table = prediction.table(operation.table)
    prediction.lock([operation.table], LockMode.ACCESS_EXCLUSIVE)
    if table is None or not table.columns_complete:
        prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
        prediction.unknown(f"whether a foreign key uses {operation.table}.{operation.column}")
        members = prediction.family(operation.table)
        _locks_readers(prediction, members, operation.column, cascade=operation.cascade)
        return
    column = table.column(operation.column)
    if column is None:
        if not operation.column_if_exists:
            prediction.fail(f"{operation.table} has no column {operation.column}")
        return
    refuses_inherited(prediction, table, column)
    refuses_partition_key(prediction, table, column.name)
    if operation.only and table.partitioned and prediction.has_children(operation.table):
        prediction.fail("a partitioned table does not lose a column without its partitions")
    losing = _losing(prediction, table, operation.column, only=operation.only)
    for member in losing:
        # Tables right below that keep the column as their own are locked to note that.
        below = (child.name for child in prediction.catalog.children(member))
        prediction.lock([member, *below], LockMode.ACCESS_EXCLUSIVE)
    _drops_what_uses(prediction, table, operation, losing)
    _locks_readers(prediction, losing, operation.column, cascade=operation.cascade)


def _losing(prediction: Prediction, table: Table, column: str, *, only: bool) -> tuple[Name, ...]:
    """The tables that lose a column: those below that have it from nowhere else."""
    found = [table.name]
    for child in prediction.catalog.children(table.name) if not only else ():
        own = child.column(column)
        stays = own is None or own.local or other_parent_has(prediction.catalog, child, table.name, column)
        if not stays:
            found += _losing(prediction, child, column, only=False)
    return tuple(dict.fromkeys(found))


def _drops_what_uses(
    prediction: Prediction, table: Table, operation: DropColumn, losing: tuple[Name, ...]
) -> None:
    for name in losing:
        member = prediction.table(name)
        for constraint in member.constraints if member else ():
            if operation.column not in constraint.columns:
                continue
            if constraint.references:
                locks_referenced(prediction, constraint.references)
            if constraint.index and member is not None:
                drops_key(prediction, member, constraint, cascade=operation.cascade)
    for other in table.columns:
        uses = other.name != operation.column and reads_column(other, operation.column)
        # Before PostgreSQL 15 it goes silently.
        if uses and not operation.cascade and prediction.server_version >= 150000:
            prediction.fail(f"the generated column {other.name} needs it")
    if table.policies and not operation.cascade:
        prediction.unknown(f"whether a policy uses {operation.column}")


def reads_column(generated: Column, name: str) -> bool:
    """Whether a generated column's expression names another column."""
    if not generated.generated_as:
        return False
    try:
        tokens = list(lex(generated.generated_as))
    except Unlexable:
        return True
    return any(token.value == name and token.kind is not TokenKind.STRING for token in tokens)


def _locks_readers(prediction: Prediction, names: tuple[Name, ...], column: str, *, cascade: bool) -> None:
    """Views that need the column go with CASCADE, and all that read those; or they are in the way."""
    sure, unsure = prediction.users(names, column)
    if prediction.table(names[0]) is None or not prediction.catalog.complete or unsure:
        prediction.unknown(f"which views use {names[0]}.{column}")
    if cascade:
        direct = (*sure, *unsure)
        prediction.lock([*direct, *prediction.readers(direct)], LockMode.ACCESS_EXCLUSIVE)
    elif sure:
        prediction.fail(f"the view {sure[0]} needs {column}")


def refuses_inherited(prediction: Prediction, table: Table, column: Column) -> None:
    """What a table above gives cannot be taken away below."""
    above = [parent for name in table.parents if (parent := prediction.table(name)) is not None]
    if (table.parents and not column.local) or any(parent.column(column.name) for parent in above):
        prediction.fail(f"{column.name} is there because a table above has it")


def refuses_partition_key(prediction: Prediction, table: Table, column: str) -> None:
    """A column of a partition key, here or below, cannot change."""
    for name in prediction.family(table.name):
        member = prediction.table(name)
        key = member.partition_key if member else None
        if key and column in {token.value for token in lex(key)}:
            prediction.fail(f"{column} is part of the partition key of {name}")


def renames_column(prediction: Prediction, operation: RenameColumn) -> None:
    """RENAME COLUMN: goes down to the tables below."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    table = prediction.table(operation.table)
    if table is None or not table.columns_complete:
        return
    column = table.column(operation.column)
    if column is None:
        prediction.fail(f"{operation.table} has no column {operation.column}")
    else:
        refuses_inherited(prediction, table, column)
    if table.column(operation.new_name):
        prediction.fail(f"{operation.table} has a column {operation.new_name} already")
    if operation.only and prediction.has_children(operation.table):
        prediction.fail("the column must be renamed in the tables below too")


def sets_not_null(prediction: Prediction, operation: SetNotNull) -> None:
    """SET NOT NULL: reads the table, unless the column has no NULL for certain."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    requires_column(prediction, operation, operation.column)
    locks_not_null(prediction, operation.table, operation.column, only=operation.only)
    requires_not_null(prediction, operation.table, operation.column, only=operation.only)
    if operation.only and prediction.is_partitioned(operation.table) and _adds_below(prediction, operation):
        prediction.fail("the constraint must be added to the partitions too")


def _adds_below(prediction: Prediction, operation: SetNotNull) -> bool:
    children = prediction.catalog.children(operation.table)
    return any((c := child.column(operation.column)) is not None and not c.not_null for child in children)


def changes_column(prediction: Prediction, operation: SetDefault | DropNotNull | TableOperation) -> None:
    """SET and DROP DEFAULT, DROP NOT NULL: short, strong, and down to the tables below."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    name = getattr(operation, "column", "")
    requires_column(prediction, operation, name)
    table = prediction.table(operation.table)
    if (
        isinstance(operation, DropNotNull)
        and table is not None
        and prediction.server_version >= NOT_NULL_SINCE
    ):
        marked = next((each for each in table.not_nulls if name in each.columns), None)
        if marked is not None:
            locks_heirs(prediction, table.name, marked, only=operation.only)
    alone = operation.only or _is_nullable_already(prediction, operation, table)
    prediction.lock(prediction.family(operation.table, only=alone), LockMode.ACCESS_EXCLUSIVE)
    if isinstance(operation, DropNotNull) and table is not None:
        refuses_nullable(prediction, table, name)


def _is_nullable_already(prediction: Prediction, operation: TableOperation, table: Table | None) -> bool:
    """From PostgreSQL 18 on DROP NOT NULL drops a constraint: without one it goes nowhere."""
    if not isinstance(operation, DropNotNull) or prediction.server_version < NOT_NULL_SINCE:
        return False
    column = table.column(operation.column) if table else None
    return column is not None and not column.not_null


def requires_column(prediction: Prediction, operation: TableOperation, name: str | None) -> None:
    """Without the column there is only an error."""
    table = prediction.table(operation.table)
    if name and table is not None and table.columns_complete and table.column(name) is None:
        prediction.fail(f"{operation.table} has no column {name}")
