"""What operations on whole tables and on partitions do."""

from migsafe.catalog.find import children
from migsafe.effects.columns import lock_referrers
from migsafe.effects.constraints import alters_constraint
from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.prediction import Prediction
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AttachPartition,
    ConstraintKind,
    CreateTable,
    DetachPartition,
    DropTable,
    OtherTableAction,
    Truncate,
)

# ALTER TABLE ... SET (...): these may change while the table is written to; all others may not.
_GENTLE_OPTIONS = (
    *("autovacuum_", "fillfactor", "log_autovacuum", "parallel_workers", "toast.", "toast_tuple_target"),
    *("vacuum_", "n_distinct"),
)
_GENTLE = frozenset(
    {
        "ALTER COLUMN RESET",
        "ALTER COLUMN SET",
        "ALTER COLUMN SET STATISTICS",
        "CLUSTER ON",
        "SET WITHOUT CLUSTER",
    }
)
_NEW_STORAGE = frozenset({"SET ACCESS METHOD", "SET LOGGED", "SET TABLESPACE", "SET UNLOGGED"})


def creates_table(prediction: Prediction, operation: CreateTable) -> None:
    """CREATE TABLE: other tables feel it when foreign keys or partitions join them."""
    if operation.if_not_exists and prediction.table(operation.table):
        return
    constraints = (
        *operation.constraints,
        *(constraint for column in operation.columns for constraint in column.constraints),
    )
    for constraint in constraints:
        if constraint.references is not None and constraint.references != operation.table:
            prediction.lock(prediction.family(constraint.references), LockMode.SHARE_ROW_EXCLUSIVE)
    prediction.lock(operation.inherits, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if operation.partition_of:
        prediction.lock([operation.partition_of], LockMode.ACCESS_EXCLUSIVE)
        _default_partition(prediction, operation.partition_of, operation.default_partition)
        _foreign_keys(prediction, operation.partition_of, LockMode.SHARE_ROW_EXCLUSIVE)


def attaches_partition(prediction: Prediction, operation: AttachPartition) -> None:
    """ATTACH PARTITION: reads the new partition, and the default one, under their strongest locks."""
    prediction.lock([operation.table], LockMode.SHARE_UPDATE_EXCLUSIVE)
    partition = prediction.table(operation.partition)
    prediction.lock(prediction.family(operation.partition), LockMode.ACCESS_EXCLUSIVE)
    if operation.default and _has_no_partition(prediction, operation.table):
        # Without siblings a default partition takes every row.
        return
    prediction.scan(prediction.stored(operation.partition))
    if partition is None or any(
        c.kind is ConstraintKind.CHECK and c.validated for c in partition.constraints
    ):
        prediction.unknown(f"whether a constraint proves that all rows of {operation.partition} fit")
    _default_partition(prediction, operation.table, operation.default)


def _has_no_partition(prediction: Prediction, parent: Name) -> bool:
    table = prediction.table(parent)
    return table is not None and not children(prediction.catalog, parent)


def detaches_partition(prediction: Prediction, operation: DetachPartition) -> None:
    """DETACH PARTITION: locks the parent strongly unless CONCURRENTLY."""
    if operation.concurrently or operation.finalize:
        prediction.lock([operation.table], LockMode.SHARE_UPDATE_EXCLUSIVE)
        prediction.lock([operation.partition], LockMode.ACCESS_EXCLUSIVE)
        prediction.needs_no_transaction = operation.concurrently
        return
    prediction.lock([operation.table, operation.partition], LockMode.ACCESS_EXCLUSIVE)
    _lock_default(prediction, operation.table)
    _foreign_keys(prediction, operation.table, LockMode.SHARE_ROW_EXCLUSIVE)


def _lock_default(prediction: Prediction, parent: Name) -> None:
    """The default partition's bounds change whenever another partition comes or goes."""
    for child in children(prediction.catalog, parent):
        if child.default_partition:
            prediction.lock([child.name], LockMode.ACCESS_EXCLUSIVE)


def _default_partition(prediction: Prediction, parent: Name, new_is_default: bool) -> None:  # noqa: FBT001 -- a fact handed on, not a switch
    """A new partition takes values away from the default one, which is read to see that it has none."""
    if new_is_default:
        return
    for child in children(prediction.catalog, parent):
        if child.default_partition:
            prediction.lock(prediction.family(child.name), LockMode.ACCESS_EXCLUSIVE)
            prediction.scan(prediction.stored(child.name))
    if prediction.table(parent) is None:
        prediction.unknown(f"whether {parent} has a default partition")


def _foreign_keys(prediction: Prediction, name: Name, mode: LockMode) -> None:
    table = prediction.table(name)
    for constraint in table.constraints if table else ():
        if constraint.references:
            prediction.lock([constraint.references], mode)


def drops_table(prediction: Prediction, operation: DropTable) -> None:
    """DROP TABLE: short, but locks every table that a foreign key ties to it."""
    prediction.lock(prediction.family(operation.table), LockMode.ACCESS_EXCLUSIVE)
    table = prediction.table(operation.table)
    if table is None:
        prediction.unknown(f"which tables foreign keys tie to {operation.table}")
        return
    _foreign_keys(prediction, operation.table, LockMode.ACCESS_EXCLUSIVE)
    if operation.cascade:
        lock_referrers(prediction, table)
        prediction.unknown(f"which views use {operation.table}")
    if table.partition_of:
        prediction.lock([table.partition_of], LockMode.ACCESS_EXCLUSIVE)
        _lock_default(prediction, table.partition_of)


def truncates(prediction: Prediction, operation: Truncate) -> None:
    """TRUNCATE: new, empty storage; CASCADE takes the tables that refer to this one along."""
    done: set[Name] = set()
    waiting = list(prediction.family(operation.table, only=operation.only))
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        prediction.lock([name], LockMode.ACCESS_EXCLUSIVE)
        table = prediction.table(name)
        if table is None or not table.partitioned:
            prediction.rewrites[name] = None
        if operation.cascade and table is not None:
            waiting += table.referenced_by
    if operation.cascade and prediction.table(operation.table) is None:
        prediction.unknown(f"which tables refer to {operation.table}")


def other_action(prediction: Prediction, operation: OtherTableAction) -> None:
    """Every other action of ALTER TABLE: ACCESS EXCLUSIVE, unless it is known to be gentler."""
    family = prediction.family(operation.table, only=operation.only)
    stored = prediction.stored(operation.table, only=operation.only)
    action = operation.action
    if action == "ALTER CONSTRAINT":
        alters_constraint(prediction, operation)
    elif action in _GENTLE or (action in {"SET", "RESET"} and _options_are_gentle(operation.detail)):
        prediction.lock(family, LockMode.SHARE_UPDATE_EXCLUSIVE)
    elif "TRIGGER" in action:
        prediction.lock(family, LockMode.SHARE_ROW_EXCLUSIVE)
    else:
        prediction.lock(family, LockMode.ACCESS_EXCLUSIVE)
    if action == "INHERIT":
        parts = operation.detail.split(".")
        parent = Name(parts[-1], parts[-2] if len(parts) > 1 else None)
        prediction.lock([parent], LockMode.SHARE_UPDATE_EXCLUSIVE)
    if action == "SET ACCESS METHOD":
        prediction.unknown(f"the access method that {operation.table} has now")
    if action == "SET TABLESPACE":
        prediction.unknown(f"the tablespace that {operation.table} has now")
    if action in _NEW_STORAGE:
        prediction.rewrite(stored)
        prediction.block(Blocks.READS_AND_WRITES)
    if action == "ALTER COLUMN SET EXPRESSION":
        _new_expression(prediction, operation, stored)


def _new_expression(prediction: Prediction, operation: OtherTableAction, stored: tuple[Name, ...]) -> None:
    """SET EXPRESSION writes a stored column anew; a virtual one is not stored."""
    table = prediction.table(operation.table)
    column = table.column(operation.column) if table and operation.column else None
    if column is not None and column.generated == "virtual":
        return
    if column is None:
        prediction.unknown(f"whether {operation.table}.{operation.column} is stored")
    prediction.rewrite(stored)


def _options_are_gentle(detail: str) -> bool:
    options = [option.strip().lower().strip('"') for option in detail.split(",")]
    return all(option.startswith(_GENTLE_OPTIONS) for option in options)
