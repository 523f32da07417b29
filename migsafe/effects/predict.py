"""Operation and catalog in, effects out: pure, and proven on real servers by the tests.

https://www.postgresql.org/docs/current/explicit-locking.html
https://www.postgresql.org/docs/current/sql-altertable.html
"""

from collections.abc import Sequence
from dataclasses import replace

from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.catalog.replay import apply
from migsafe.effects.changing_types import changes_type
from migsafe.effects.columns import (
    adds_column,
    changes_column,
    drops_column,
    renames_column,
    sets_not_null,
)
from migsafe.effects.constraints import (
    adds_table_constraint,
    drops_constraint,
    renames_constraint,
    validates_constraint,
)
from migsafe.effects.indexes import creates_index, drops_index, reindexes
from migsafe.effects.model import Effects, Lock, LockMode
from migsafe.effects.other import anything, other_statement
from migsafe.effects.partitions import attaches_partition, detaches_partition
from migsafe.effects.prediction import Prediction, merge
from migsafe.effects.refusals import NOT_NULL_SINCE
from migsafe.effects.tables import (
    creates_table,
    drops_table,
    other_action,
    renames_table,
    truncates,
)
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    AttachPartition,
    CreateIndex,
    CreateTable,
    Delete,
    DetachPartition,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropTable,
    Insert,
    LockTable,
    Operation,
    OtherStatement,
    OtherTableAction,
    Query,
    Reindex,
    RenameColumn,
    RenameConstraint,
    RenameTable,
    SetNotNull,
    SetSchema,
    TableOperation,
    Truncate,
    Unread,
    Update,
    ValidateConstraint,
)

__all__ = ["DEFAULT_SERVER_VERSION", "effects_of", "merge", "statement_effects"]

DEFAULT_SERVER_VERSION = 180000


def effects_of(
    operation: Operation,
    catalog: Catalog,
    server_version: int | None = None,
    *,
    beside: Sequence[Operation] = (),
) -> Effects:
    """What an operation does on this catalog. `server_version` is server_version_num, e.g. 180006.

    `beside` are all operations of its statement, when there are more: TRUNCATE a, b is one TRUNCATE for each.

    Locks are on tables that existed before the statement. What the catalog does not tell is named in
    `depends_on`, and the worse case is taken.
    """
    version = server_version or catalog.server_version or DEFAULT_SERVER_VERSION
    return _effects(operation, catalog, version, tuple(beside) or (operation,))


def statement_effects(
    operations: Sequence[Operation], catalog: Catalog, server_version: int | None = None
) -> Effects:
    """What a statement does with all its operations.

    The actions of one ALTER TABLE are carried out in PostgreSQL's order, each on what the ones before it
    leave. Other operations, such as those of DROP TABLE a, b, are all on the same catalog; they know of each
    other.
    """
    version = server_version or catalog.server_version or DEFAULT_SERVER_VERSION
    beside = tuple(operations)
    tables = {operation.table for operation in operations if isinstance(operation, TableOperation)}
    in_schema = beside and isinstance(beside[0], OtherStatement) and beside[0].tag == "CREATE SCHEMA"
    if len(operations) == 1 or (len(tables) != 1 and not in_schema):
        return merge(_effects(operation, catalog, version, beside) for operation in operations)
    found, here = [], catalog
    passes = in_passes(operations)
    for operation in passes:
        found.append(_effects(operation, here, version, beside))
        here = apply(here, operation)
    if in_schema:  # with the objects that it makes in it
        return merge(found)
    before = Prediction(catalog=catalog, server_version=version)
    members = before.family(tables.pop())
    reached = {
        name for part, each in zip(found, passes, strict=True) for name in _reached(before, part, each)
    }
    return _at_one_level(found, members[0], reached & {*members})


def _reached(before: Prediction, part: Effects, operation: Operation) -> set[Name]:
    """What an action locks of the tables that it goes down to.

    It does not go to partitions where it only builds their part of a key: that takes SHARE, as CREATE INDEX.
    Nor, before PostgreSQL 18, does a foreign key go down to the table below that it refers to.
    """
    locked = {lock.relation for lock in part.locks if lock.mode is not LockMode.SHARE}
    if isinstance(operation, AddConstraint) and operation.constraint.references:
        beyond = set(before.partitions(operation.constraint.references))
        goes_to = before.family if before.server_version >= NOT_NULL_SINCE else before.partitions
        locked -= beyond - set(goes_to(operation.table))
    return locked


def _at_one_level(parts: Sequence[Effects], table: Name, reached: set[Name]) -> Effects:
    """ALTER TABLE locks a table, and those below that it goes to, as its strongest action needs."""
    effects = merge(parts)
    top = next((lock.mode for lock in effects.locks if lock.relation == table), None)
    if top is None:
        return effects
    locks = tuple(
        Lock(lock.relation, max(lock.mode, top)) if lock.relation in reached else lock
        for lock in effects.locks
    )
    return replace(effects, locks=locks)


def _effects(operation: Operation, catalog: Catalog, version: int, beside: tuple[Operation, ...]) -> Effects:
    prediction = Prediction(catalog=catalog, server_version=version, beside=beside)
    _predict(prediction, operation)
    return prediction.effects()


def _predict(  # noqa: C901, PLR0912 -- one flat table: operation, who knows about it
    prediction: Prediction, operation: Operation
) -> None:
    match operation:
        case AddColumn():
            adds_column(prediction, operation)
        case DropColumn():
            drops_column(prediction, operation)
        case AlterColumnType():
            changes_type(prediction, operation)
        case SetNotNull():
            sets_not_null(prediction, operation)
        case AddConstraint():
            adds_table_constraint(prediction, operation)
        case ValidateConstraint():
            validates_constraint(prediction, operation)
        case DropConstraint():
            drops_constraint(prediction, operation)
        case RenameColumn():
            renames_column(prediction, operation)
        case RenameConstraint():
            renames_constraint(prediction, operation)
        case RenameTable() | SetSchema():
            renames_table(prediction, operation)
        case CreateTable():
            creates_table(prediction, operation)
        case DropTable():
            drops_table(prediction, operation)
        case Truncate():
            truncates(prediction, operation)
        case AttachPartition():
            attaches_partition(prediction, operation)
        case DetachPartition():
            detaches_partition(prediction, operation)
        case CreateIndex():
            creates_index(prediction, operation)
        case DropIndex():
            drops_index(prediction, operation)
        case Reindex():
            reindexes(prediction, operation)
        case OtherTableAction():
            other_action(prediction, operation)
        case OtherStatement():
            other_statement(prediction, operation)
        case Unread():
            anything(prediction, "what this statement does: it was not understood")
        case _:
            _simple(prediction, operation)


def _simple(prediction: Prediction, operation: Operation) -> None:
    """Operations with one lock and little else."""
    match operation:
        case LockTable():
            _locks(prediction, operation)
        case Insert() | Update() | Delete() if prediction.is_missing(operation.table):
            prediction.fail(f"there is no relation {operation.table}")
        case Insert():
            prediction.lock([operation.table], LockMode.ROW_EXCLUSIVE)
        case Update() | Delete():
            prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ROW_EXCLUSIVE)
            if not operation.has_where:
                prediction.scan(prediction.stored(operation.table, only=operation.only))
        case Query(for_update=True):
            prediction.lock(operation.tables, LockMode.ROW_SHARE)
        case TableOperation():
            # Defaults, DROP NOT NULL: every other form of ALTER TABLE is short but strong.
            changes_column(prediction, operation)
        case _:
            pass


def _locks(prediction: Prediction, operation: LockTable) -> None:
    """LOCK TABLE: also what a view reads, and the tables below."""
    if prediction.skips(operation.table, if_exists=False):
        return
    mode = LockMode[operation.mode.replace(" ", "_")]
    waiting = [operation.table]
    while waiting:
        name = waiting.pop()
        prediction.lock(prediction.family(name, only=operation.only), mode)
        view = prediction.catalog.view(name)
        waiting += view.reads if view else ()
