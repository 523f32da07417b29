"""What PostgreSQL refuses of a new constraint without a look at the rows."""

import re

from migsafe.catalog.model import Constraint, Table
from migsafe.effects.prediction import Prediction
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    ConstraintDefinition,
    ConstraintKind,
    CreateTable,
    Generated,
)

NO_INHERIT = re.compile(r"\bno\s+inherit\b", re.IGNORECASE)
# NOT NULL as a constraint, NOT ENFORCED, and foreign keys of partitioned tables that are NOT VALID.
NOT_NULL_SINCE = 180000
_NEEDLESS = re.compile(r"(?<!\w)\(\s*(\w+)\s*\)")  # a column in parentheses of its own
_UNIQUE = frozenset({ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE})
_KEYS = _UNIQUE | {ConstraintKind.EXCLUDE}


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
    if constraint.references is not None:
        refuses_reference(prediction, constraint, table)
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


def refuses_reference(prediction: Prediction, constraint: ConstraintDefinition, table: Table | None) -> None:
    """A foreign key needs a key at the other table, which lasts as long as its own; None is a new table."""
    target = prediction.table(constraint.references) if constraint.references else None
    if target is None or not target.columns_complete or not prediction.catalog.complete:
        return
    if target is table and not constraint.columns:
        return
    if table is not None:
        refuses_persistence(prediction, table, target)
    columns = set(constraint.referenced_columns)
    if not columns:
        if not any(key.kind is ConstraintKind.PRIMARY_KEY for key in target.constraints):
            prediction.fail(f"{target.name} has no primary key")
        return
    unknown = sorted(column for column in columns if target.column(column) is None)
    if unknown and not _adds_key(prediction, target):
        prediction.fail(f"{target.name} has no column {unknown[0]}")
    fitting = (index for index in target.indexes if index.unique and not index.where and index.valid)
    if not any(set(index.keys) == columns for index in fitting) and not _adds_key(prediction, target):
        prediction.fail(f"no key of {target.name} is on {', '.join(sorted(columns))}")


def _adds_key(prediction: Prediction, target: Table) -> bool:
    """Whether the same statement gives the other table, which is the same one then, a key."""
    return any(
        isinstance(each, AddColumn | AddConstraint) and prediction.catalog.resolve(each.table) == target.name
        for each in prediction.beside
    )


def refuses_persistence(prediction: Prediction, table: Table, target: Table) -> None:
    """What lasts cannot refer to what does not."""
    if table.temporary != target.temporary:
        prediction.fail(f"one of {table.name} and {target.name} is temporary")
    elif target.unlogged and not table.unlogged:
        prediction.fail(f"{target.name} is unlogged, and {table.name} is not")


def refuses_validation(prediction: Prediction, table: Table, constraint: Constraint) -> None:
    """Only some kinds of constraints can be NOT VALID at all."""
    kinds = {ConstraintKind.CHECK, ConstraintKind.FOREIGN_KEY}
    if prediction.server_version >= NOT_NULL_SINCE:
        kinds.add(ConstraintKind.NOT_NULL)
    if constraint.kind not in kinds:
        prediction.fail(f"{constraint.name} of {table.name} is of a kind that is always valid")


def refuses_nullable(prediction: Prediction, table: Table, column: str) -> None:
    """A column of a primary key, or an identity column, stays NOT NULL."""
    found = table.column(column)
    if found is not None and found.generated is Generated.IDENTITY:
        prediction.fail(f"{column} is an identity column")
    for constraint in table.constraints:
        if constraint.kind is ConstraintKind.PRIMARY_KEY and column in constraint.columns:
            prediction.fail(f"{column} is in the primary key")


def refuses_heir(prediction: Prediction, child: Table, parent: Table) -> None:
    """A table that inherits has the columns and the CHECK constraints of its parent already."""
    if parent.temporary and not child.temporary:
        prediction.fail(f"{parent.name} is temporary")
    if child.of_type is not None:
        prediction.fail(f"{child.name} is made of the type {child.of_type}")
    if not (parent.columns_complete and child.columns_complete):
        return
    for column in parent.columns:
        here = child.column(column.name)
        if here is None:
            prediction.fail(f"{child.name} has no column {column.name}")
        elif (column.generated_as and not here.generated_as) or (
            # The other way round it was let through before PostgreSQL 16.
            here.generated_as and not column.generated_as and prediction.server_version >= 160000
        ):
            prediction.fail(f"{column.name} is computed in only one of {child.name} and {parent.name}")
    for constraint in parent.constraints:
        inherited = constraint.kind is ConstraintKind.CHECK and not constraint.no_inherit
        if inherited and child.constraint(constraint.name) is None:
            prediction.fail(f"{child.name} has no constraint {constraint.name}")


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
    """A unique index of a partitioned table has to hold its partition key, which has no expression then."""
    key = partition_columns(table)
    if table.partition_key and (key is None or not key <= set(columns)):
        prediction.fail(f"a unique index of {table.name} has to include its partition key")


def refuses_partial_keys(prediction: Prediction, operation: CreateTable) -> None:
    """The same in CREATE TABLE; a key that a column has is of this column alone."""
    table = Table(name=operation.table, partition_key=operation.partition_key)
    keys = [constraint.columns for constraint in operation.constraints if constraint.kind in _UNIQUE]
    for column in operation.columns:
        keys += [(column.name,) for constraint in column.constraints if constraint.kind in _UNIQUE]
    for columns in keys:
        requires_partition_key(prediction, table, columns)


def partition_columns(table: Table) -> frozenset[str] | None:
    """The columns of a plain partition key; None when there is none or it has expressions."""
    inside = re.search(r"\((.*)\)", table.partition_key or "", re.DOTALL)
    plain = _NEEDLESS.sub(r"\1", inside[1]) if inside else "("
    if "(" in plain:
        return None
    parts = (part.strip().split()[0] for part in plain.split(",") if part.strip())
    return frozenset(part.strip('"') for part in parts)
