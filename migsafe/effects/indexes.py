"""What operations on indexes do."""

from migsafe.catalog.find import table_of_index
from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.prediction import Prediction
from migsafe.sql.operations import CreateIndex, DropIndex, Reindex


def creates_index(prediction: Prediction, operation: CreateIndex) -> None:
    """CREATE INDEX: blocks writes for as long as it reads the table, unless CONCURRENTLY."""
    table = prediction.table(operation.table)
    exists = table and operation.name in {index.name for index in table.indexes}
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if operation.concurrently else LockMode.SHARE
    prediction.lock(prediction.family(operation.table, only=operation.only), mode)
    prediction.needs_no_transaction = operation.concurrently
    stored = prediction.stored(operation.table, only=operation.only)
    if stored and not (operation.if_not_exists and exists):
        prediction.builds_index = True
        prediction.scan(stored)


def drops_index(prediction: Prediction, operation: DropIndex) -> None:
    """DROP INDEX: short, but stops reads too, unless CONCURRENTLY."""
    prediction.needs_no_transaction = operation.concurrently
    found = table_of_index(prediction.catalog, operation.index)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if operation.concurrently else LockMode.ACCESS_EXCLUSIVE
    if found:
        prediction.lock([found[0].name], mode)
        return
    prediction.unknown(f"the table of the index {operation.index}")
    if not operation.concurrently:
        prediction.block(Blocks.READS_AND_WRITES)


def reindexes(prediction: Prediction, operation: Reindex) -> None:
    """REINDEX: blocks writes by its lock on the table, and reads by its locks on the indexes."""
    prediction.builds_index = True
    concurrently = operation.concurrently
    whole = operation.object_kind in {"schema", "database", "system"}
    prediction.needs_no_transaction = concurrently or whole
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if concurrently else LockMode.SHARE
    if not concurrently:
        prediction.block(Blocks.READS_AND_WRITES)
    if whole or operation.target is None:
        prediction.unknown(f"the tables of the {operation.object_kind}")
    elif operation.object_kind == "table":
        prediction.lock(prediction.stored(operation.target), mode)
        prediction.scan(prediction.stored(operation.target))
    elif found := table_of_index(prediction.catalog, operation.target):
        prediction.lock(prediction.stored(found[0].name), mode)
        prediction.scan(prediction.stored(found[0].name))
    else:
        prediction.unknown(f"the table of the index {operation.target}")
