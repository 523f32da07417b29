"""What operations on whole tables do."""

import re
from collections.abc import Iterable, Mapping

from migsafe.catalog.model import Table
from migsafe.catalog.tables import new_name
from migsafe.effects.columns import requires_column
from migsafe.effects.constraints import alters_constraint
from migsafe.effects.keys import locks_referenced
from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.partitions import creates_partition, lock_default
from migsafe.effects.prediction import Prediction
from migsafe.effects.refusals import refuses_heir, refuses_partial_keys, refuses_reference
from migsafe.sql.names import Name, parse_name
from migsafe.sql.operations import (
    CreateTable,
    DropTable,
    OtherTableAction,
    RenameTable,
    SetSchema,
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
# Actions that go down to the tables below.
_RECURSES = frozenset(
    {
        *("ALTER COLUMN SET STATISTICS", "ALTER COLUMN SET STORAGE", "ALTER COLUMN SET EXPRESSION"),
        *("ALTER COLUMN DROP EXPRESSION", "ALTER CONSTRAINT"),
    }
)
_IDENTITY = frozenset(
    {
        *("ALTER COLUMN ADD GENERATED AS IDENTITY", "ALTER COLUMN DROP IDENTITY"),
        *("ALTER COLUMN SET IDENTITY"),
    }
)


def creates_table(prediction: Prediction, operation: CreateTable) -> None:
    """CREATE TABLE: other tables feel it when foreign keys or partitions join them."""
    resolved = new_name(prediction.catalog, operation.table, temporary=operation.temporary)
    if prediction.catalog.has_relation(resolved):
        if operation.if_not_exists:
            return
        prediction.fail(f"there is a relation {operation.table} already")
    constraints = (
        *operation.constraints,
        *(constraint for column in operation.columns for constraint in column.constraints),
    )
    for constraint in constraints:
        if constraint.references is None or prediction.catalog.resolve(constraint.references) == resolved:
            continue
        if prediction.is_missing(constraint.references):
            prediction.fail(f"there is no relation {constraint.references}")
        prediction.lock(prediction.partitions(constraint.references), LockMode.SHARE_ROW_EXCLUSIVE)
        new = Table(name=resolved, temporary=operation.temporary, unlogged=operation.unlogged)
        refuses_reference(prediction, constraint, new)
    refuses_partial_keys(prediction, operation)
    for parent in operation.inherits:
        above = prediction.table(parent)
        if above is not None and above.temporary and not operation.temporary:
            prediction.fail(f"{parent} is temporary")
        if above is not None and (above.partitioned or above.partition_of):
            prediction.fail(f"{parent} is partitioned, or a partition")
    schema = resolved.schema
    if prediction.catalog.complete and schema not in {*prediction.catalog.schemas, "pg_temp"}:
        prediction.fail(f"there is no schema {schema}")
    prediction.lock(operation.inherits, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if operation.partition_of:
        creates_partition(prediction, operation.partition_of, default=operation.default_partition)


def drops_table(prediction: Prediction, operation: DropTable) -> None:
    """DROP TABLE: short, but locks every table that a foreign key ties to it."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    table = prediction.table(operation.table)
    if table is None:
        prediction.lock([operation.table], LockMode.ACCESS_EXCLUSIVE)
        prediction.unknown(f"which tables foreign keys tie to {operation.table}")
        return
    gone = prediction.partitions(operation.table)
    below = prediction.family(operation.table)[1:]
    if not table.partitioned and below:
        if not operation.cascade and not all(_goes_too(prediction, name) for name in below):
            prediction.fail(f"tables inherit from {operation.table}")
        gone = prediction.family(operation.table)
    prediction.lock(gone, LockMode.ACCESS_EXCLUSIVE)
    drop_ties(prediction, gone, cascade=operation.cascade)
    if table.partition_of:
        prediction.lock([table.partition_of], LockMode.ACCESS_EXCLUSIVE)
        lock_default(prediction, table.partition_of)


def drop_ties(prediction: Prediction, gone: Iterable[Name], *, cascade: bool) -> None:
    """Foreign keys in both directions, and views, of tables that go."""
    names = tuple(gone)
    tables = [table for name in names if (table := prediction.table(name)) is not None]
    for table in tables:
        for constraint in table.constraints:
            if constraint.references and not (constraint.inherited and table.partition_of):
                locks_referenced(prediction, constraint.references)
        above = list(prediction.above(table))
        for referrer in (*table.referenced_by, *(r for parent in above for r in parent.referenced_by)):
            if referrer in names or (_goes_too(prediction, referrer) and not above):
                continue
            if not cascade and not _goes_too(prediction, referrer):
                prediction.fail(f"a foreign key of {referrer} needs it")
            prediction.lock(prediction.partitions(referrer), LockMode.ACCESS_EXCLUSIVE)
            for parent in above if referrer not in table.referenced_by else ():
                locks_referenced(prediction, parent.name)
    readers = prediction.readers(names)
    for reader in readers if not cascade else ():
        view = prediction.catalog.view(reader)
        if view is not None and view.assumed:
            prediction.unknown(f"whether the view {reader} is still there")
        prediction.fail(f"the view {reader} reads it")
    prediction.lock(readers, LockMode.ACCESS_EXCLUSIVE)
    if cascade and not prediction.catalog.complete:
        prediction.unknown(f"which views use {', '.join(map(str, names))}")


def _goes_too(prediction: Prediction, name: Name) -> bool:
    """Whether the same statement drops, or empties, this table as well."""
    tables = (each.table for each in prediction.beside if isinstance(each, DropTable | Truncate))
    return any(name in prediction.partitions(table) for table in tables)


def renames_table(prediction: Prediction, operation: RenameTable | SetSchema) -> None:
    """RENAME TO and SET SCHEMA: the table alone."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    prediction.lock(
        [operation.table] if prediction.catalog.resolve(operation.table) not in _indexes(prediction) else [],
        LockMode.ACCESS_EXCLUSIVE,
    )
    prediction.block(Blocks.READS_AND_WRITES)
    old = prediction.catalog.resolve(operation.table)
    if isinstance(operation, RenameTable):
        new = Name(operation.new_name, old.schema)
    else:
        new = Name(old.name, operation.new_schema)
        if prediction.catalog.complete and operation.new_schema not in prediction.catalog.schemas:
            prediction.fail(f"there is no schema {operation.new_schema}")
    if prediction.catalog.has_relation(new):
        prediction.fail(f"there is a relation {new} already")


def _indexes(prediction: Prediction) -> Mapping[Name, Name]:
    return prediction.catalog.lookup.index_owner


def truncates(prediction: Prediction, operation: Truncate) -> None:
    """TRUNCATE: new, empty storage; CASCADE takes the tables that refer to this one along."""
    if prediction.skips(operation.table, if_exists=False):
        return
    done: set[Name] = set()
    if operation.only and prediction.is_partitioned(operation.table):
        prediction.fail(f"{operation.table} is partitioned, and has no rows of its own")
    waiting = list(prediction.family(operation.table, only=operation.only))
    whole = set(waiting)
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        prediction.lock([name], LockMode.ACCESS_EXCLUSIVE)
        if not prediction.is_partitioned(name):
            prediction.rewrites[name] = None
        table = prediction.table(name)
        referrers = prediction.referrers(table) if table else ()
        for referrer in referrers if not operation.cascade else ():
            if referrer not in whole and not _goes_too(prediction, referrer):
                prediction.fail(f"a foreign key of {referrer} refers to {name}")
        if operation.cascade:
            waiting += [member for referrer in referrers for member in prediction.partitions(referrer)]
    if operation.cascade and prediction.table(operation.table) is None:
        prediction.unknown(f"which tables refer to {operation.table}")


def other_action(prediction: Prediction, operation: OtherTableAction) -> None:
    """Every other action of ALTER TABLE: ACCESS EXCLUSIVE, unless it is known to be gentler."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    action = operation.action
    requires_column(prediction, operation, operation.column)
    recurses = action in _RECURSES or (action in _IDENTITY and _identity_goes_down(prediction, operation))
    recurses = recurses and not operation.only
    family = prediction.family(operation.table, only=not recurses)
    if action == "ALTER CONSTRAINT":
        alters_constraint(prediction, operation)
    elif action in _GENTLE or (action in {"SET", "RESET"} and _options_are_gentle(operation.detail)):
        prediction.lock(family, LockMode.SHARE_UPDATE_EXCLUSIVE)
    elif "TRIGGER" in action:
        _triggers(prediction, operation)
    else:
        prediction.lock(family, LockMode.ACCESS_EXCLUSIVE)
    if action in {"SET", "RESET"} and prediction.is_partitioned(operation.table):
        prediction.fail("a partitioned table has no storage parameters")
    if action == "INHERIT":
        _inherits(prediction, operation)
    if action in _NEW_STORAGE:
        _new_storage(prediction, operation)
    if action == "ALTER COLUMN SET EXPRESSION":
        _new_expression(prediction, operation)


def _inherits(prediction: Prediction, operation: OtherTableAction) -> None:
    parent = parse_name(operation.detail)
    here = prediction.table(operation.table)
    if parent and here and prediction.catalog.resolve(parent) in here.parents:
        prediction.fail(f"{operation.table} inherits from {parent} already")
    if parent and prediction.catalog.resolve(parent) in prediction.family(operation.table):
        prediction.fail(f"{operation.table} would inherit from itself")
    if here and (here.partitioned or here.partition_of):
        prediction.fail(f"{operation.table} is partitioned, or a partition")
    prediction.lock([parent] if parent else [], LockMode.SHARE_UPDATE_EXCLUSIVE)
    above = prediction.table(parent) if parent else None
    if here and above:
        refuses_heir(prediction, here, above)


def _identity_goes_down(prediction: Prediction, operation: OtherTableAction) -> bool:
    """From PostgreSQL 17 on partitions have the identity columns of their table."""
    return prediction.server_version >= 170000 and prediction.is_partitioned(operation.table)


def _triggers(prediction: Prediction, operation: OtherTableAction) -> None:
    """ENABLE and DISABLE TRIGGER go down to partitions that have the trigger too."""
    table = prediction.table(operation.table)
    prediction.lock([operation.table], LockMode.SHARE_ROW_EXCLUSIVE)
    if table is None or not table.partitioned or operation.only:
        return
    words = f"{operation.action} {operation.detail}".upper().split()
    internal, users = "ALL" in words, "ALL" in words or "USER" in words
    tied = prediction.referrers(table) or any(constraint.references for constraint in table.constraints)
    by_row = any(t.row and (users or t.name == operation.detail.strip('" ')) for t in table.triggers)
    # Before PostgreSQL 15 the foreign keys of partitioned tables have no triggers there.
    if by_row or (internal and tied and prediction.server_version >= 150000):
        prediction.lock(prediction.partitions(operation.table), LockMode.SHARE_ROW_EXCLUSIVE)


def _new_storage(prediction: Prediction, operation: OtherTableAction) -> None:
    table, action = prediction.table(operation.table), operation.action
    if action == "SET ACCESS METHOD":
        if prediction.server_version < 150000:
            prediction.fail("SET ACCESS METHOD needs PostgreSQL 15")
        prediction.unknown(f"the access method that {operation.table} has now")
    if action == "SET TABLESPACE":
        prediction.unknown(f"the tablespace that {operation.table} has now")
    if action in {"SET LOGGED", "SET UNLOGGED"} and _is_so_already(table, action):
        return
    if table is not None and table.partitioned:
        return
    if table is not None:
        _refuses_persistence(prediction, table, action)
    prediction.rewrite([operation.table])
    prediction.block(Blocks.READS_AND_WRITES)


def _is_so_already(table: Table | None, action: str) -> bool:
    known = table is not None and table.columns_complete
    return known and table is not None and table.unlogged == (action == "SET UNLOGGED")


def _refuses_persistence(prediction: Prediction, table: Table, action: str) -> None:
    """A logged table cannot refer to an unlogged one."""
    others = {
        "SET UNLOGGED": table.referenced_by,
        "SET LOGGED": tuple(c.references for c in table.constraints if c.references),
    }.get(action, ())
    for name in others:
        other = prediction.table(name)
        if other is not None and other is not table and other.unlogged != (action == "SET UNLOGGED"):
            prediction.fail(f"a foreign key ties it to {name}, which stays as it is")


def _new_expression(prediction: Prediction, operation: OtherTableAction) -> None:
    """SET EXPRESSION writes a stored column anew; a virtual one is not stored."""
    if prediction.server_version < 170000:
        prediction.fail("SET EXPRESSION needs PostgreSQL 17")
    table = prediction.table(operation.table)
    column = table.column(operation.column) if table and operation.column else None
    if column is not None and column.generated == "virtual":
        return
    if column is None:
        prediction.unknown(f"whether {operation.table}.{operation.column} is stored")
    prediction.rewrite(prediction.stored(operation.table, only=operation.only))


def _options_are_gentle(detail: str) -> bool:
    options = [option.strip().lower().strip('"') for option in re.split(r",", detail)]
    return all(option.startswith(_GENTLE_OPTIONS) for option in options)
