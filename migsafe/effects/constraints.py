"""What operations on constraints do."""

from migsafe.catalog.model import Constraint, Table
from migsafe.effects.keys import adds_foreign_key, drops_key, locks_referenced, may_serve
from migsafe.effects.model import LockMode
from migsafe.effects.not_null import locks_not_null, requires_not_null
from migsafe.effects.prediction import Prediction
from migsafe.effects.refusals import (
    NO_INHERIT,
    NOT_NULL_SINCE,
    refuses_constraint,
    refuses_nullable,
    refuses_validation,
)
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddConstraint,
    ConstraintDefinition,
    ConstraintKind,
    DropConstraint,
    OtherTableAction,
    RenameConstraint,
    ValidateConstraint,
)

_INHERITED = frozenset({ConstraintKind.CHECK, ConstraintKind.NOT_NULL})


def adds_table_constraint(prediction: Prediction, operation: AddConstraint) -> None:
    """ALTER TABLE ... ADD CONSTRAINT."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    constraint = operation.constraint
    known = find(prediction.table(operation.table), constraint.name or "")
    if known is not None:
        prediction.fail(f"{operation.table} has a constraint {constraint.name} already")
    adds_constraint(prediction, operation.table, constraint, only=operation.only)


def adds_constraint(
    prediction: Prediction,
    name: Name,
    constraint: ConstraintDefinition,
    *,
    only: bool = False,
    scans: bool = True,
) -> None:
    """ADD CONSTRAINT; `scans` is False where a new column without values gives nothing to check."""
    refuses_constraint(prediction, name, constraint, only=only)
    checks_rows = scans and not constraint.not_valid and not constraint.not_enforced
    alone = only or bool(NO_INHERIT.search(constraint.text))
    match constraint.kind:
        case ConstraintKind.FOREIGN_KEY:
            adds_foreign_key(prediction, name, constraint, only=only)
            if checks_rows:
                stored = [m for m in prediction.partitions(name) if not prediction.is_partitioned(m)]
                prediction.scan(stored)
                # With an index on the key, the planner may read that instead.
                prediction.may_scan.update(dict.fromkeys(stored))
                _may_read(prediction, constraint.references)
        case ConstraintKind.CHECK:
            goes_down = not only if prediction.server_version >= NOT_NULL_SINCE else not alone
            prediction.lock(prediction.family(name, only=not goes_down), LockMode.ACCESS_EXCLUSIVE)
            if checks_rows:
                prediction.scan(prediction.stored(name, only=alone))
        case ConstraintKind.NOT_NULL:
            columns = constraint.columns
            locks_not_null(prediction, name, columns[0] if columns else "", only=alone)
            if checks_rows:
                for column in columns:
                    requires_not_null(prediction, name, column, only=alone)
        case ConstraintKind.PRIMARY_KEY | ConstraintKind.UNIQUE | ConstraintKind.EXCLUDE:
            _adds_key(prediction, name, constraint, only=only)


def _may_read(prediction: Prediction, references: Name | None) -> None:
    if references is not None:
        prediction.may_scan.update(dict.fromkeys(prediction.stored(references)))


def _adds_key(prediction: Prediction, name: Name, constraint: ConstraintDefinition, *, only: bool) -> None:
    """The table is locked most strongly; until PostgreSQL 17 its partitions only as by CREATE INDEX."""
    prediction.lock([name], LockMode.ACCESS_EXCLUSIVE)
    primary = constraint.kind is ConstraintKind.PRIMARY_KEY
    if constraint.using_index is None:
        members = prediction.partitions(name) if not only else (name,)
        if prediction.server_version >= NOT_NULL_SINCE:
            prediction.lock(prediction.family(name, only=only), LockMode.ACCESS_EXCLUSIVE)
        prediction.lock(members, LockMode.SHARE)
        stored = tuple(m for m in members if not prediction.is_partitioned(m))
        prediction.build(stored)
        prediction.scan(stored)
        for member in members[1:]:
            may_serve(prediction, member, constraint.columns)
        for column in constraint.columns if primary else ():
            locks_not_null(prediction, name, column, only=only)
            requires_not_null(prediction, name, column, only=only)
        return
    if not primary:
        return
    table = prediction.table(name)
    index = next((i for i in table.indexes if i.name == constraint.using_index), None) if table else None
    if index is None:
        prediction.unknown(f"whether the columns of {constraint.using_index} are NOT NULL")
        prediction.scan(prediction.stored(name))
    for column in (index.keys or index.columns) if index else ():
        requires_not_null(prediction, name, column)


def validates_constraint(prediction: Prediction, operation: ValidateConstraint) -> None:
    """VALIDATE CONSTRAINT: reads the table while it is written to."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    table = prediction.table(operation.table)
    constraint = find(table, operation.constraint)
    if constraint is None and table is not None and table.columns_complete and prediction.catalog.complete:
        prediction.fail(f"{operation.table} has no constraint {operation.constraint}")
    if constraint is not None and table is not None:
        refuses_validation(prediction, table, constraint)
    alone = operation.only or (constraint is not None and constraint.no_inherit)
    validated = constraint is not None and constraint.validated
    goes_down = constraint is not None and constraint.kind in _INHERITED and not constraint.no_inherit
    if goes_down and not validated and operation.only and prediction.has_children(operation.table):
        prediction.fail("the constraint must be validated on the tables below too")
    is_key = constraint is not None and constraint.kind is ConstraintKind.FOREIGN_KEY
    below = prediction.partitions(operation.table) if is_key else prediction.family(operation.table)
    members = (operation.table,) if alone or validated else below
    prediction.lock(members, LockMode.SHARE_UPDATE_EXCLUSIVE)
    if constraint is not None and constraint.references:
        prediction.lock([constraint.references], LockMode.ROW_SHARE)
        if not validated:
            prediction.may_scan.update(dict.fromkeys(prediction.stored(operation.table, only=alone)))
            _may_read(prediction, constraint.references)
    if not validated:
        prediction.scan(member for member in members if not prediction.is_partitioned(member))


def drops_constraint(prediction: Prediction, operation: DropConstraint) -> None:
    """DROP CONSTRAINT: a foreign key locks both of its tables."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    table = prediction.table(operation.table)
    constraint = find(table, operation.constraint)
    # Partitions are looked at even under ONLY, to see that nobody uses them.
    prediction.lock(prediction.partitions(operation.table), LockMode.ACCESS_EXCLUSIVE)
    if constraint is None:
        prediction.lock(prediction.family(operation.table, only=operation.only), LockMode.ACCESS_EXCLUSIVE)
        if table is None or not table.columns_complete or not prediction.catalog.complete:
            prediction.unknown(f"whether {operation.constraint} is a foreign key, and to which table")
        elif not operation.constraint_if_exists:
            prediction.fail(f"{operation.table} has no constraint {operation.constraint}")
        else:
            _only(prediction, operation.table)
        return
    if constraint.inherited:
        prediction.fail(f"{operation.constraint} is there because a table above has it")
    if constraint.kind is ConstraintKind.NOT_NULL and table is not None:
        refuses_nullable(prediction, table, constraint.columns[0])
    if constraint.kind in _INHERITED:
        locks_heirs(prediction, operation.table, constraint, only=operation.only)
    else:
        # Keys of partitions hang on those of the partitioned table, also under ONLY.
        prediction.lock(prediction.partitions(operation.table), LockMode.ACCESS_EXCLUSIVE)
    if constraint.references:
        prediction.lock([constraint.references], LockMode.ACCESS_EXCLUSIVE)
        locks_referenced(prediction, constraint.references)
    if constraint.index and table is not None:
        drops_key(prediction, table, constraint, cascade=operation.cascade)


def locks_heirs(prediction: Prediction, name: Name, constraint: Constraint, *, only: bool) -> None:
    """The tables that lose a CHECK or NOT NULL constraint, and those right below, which keep it as their own.

    They keep it under ONLY, and where they have it from another table too.
    """
    prediction.lock([name], LockMode.ACCESS_EXCLUSIVE)
    for child in prediction.catalog.children(name) if not constraint.no_inherit else ():
        prediction.lock([child.name], LockMode.ACCESS_EXCLUSIVE)
        own = _same_constraint(child, constraint)
        if own is not None and not only and own.inherited and len(child.parents) == 1:
            locks_heirs(prediction, child.name, own, only=False)


def _same_constraint(child: Table, constraint: Constraint) -> Constraint | None:
    if constraint.kind is ConstraintKind.NOT_NULL:
        return next((own for own in child.not_nulls if own.columns == constraint.columns), None)
    return child.constraint(constraint.name)


def _only(prediction: Prediction, name: Name) -> None:
    """Takes back what stood for a table below: IF EXISTS found nothing."""
    for member in set(prediction.family(name)) - set(prediction.partitions(name)):
        prediction.locks.pop(member, None)


def renames_constraint(prediction: Prediction, operation: RenameConstraint) -> None:
    """RENAME CONSTRAINT: goes down with constraints that tables below inherit."""
    if prediction.skips(operation.table, if_exists=operation.if_exists):
        return
    table = prediction.table(operation.table)
    constraint = find(table, operation.constraint)
    if constraint is None and table is not None and table.columns_complete and prediction.catalog.complete:
        prediction.fail(f"{operation.table} has no constraint {operation.constraint}")
    goes_down = constraint is None or (constraint.kind in _INHERITED and not constraint.no_inherit)
    members = prediction.family(operation.table, only=operation.only or not goes_down)
    if constraint is None and len(members) > 1:
        prediction.unknown(f"what kind of constraint {operation.constraint} is")
    prediction.lock(members, LockMode.ACCESS_EXCLUSIVE)


def alters_constraint(prediction: Prediction, operation: OtherTableAction) -> None:
    """ALTER CONSTRAINT: changing whether it is enforced locks both of its tables."""
    prediction.lock([operation.table], LockMode.ACCESS_EXCLUSIVE)
    name, _, wanted = operation.detail.lower().partition(" ")
    name = operation.detail[: len(name)]
    constraint = find(prediction.table(operation.table), name)
    enforces = wanted.split() == ["enforced"]
    only_that = enforces or wanted.split() == ["not", "enforced"]
    if constraint is not None and only_that and constraint.enforced == enforces:
        return  # it is so already
    prediction.lock(prediction.partitions(operation.table), LockMode.ACCESS_EXCLUSIVE)
    if constraint is not None and constraint.kind not in {
        ConstraintKind.FOREIGN_KEY,
        ConstraintKind.NOT_NULL,
    }:
        prediction.fail(f"{name} is no foreign key")
    if "enforced" not in operation.detail.lower():
        return
    if constraint is not None and constraint.enforced != ("not enforced" in operation.detail.lower()):
        return  # it is so already
    if constraint is None:
        prediction.unknown(f"to which table {name} refers")
    elif constraint.references:
        prediction.lock(prediction.partitions(constraint.references), LockMode.ACCESS_EXCLUSIVE)
    if "not enforced" not in operation.detail.lower():
        stored = prediction.stored(operation.table, only=operation.only)
        prediction.scan(stored)
        prediction.may_scan.update(dict.fromkeys(stored))
        if constraint is not None and constraint.references:
            prediction.may_scan.update(dict.fromkeys(prediction.stored(constraint.references)))


def find(table: Table | None, name: str) -> Constraint | None:
    """The constraint of this name, if the catalog knows it."""
    return table.constraint(name) if table else None
