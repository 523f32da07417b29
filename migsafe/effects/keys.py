"""Keys and the foreign keys that need them: what hangs together, here and on partitions."""

from migsafe.catalog.foreign_keys import own_part
from migsafe.catalog.keys import needed_index
from migsafe.catalog.model import Constraint, Table
from migsafe.effects.model import LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.refusals import NOT_NULL_SINCE
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind, DropColumn


def locks_referenced(prediction: Prediction, name: Name) -> None:
    """The other side of a foreign key that goes: before PostgreSQL 15 partitioned tables have no triggers."""
    members = prediction.partitions(name)
    if prediction.server_version < 150000:
        members = tuple(member for member in members if not prediction.is_partitioned(member))
    prediction.lock(members, LockMode.ACCESS_EXCLUSIVE)


def adds_foreign_key(
    prediction: Prediction, name: Name, constraint: ConstraintDefinition, *, only: bool
) -> None:
    """A foreign key comes to a table and its partitions, and ties them to the other side."""
    if constraint.references:
        others = prediction.partitions(constraint.references)
        prediction.lock(others, LockMode.SHARE_ROW_EXCLUSIVE)
    _adds_to(prediction, name, constraint)
    if prediction.server_version >= NOT_NULL_SINCE:
        # From PostgreSQL 18 on, ADD CONSTRAINT goes to all tables below, whatever comes of it.
        prediction.lock(prediction.family(name, only=only), LockMode.SHARE_ROW_EXCLUSIVE)


def _adds_to(prediction: Prediction, name: Name, constraint: ConstraintDefinition) -> None:
    prediction.lock([name], LockMode.SHARE_ROW_EXCLUSIVE)
    if not prediction.is_partitioned(name):
        return
    for child in prediction.catalog.children(name):
        if not takes_over_key(prediction, child.name, constraint):
            _adds_to(prediction, child.name, constraint)


def takes_over_key(
    prediction: Prediction, partition: Name, constraint: Constraint | ConstraintDefinition
) -> bool:
    """Whether a foreign key that a partition has already becomes its part of its parent's.

    Then its triggers at the other table go; and what it had for each partition of that one is dropped, which
    locks the partition like any drop of a constraint.
    """
    table, other = prediction.table(partition), constraint.references
    if table is None or other is None:
        return False
    own = own_part(table, _as_known(prediction, constraint, other), prediction.server_version)
    if own is None:
        return False
    if own.enforced == (isinstance(constraint, ConstraintDefinition) and constraint.not_enforced):
        prediction.fail(f"{own.name} of {partition} is not enforced like it")
    partitioned = len(prediction.partitions(other)) > 1
    prediction.lock([partition], LockMode.ACCESS_EXCLUSIVE if partitioned else LockMode.SHARE_ROW_EXCLUSIVE)
    locks_referenced(prediction, other)
    return True


def _as_known(
    prediction: Prediction, constraint: Constraint | ConstraintDefinition, other: Name
) -> Constraint:
    """A foreign key with the columns that REFERENCES without a list means."""
    target = prediction.table(other)
    keys = target.constraints if target else ()
    primary = next((key.columns for key in keys if key.kind is ConstraintKind.PRIMARY_KEY), ())
    return Constraint(
        name=constraint.name or "",
        kind=constraint.kind,
        columns=constraint.columns,
        definition=constraint.definition if isinstance(constraint, Constraint) else constraint.text,
        references=prediction.catalog.resolve(other),
        referenced_columns=constraint.referenced_columns or primary,
    )


def may_serve(prediction: Prediction, partition: Name, keys: tuple[str, ...]) -> None:
    """An index that a partition has already may become its part of a new one, which is not built then."""
    table = prediction.table(partition)
    for index in table.indexes if table else ():
        if index.parent is None and index.keys == keys:
            prediction.unknown(f"whether the index {index.name} of {partition} is like the new one")


def drops_key(prediction: Prediction, table: Table, key: Constraint, *, cascade: bool) -> None:
    """A key that foreign keys need goes with CASCADE only, and takes them along."""
    own = prediction.family(table.name)
    needed = [
        name
        for name in table.referenced_by
        if _needs(prediction, name, table, key) and not (name in own and _goes_too(prediction, name, table))
    ]
    if needed and not cascade:
        prediction.fail(f"foreign keys of {', '.join(map(str, needed))} need it")
    for name in needed:
        prediction.lock(prediction.partitions(name), LockMode.ACCESS_EXCLUSIVE)


def _goes_too(prediction: Prediction, name: Name, table: Table) -> bool:
    """Whether the foreign keys of a table to itself go with columns that the same statement drops."""
    dropped = {each.column for each in prediction.beside if isinstance(each, DropColumn)}
    referrer = prediction.table(name)
    own = [c for c in referrer.constraints if c.references == table.name] if referrer else []
    return all(dropped & set(constraint.columns) for constraint in own)


def _needs(prediction: Prediction, referrer: Name, table: Table, key: Constraint) -> bool:
    other = prediction.table(referrer)
    for constraint in other.constraints if other else ():
        if constraint.references == table.name and key.index in {None, needed_index(table, constraint)}:
            return True
    return other is None
