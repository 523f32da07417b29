"""Keys and the foreign keys that need them: what hangs together, here and on partitions."""

import re

from migsafe.catalog.keys import needed_index
from migsafe.catalog.model import Constraint, Table
from migsafe.effects.model import LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.refusals import NOT_NULL_SINCE
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind, DropColumn

_FOREIGN_KEY_OPTION = re.compile(
    r"\bon\s+(?:delete|update)\s+(?:no\s+action|restrict|cascade|set\s+null|set\s+default)(?:\s*\([^)]*\))?"
    r"|\bmatch\s+\w+|\binitially\s+deferred|(?<!not\s)\bdeferrable",
    re.IGNORECASE,
)


def locks_referenced(prediction: Prediction, name: Name) -> None:
    """The other side of a foreign key that goes: before PostgreSQL 15 partitioned tables have no triggers."""
    members = prediction.partitions(name)
    if prediction.server_version < 150000:
        members = tuple(member for member in members if not prediction.is_partitioned(member))
    prediction.lock(members, LockMode.ACCESS_EXCLUSIVE)


def takes_over_key(
    prediction: Prediction, partition: Name, constraint: Constraint | ConstraintDefinition
) -> None:
    """A foreign key that a partition has already becomes its part of its parent's: triggers there go."""
    table, other = prediction.table(partition), constraint.references
    if table is None or other is None:
        return
    catalog = prediction.catalog
    target = catalog.table(other)
    keys = target.constraints if target else ()
    primary = next((key.columns for key in keys if key.kind is ConstraintKind.PRIMARY_KEY), ())
    wanted = (
        constraint.columns,
        catalog.resolve(other),
        constraint.referenced_columns or primary,
        _options(constraint),
    )
    if any(
        (own.columns, own.references, own.referenced_columns, _options(own)) == wanted
        for own in table.constraints
        if own.parent is None and (own.validated or prediction.server_version >= NOT_NULL_SINCE)
    ):
        locks_referenced(prediction, other)


def _options(constraint: Constraint | ConstraintDefinition) -> frozenset[str]:
    """What a foreign key says of deferring, matching and actions, apart from what goes without saying."""
    text = constraint.definition if isinstance(constraint, Constraint) else constraint.text
    found = {" ".join(match.lower().split()) for match in _FOREIGN_KEY_OPTION.findall(text)}
    if "initially deferred" in found:
        found.add("deferrable")
    return frozenset(found - {"on delete no action", "on update no action", "match simple"})


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
