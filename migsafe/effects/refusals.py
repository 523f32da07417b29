"""What PostgreSQL refuses of a new constraint without a look at the rows."""

import re

from migsafe.catalog.model import Table
from migsafe.effects.prediction import Prediction
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind

NO_INHERIT = re.compile(r"\bno\s+inherit\b", re.IGNORECASE)
# NOT NULL as a constraint, NOT ENFORCED, and foreign keys of partitioned tables that are NOT VALID.
NOT_NULL_SINCE = 180000
_KEYS = frozenset({ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE, ConstraintKind.EXCLUDE})


def refuses_constraint(
    prediction: Prediction, name: Name, constraint: ConstraintDefinition, *, only: bool
) -> None:
    """Notes why a constraint cannot be added, if that is certain."""
    kind = constraint.kind
    if kind in _KEYS and constraint.not_valid:
        prediction.fail(f"{kind.value.replace('_', ' ').upper()} constraints cannot be NOT VALID")
    if constraint.references and prediction.is_missing(constraint.references):
        prediction.fail(f"there is no relation {constraint.references}")
    table = prediction.table(name)
    if prediction.server_version < NOT_NULL_SINCE:
        _needs_newer(prediction, table, constraint)
    if table is None:
        return
    if kind in _KEYS:
        _key(prediction, table, constraint)
    elif kind is ConstraintKind.NOT_NULL:
        _not_null(prediction, table, constraint)
    elif kind is ConstraintKind.CHECK:
        alone = only and not NO_INHERIT.search(constraint.text)
        if alone and prediction.has_children(name):
            prediction.fail("a CHECK constraint must be added to the tables below too")


def _needs_newer(prediction: Prediction, table: Table | None, constraint: ConstraintDefinition) -> None:
    kind = constraint.kind
    if kind is ConstraintKind.NOT_NULL:
        prediction.fail("a NOT NULL constraint of a table needs PostgreSQL 18")
    if constraint.not_enforced:
        prediction.fail("NOT ENFORCED needs PostgreSQL 18")
    is_key = kind is ConstraintKind.FOREIGN_KEY and constraint.not_valid
    if is_key and table is not None and table.partitioned:
        prediction.fail("a foreign key of a partitioned table can be NOT VALID from PostgreSQL 18 on")


def _key(prediction: Prediction, table: Table, constraint: ConstraintDefinition) -> None:
    primary = constraint.kind is ConstraintKind.PRIMARY_KEY
    if primary and any(other.kind is ConstraintKind.PRIMARY_KEY for other in table.constraints):
        prediction.fail(f"{table.name} has a primary key already")
    using = constraint.using_index
    if using and table.columns_complete and not any(index.name == using for index in table.indexes):
        prediction.fail(f"there is no index {using}")
    if table.partitioned and constraint.kind is not ConstraintKind.EXCLUDE:
        requires_partition_key(prediction, table, constraint.columns)


def _not_null(prediction: Prediction, table: Table, constraint: ConstraintDefinition) -> None:
    for other in table.not_nulls:
        if other.columns == constraint.columns and constraint.name not in {None, other.name}:
            prediction.fail(f"{table.name} has a NOT NULL constraint {other.name} on that column already")


def requires_partition_key(prediction: Prediction, table: Table, columns: tuple[str, ...]) -> None:
    """A unique index of a partitioned table has to hold all columns of its partition key."""
    key = partition_columns(table)
    if key is not None and not key <= set(columns):
        prediction.fail(f"a unique index of {table.name} has to include its partition key")


def partition_columns(table: Table) -> frozenset[str] | None:
    """The columns of a plain partition key; None when there is none or it has expressions."""
    inside = re.search(r"\((.*)\)", table.partition_key or "", re.DOTALL)
    if inside is None or "(" in inside[1]:
        return None
    parts = (part.strip().split()[0] for part in inside[1].split(",") if part.strip())
    return frozenset(part.strip('"') for part in parts)
