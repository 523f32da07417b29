"""What operations on indexes do."""

from migsafe.catalog.find import relation_of_index
from migsafe.catalog.model import Index, Table, View
from migsafe.effects.keys import may_serve
from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.refusals import requires_partition_key
from migsafe.sql.names import Name
from migsafe.sql.operations import CreateIndex, DropIndex, Reindex


def creates_index(prediction: Prediction, operation: CreateIndex) -> None:
    """CREATE INDEX: blocks writes for as long as it reads the table, unless CONCURRENTLY."""
    concurrently = operation.concurrently
    prediction.needs_no_transaction = concurrently
    if prediction.skips(operation.table, if_exists=False):
        return
    table = prediction.table(operation.table)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE
    name = Name(operation.name or "", prediction.catalog.resolve(operation.table).schema)
    if operation.name and prediction.catalog.has_relation(name):
        if operation.if_not_exists:
            prediction.lock(
                prediction.partitions(operation.table) if not operation.only else [operation.table], mode
            )
            return
        prediction.fail(f"there is a relation {operation.name} already")
    members = (operation.table,) if operation.only else prediction.partitions(operation.table)
    prediction.lock(members, mode)
    _refuses(prediction, operation, table)
    prediction.waits_for_others = concurrently
    stored = tuple(member for member in members if not prediction.is_partitioned(member))
    prediction.build(stored)
    prediction.scan(stored)
    keys = operation.key_names[: len(operation.key_names) - len(operation.include)]
    for member in members[1:]:
        may_serve(prediction, member, keys)


def _refuses(prediction: Prediction, operation: CreateIndex, table: Table | None) -> None:
    view = prediction.catalog.view(operation.table)
    if view is not None and not view.materialized:
        prediction.fail(f"{operation.table} is a view")
    if table is None:
        return
    if table.partitioned and operation.concurrently:
        prediction.fail(f"{operation.table} is partitioned: CONCURRENTLY is not possible")
    if table.partitioned and operation.unique:
        requires_partition_key(prediction, table, operation.columns)
    if table.columns_complete:
        for column in operation.used_columns:
            if table.column(column) is None and not column.startswith("ctid"):
                prediction.fail(f"{operation.table} has no column {column}")


def drops_index(prediction: Prediction, operation: DropIndex) -> None:
    """DROP INDEX: short, but stops reads too, unless CONCURRENTLY."""
    prediction.needs_no_transaction = operation.concurrently
    if prediction.skips(operation.index, if_exists=operation.if_exists):
        return
    found = relation_of_index(prediction.catalog, operation.index)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if operation.concurrently else LockMode.ACCESS_EXCLUSIVE
    prediction.waits_for_others = operation.concurrently
    if operation.concurrently and len(prediction.beside) > 1:
        prediction.fail("CONCURRENTLY drops one index at a time")
    if found:
        _drops_known(prediction, operation, *found)
        members = prediction.partitions(found[0].name) if isinstance(found[0], Table) else [found[0].name]
        prediction.lock(members, mode)
        return
    prediction.unknown(f"the table of the index {operation.index}")
    if not operation.concurrently:
        prediction.block(Blocks.READS_AND_WRITES)


def _drops_known(prediction: Prediction, operation: DropIndex, relation: Table | View, index: Index) -> None:
    if isinstance(relation, View):
        return
    if any(constraint.index == index.name for constraint in relation.constraints):
        prediction.fail(f"a constraint of {relation.name} needs it")
    if index.parent is not None:
        prediction.fail(f"it is part of the index {index.parent}")
    if relation.partitioned and operation.concurrently:
        prediction.fail(f"{relation.name} is partitioned: CONCURRENTLY is not possible")


def reindexes(prediction: Prediction, operation: Reindex) -> None:
    """REINDEX: blocks writes by its lock on the table, and reads by its locks on the indexes."""
    concurrently = operation.concurrently
    whole = operation.object_kind in {"schema", "database", "system"}
    prediction.needs_no_transaction = concurrently or whole
    prediction.waits_for_others = concurrently
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE
    if whole or operation.target is None:
        _reindexes_all(prediction, operation, mode)
    elif prediction.skips(operation.target, if_exists=False):
        return
    elif operation.object_kind == "table":
        _reindexes(prediction, operation.target, mode)
    elif found := relation_of_index(prediction.catalog, operation.target):
        _reindexes(prediction, found[0].name, mode, whole=False)
    else:
        prediction.builds_index = True
        prediction.unknown(f"the table of the index {operation.target}")
    if not concurrently and (prediction.builds_index or whole):
        prediction.block(Blocks.READS_AND_WRITES)


def _reindexes(prediction: Prediction, name: Name, mode: LockMode, *, whole: bool = True) -> None:
    """The partitions' indexes one by one; of one index alone, partitions of partitions are passed by."""
    members = tuple(
        member
        for member in prediction.partitions(name)
        if whole or member == name or not prediction.is_partitioned(member)
    )
    if prediction.is_partitioned(name):
        # One transaction for each partition.
        prediction.needs_no_transaction = True
    prediction.lock(members, mode)
    for member in members:
        table = prediction.table(member)
        if prediction.is_partitioned(member):
            continue
        if table is None or not table.columns_complete or table.indexes:
            prediction.build([member])
            prediction.scan([member])


def _reindexes_all(prediction: Prediction, operation: Reindex, mode: LockMode) -> None:
    prediction.builds_index = True
    schema = operation.target.name if operation.target and operation.object_kind == "schema" else None
    if not prediction.catalog.complete:
        prediction.unknown(f"the tables of the {operation.object_kind}")
    for name, table in prediction.catalog.tables.items():
        if (schema is None or name.schema == schema) and not table.partitioned:
            prediction.lock([name], mode)
            prediction.scan([name] if table.indexes else [])
