"""What operations on partitions do."""

from migsafe.catalog.model import Index, Table
from migsafe.effects.keys import takes_over_key
from migsafe.effects.model import LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.proofs import proves_not_null
from migsafe.sql.names import Name
from migsafe.sql.operations import AttachPartition, ConstraintKind, DetachPartition


def creates_partition(prediction: Prediction, parent: Name, *, default: bool) -> None:
    """CREATE TABLE ... PARTITION OF: a partition without rows joins, under the parent's strongest lock."""
    if prediction.skips(parent, if_exists=False):
        return
    prediction.lock([parent], LockMode.ACCESS_EXCLUSIVE)
    table = prediction.table(parent)
    if table is not None and table.columns_complete and not table.partitioned:
        prediction.fail(f"{parent} is not partitioned")
    _refuses_default(prediction, parent, default=default)
    _leaves_default(prediction, parent, new_is_default=default)
    _ties(prediction, parent, LockMode.SHARE_ROW_EXCLUSIVE)


def _refuses_default(prediction: Prediction, parent: Name, *, default: bool) -> None:
    table = prediction.table(parent)
    if default and default_of(prediction, parent):
        prediction.fail(f"{parent} has a default partition already")
    if default and table is not None and (table.partition_key or "").lower().lstrip().startswith("hash"):
        prediction.fail(f"{parent} is partitioned by hash: it has no default partition")


def attaches_partition(prediction: Prediction, operation: AttachPartition) -> None:
    """ATTACH PARTITION: reads the new partition, and the default one, under their strongest locks."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    prediction.lock([operation.table], LockMode.SHARE_UPDATE_EXCLUSIVE)
    partition, parent = prediction.table(operation.partition), prediction.table(operation.table)
    prediction.lock(prediction.family(operation.partition), LockMode.ACCESS_EXCLUSIVE)
    _refuses_default(prediction, operation.table, default=operation.default)
    if prediction.catalog.resolve(operation.table) in prediction.family(operation.partition):
        prediction.fail(f"{operation.partition} would be a partition of itself")
    inherits = not prediction.is_partitioned(operation.partition) and prediction.has_children(
        operation.partition
    )
    if (partition is not None and partition.parents) or inherits:
        prediction.fail(f"{operation.partition} is a partition, or inherits, already")
    if parent is not None:
        _gets_indexes(prediction, parent, partition, operation.partition)
        _ties(prediction, operation.table, LockMode.SHARE_ROW_EXCLUSIVE)
        for constraint in parent.constraints:
            if constraint.references:
                prediction.scan(prediction.stored(operation.partition))
                prediction.may_scan.update(dict.fromkeys(prediction.stored(constraint.references)))
                takes_over_key(prediction, operation.partition, constraint)
    if operation.default and parent is not None and not prediction.has_children(operation.table):
        # Without siblings a default partition takes every row. Foreign keys may be checked by an index.
        prediction.may_scan.update(dict.fromkeys(prediction.stored(operation.partition)))
        return
    prediction.scan(prediction.stored(operation.partition))
    if partition is None or any(
        c.kind is ConstraintKind.CHECK and c.validated for c in partition.constraints
    ):
        prediction.unknown(f"whether a constraint proves that all rows of {operation.partition} fit")
    _leaves_default(prediction, operation.table, new_is_default=operation.default)


def _gets_indexes(prediction: Prediction, parent: Table, partition: Table | None, name: Name) -> None:
    """Indexes of the parent that the partition has no equal of are built."""
    missing = []
    left = list(partition.indexes) if partition is not None else []
    for index in parent.indexes:
        # Each index of the partition serves one of the parent's; a key's only another key.
        kind = _kind_of_key(parent, index)
        own = next(
            (i for i in left if _is_alike(index, i) and kind in {None, _kind_of_key(partition, i)}), None
        )
        if own is None:
            missing.append(index)
        else:
            left.remove(own)
    if not missing or prediction.is_partitioned(name):
        return
    prediction.build([name])
    prediction.scan([name])
    if partition is None or partition.indexes:
        prediction.unknown(f"whether {name} has all indexes that {parent.name} has")


def _kind_of_key(table: Table | None, index: Index) -> ConstraintKind | None:
    constraints = table.constraints if table else ()
    return next((constraint.kind for constraint in constraints if constraint.index == index.name), None)


def _is_alike(index: Index, own: Index) -> bool:
    return (index.keys, index.unique, index.method, index.where) == (
        own.keys,
        own.unique,
        own.method,
        own.where,
    ) and bool(index.keys)


def detaches_partition(prediction: Prediction, operation: DetachPartition) -> None:
    """DETACH PARTITION: locks the parent strongly unless CONCURRENTLY."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    partition = prediction.table(operation.partition)
    parent = prediction.catalog.resolve(operation.table)
    if partition is not None and prediction.catalog.complete and partition.partition_of != parent:
        prediction.fail(f"{operation.partition} is no partition of {operation.table}")
    table = prediction.table(operation.table)
    if operation.concurrently or operation.finalize:
        prediction.lock([operation.table], LockMode.SHARE_UPDATE_EXCLUSIVE)
        prediction.lock(prediction.family(operation.partition), LockMode.ACCESS_EXCLUSIVE)
        prediction.needs_no_transaction = operation.concurrently
        prediction.waits_for_others = True
        if operation.concurrently and default_of(prediction, operation.table):
            prediction.fail(f"{operation.table} has a default partition: CONCURRENTLY is not possible")
        if operation.finalize and partition is not None and not partition.detaching:
            prediction.fail(f"{operation.partition} is not being detached")
    else:
        prediction.lock([operation.table], LockMode.ACCESS_EXCLUSIVE)
        prediction.lock(prediction.family(operation.partition), LockMode.ACCESS_EXCLUSIVE)
        lock_default(prediction, operation.table)
    if prediction.server_version >= 150000:
        _ties(prediction, operation.table, LockMode.SHARE_ROW_EXCLUSIVE, referrers=False)
    else:
        _gets_own_keys(prediction, partition)
    referrers = prediction.referrers(table) if table is not None else ()
    if referrers:
        for referrer in referrers:
            prediction.lock(prediction.partitions(referrer), LockMode.ACCESS_EXCLUSIVE)
        prediction.unknown(f"whether rows elsewhere refer to rows of {operation.partition}")
        prediction.scan([*prediction.stored(operation.partition), *referrers])


def _gets_own_keys(prediction: Prediction, partition: Table | None) -> None:
    """The foreign keys of a detached partition, up to PostgreSQL 14.

    Those to the partitions of another table look as if they were inherited; an inherited one to a
    partitioned table gets no triggers.
    """
    for constraint in partition.constraints if partition else ():
        if constraint.references is None:
            continue
        others = prediction.partitions(constraint.references)
        leaves = [name for name in others if not prediction.is_partitioned(name)]
        if prediction.is_partitioned(constraint.references) == (constraint.parent is None):
            prediction.lock(leaves, LockMode.SHARE_ROW_EXCLUSIVE)


def default_of(prediction: Prediction, parent: Name) -> Table | None:
    """The default partition, if one is known."""
    return next((child for child in prediction.catalog.children(parent) if child.default_partition), None)


def lock_default(prediction: Prediction, parent: Name) -> None:
    """The default partition's bounds change whenever another partition comes or goes."""
    found = default_of(prediction, parent)
    if found is not None:
        prediction.lock([found.name], LockMode.ACCESS_EXCLUSIVE)


def _leaves_default(prediction: Prediction, parent: Name, *, new_is_default: bool) -> None:
    """A new partition takes values away from the default one, which is read to see that it has none."""
    if new_is_default:
        return
    found = default_of(prediction, parent)
    if found is not None:
        prediction.lock(prediction.family(found.name), LockMode.ACCESS_EXCLUSIVE)
        prediction.scan(prediction.stored(found.name))
        if any(proves_not_null(found, column.name) for column in found.columns) and any(
            c.kind is ConstraintKind.CHECK and c.validated for c in found.constraints
        ):
            prediction.unknown(f"whether a constraint proves that no row of {found.name} has to move")
    if prediction.table(parent) is None:
        prediction.unknown(f"whether {parent} has a default partition")


def _has_own_key(prediction: Prediction, referrer: Name, table: Table) -> bool:
    """Whether a foreign key to the table, or one above it, is not just a partition's part of its parent's."""
    names = {table.name, *(parent.name for parent in prediction.above(table))}
    other = prediction.table(referrer)
    return other is None or any(c.references in names and c.parent is None for c in other.constraints)


def _ties(prediction: Prediction, name: Name, mode: LockMode, *, referrers: bool = True) -> None:
    """The tables that the foreign keys of a partitioned table tie to each of its partitions."""
    table = prediction.table(name)
    if table is None:
        return
    for constraint in table.constraints:
        if constraint.references:
            prediction.lock(prediction.partitions(constraint.references), mode)
    if prediction.server_version < 150000:
        return
    for referrer in prediction.referrers(table) if referrers else ():
        if _has_own_key(prediction, referrer, table):
            prediction.lock([referrer], mode)
