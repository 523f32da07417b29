"""What operations on constraints do."""

from migsafe.catalog.model import Constraint, Table
from migsafe.effects.model import LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.proofs import proves_not_null
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    ConstraintDefinition,
    ConstraintKind,
    DropConstraint,
    OtherTableAction,
    ValidateConstraint,
)


def adds_constraint(
    prediction: Prediction,
    name: Name,
    constraint: ConstraintDefinition,
    *,
    only: bool = False,
    scans: bool = True,
) -> None:
    """ADD CONSTRAINT; `scans` is False where a new column without values gives nothing to check."""
    family = prediction.family(name, only=only)
    stored = prediction.stored(name, only=only)
    checks_rows = scans and not constraint.not_valid and not constraint.not_enforced
    match constraint.kind:
        case ConstraintKind.FOREIGN_KEY:
            prediction.lock(family, LockMode.SHARE_ROW_EXCLUSIVE)
            if constraint.references:
                prediction.lock(prediction.family(constraint.references), LockMode.SHARE_ROW_EXCLUSIVE)
            if checks_rows:
                prediction.scan(stored)
        case ConstraintKind.CHECK:
            prediction.lock(family, LockMode.ACCESS_EXCLUSIVE)
            if checks_rows:
                prediction.scan(stored)
        case ConstraintKind.NOT_NULL:
            prediction.lock(family, LockMode.ACCESS_EXCLUSIVE)
            if checks_rows:
                for column in constraint.columns:
                    requires_not_null(prediction, name, column, only=only)
        case ConstraintKind.PRIMARY_KEY | ConstraintKind.UNIQUE | ConstraintKind.EXCLUDE:
            prediction.lock(family, LockMode.ACCESS_EXCLUSIVE)
            _adds_key(prediction, name, constraint, stored)


def _adds_key(
    prediction: Prediction, name: Name, constraint: ConstraintDefinition, stored: tuple[Name, ...]
) -> None:
    if constraint.using_index is None:
        prediction.builds_index = True
        prediction.scan(stored)
        return
    if constraint.kind is not ConstraintKind.PRIMARY_KEY:
        return
    table = prediction.table(name)
    index = next((i for i in table.indexes if i.name == constraint.using_index), None) if table else None
    if index is None:
        prediction.unknown(f"whether the columns of {constraint.using_index} are NOT NULL")
        prediction.scan(stored)
    for column in index.columns if index else ():
        requires_not_null(prediction, name, column)


def requires_not_null(prediction: Prediction, table: Name, column: str, *, only: bool = False) -> None:
    """Reads each table of the family whose column may hold NULL."""
    for member in prediction.stored(table, only=only):
        known = prediction.table(member)
        if known is not None and proves_not_null(known, column):
            continue
        if known is None or not known.columns_complete:
            prediction.unknown(f"whether a constraint proves that {member}.{column} has no NULL")
        prediction.scan([member])


def validates_constraint(prediction: Prediction, operation: ValidateConstraint) -> None:
    """VALIDATE CONSTRAINT: reads the table while it is written to."""
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.SHARE_UPDATE_EXCLUSIVE)
    table = prediction.table(operation.table)
    constraint = find(table, operation.constraint)
    if constraint is not None and constraint.references:
        prediction.lock([constraint.references], LockMode.ROW_SHARE)
    if constraint is None or not constraint.validated:
        prediction.scan(prediction.stored(operation.table, only=operation.only))


def drops_constraint(prediction: Prediction, operation: DropConstraint) -> None:
    """DROP CONSTRAINT: a foreign key locks both of its tables."""
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    table = prediction.table(operation.table)
    constraint = find(table, operation.constraint)
    if constraint is None and (table is None or not table.columns_complete):
        prediction.unknown(f"whether {operation.constraint} is a foreign key, and to which table")
    if constraint is not None and constraint.references:
        prediction.lock([constraint.references], LockMode.ACCESS_EXCLUSIVE)
    if constraint is not None and constraint.index and operation.cascade and table is not None:
        prediction.lock(table.referenced_by, LockMode.ACCESS_EXCLUSIVE)


def alters_constraint(prediction: Prediction, operation: OtherTableAction) -> None:
    """ALTER CONSTRAINT: changing whether it is enforced locks both of its tables."""
    prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
    if "enforced" not in operation.detail.lower():
        return
    name = operation.detail.split(" ", 1)[0]
    constraint = find(prediction.table(operation.table), name)
    if constraint is None:
        prediction.unknown(f"to which table {name} refers")
    elif constraint.references:
        prediction.lock([constraint.references], LockMode.ACCESS_EXCLUSIVE)
    if "not enforced" not in operation.detail.lower():
        prediction.scan(prediction.stored(operation.table, only=operation.only))


def find(table: Table | None, name: str) -> Constraint | None:
    """The constraint of this name, if the catalog knows it."""
    return next((c for c in table.constraints if c.name == name), None) if table else None
