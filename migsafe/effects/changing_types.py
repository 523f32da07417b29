"""What ALTER COLUMN TYPE does: to the rows, and to all that hangs on the column."""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.model import Column, Index, Table
from migsafe.effects.columns import reads_column, refuses_inherited, refuses_partition_key, requires_column
from migsafe.effects.domains import base_type, is_constrained, is_plain
from migsafe.effects.keys import locks_referenced
from migsafe.effects.model import LockMode
from migsafe.effects.polymorphic import is_polymorphic, is_same_type, keeps_another_type
from migsafe.effects.prediction import Prediction
from migsafe.effects.type_change import UTC_QUESTION, Change, type_change
from migsafe.sql.casts import simple_cast
from migsafe.sql.names import Name
from migsafe.sql.operations import AlterColumnType, ConstraintKind, Expression, Generated, TypeName


def changes_type(prediction: Prediction, operation: AlterColumnType) -> None:
    """ALTER COLUMN TYPE: free for some pairs of types, a rewrite for all others."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    requires_column(prediction, operation, operation.column)
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    table = prediction.table(operation.table)
    column = table.column(operation.column) if table else None
    stored = prediction.stored(operation.table, only=operation.only)
    change = _change(prediction, operation, column)
    if change is Change.FREE_IN_UTC:
        prediction.unknown(UTC_QUESTION)
    rewrites = change is not Change.FREE and not (
        column is not None and column.generated is Generated.VIRTUAL
    )
    if rewrites:
        prediction.rewrite(stored)
    if table is not None and column is not None:
        _refuses(prediction, table, column, operation)
    for name in prediction.family(operation.table, only=operation.only):
        member = prediction.table(name)
        if member is not None:
            _makes_again(prediction, member, operation, rewrites=rewrites)


def _change(prediction: Prediction, operation: AlterColumnType, column: Column | None) -> Change:
    if operation.using is not None and not _only_casts(operation.using, operation.column, operation.type):
        return Change.REWRITE
    if column is None or not column.type.name:
        prediction.unknown(f"the type of {operation.table}.{operation.column}")
        return Change.REWRITE
    if column.type == operation.type:
        return Change.FREE
    catalog = prediction.catalog
    if is_plain(column.type) and is_plain(operation.type):
        return type_change(column.type, operation.type)
    was, now = catalog.resolve_type(column.type), catalog.resolve_type(operation.type)
    if was is not None and was == now and column.type.array_dimensions == operation.type.array_dimensions:
        return Change.FREE
    before, after = base_type(catalog, column.type), base_type(catalog, operation.type)
    if before != column.type:
        # The limit of a domain's base is not that of a column: PostgreSQL takes it for none.
        before = replace(before, modifiers=())
    if is_constrained(prediction, operation.type) is False and is_plain(before) and is_plain(after):
        return type_change(before, after)
    alike = is_same_type(catalog, before, after) and not after.modifiers
    if is_constrained(prediction, operation.type) is False and alike:
        return Change.FREE
    if is_constrained(prediction, operation.type) and ((is_plain(before) and is_plain(after)) or alike):
        return Change.REWRITE
    prediction.unknown(f"how {column.type} becomes {operation.type}")
    return Change.REWRITE


def _refuses(prediction: Prediction, table: Table, column: Column, operation: AlterColumnType) -> None:
    refuses_inherited(prediction, table, column)
    refuses_partition_key(prediction, table, column.name)
    if table.of_type is not None:
        prediction.fail(f"{table.name} is made of the type {table.of_type}")
    if column.generated_as is not None and operation.using is not None:
        prediction.fail(f"{column.name} is computed: its type changes without USING")
    if operation.only and prediction.has_children(operation.table):
        prediction.fail("the type must change in the tables below too")
    for other in table.columns:
        if other is not column and reads_column(other, column.name):
            prediction.fail(f"the generated column {other.name} uses it")
    sure, unsure = prediction.users(prediction.family(table.name), column.name)
    if sure:
        prediction.fail(f"the view {sure[0]} needs {column.name}")
    if unsure:
        prediction.unknown(f"whether a view uses {table.name}.{column.name}")
    if table.policies:
        prediction.unknown(f"whether a policy uses {table.name}.{column.name}")


def _makes_again(prediction: Prediction, table: Table, operation: AlterColumnType, *, rewrites: bool) -> None:
    """Foreign keys and checks on the column are made again; indexes too, when they would sort differently."""
    column = table.column(operation.column)
    alike = column is not None and _sorts_alike(prediction, column, operation)
    stored = [] if table.partitioned else [table.name]
    for constraint in table.constraints:
        if operation.column not in constraint.columns:
            continue
        if constraint.references:
            locks_referenced(prediction, constraint.references)
            prediction.lock(prediction.partitions(constraint.references), LockMode.SHARE_ROW_EXCLUSIVE)
            prediction.may_scan.update(dict.fromkeys(prediction.stored(constraint.references)))
        if constraint.kind is ConstraintKind.CHECK and constraint.validated:
            prediction.scan(stored)
    for referrer in _referrers(prediction, table, operation.column):
        prediction.lock(prediction.partitions(referrer), LockMode.ACCESS_EXCLUSIVE)
        if rewrites or not alike:
            # Its rows are looked up again, by an index on the key where there is one.
            prediction.scan(prediction.stored(referrer))
            prediction.may_scan.update(dict.fromkeys(prediction.stored(referrer)))
            prediction.may_scan.update(dict.fromkeys(stored))
    using = [index for index in table.indexes if operation.column in index.columns]
    if column is not None and any(
        _is_built_again(index)
        or (operation.column in index.keys and (not alike or keeps_another_type(prediction, column, index)))
        for index in using
    ):
        # ON ONLY is forgotten: the index of a partitioned table is then made on all of its partitions.
        built = prediction.stored(table.name) if table.partitioned else [table.name]
        prediction.build(built)
        prediction.scan(built)


def _is_built_again(index: Index) -> bool:
    """Whether an index is built again whatever happens to its column (CheckIndexCompatible, TryReuseIndex).

    What it computes, or which rows it selects, may mean something else now; and the parts of a partitioned
    index are always made anew.
    """
    computes = any(key not in index.columns for key in index.keys)
    return computes or bool(index.where) or not index.valid or index.parent is not None


def _referrers(prediction: Prediction, table: Table, column: str) -> Iterator[Name]:
    """The tables whose foreign keys name this column; without a list of columns they mean the key."""
    key = {c for k in table.constraints if k.kind is ConstraintKind.PRIMARY_KEY for c in k.columns}
    for name in table.referenced_by:
        referrer = prediction.table(name)
        for constraint in referrer.constraints if referrer else ():
            if constraint.references == table.name and column in (constraint.referenced_columns or key):
                yield name


def _sorts_alike(prediction: Prediction, column: Column, operation: AlterColumnType) -> bool:
    collation = str(operation.collation) if operation.collation else None
    if collation != column.collation:
        return False
    catalog = prediction.catalog
    if is_same_type(catalog, column.type, operation.type):
        return True
    types = (base_type(catalog, column.type), base_type(catalog, operation.type))
    # An operator class for any array, enum or range is tied to the one type that it was taken for.
    if any(is_polymorphic(catalog, each) for each in types):
        return False
    names = {"interval" if each.name.startswith("interval") else each.name for each in types}
    return len(names) == 1 or names <= {"text", "character varying"} or names == {"cidr", "inet"}


def _only_casts(using: Expression, column: str, to: TypeName) -> bool:
    """Whether USING is the column itself, or its cast to the new type: then it changes nothing."""
    found = simple_cast(using.text)
    return found is not None and found[0] == column and found[1] in {None, to}
