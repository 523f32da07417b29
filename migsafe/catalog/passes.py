"""The order in which PostgreSQL carries out the actions of one ALTER TABLE: not the one they are written in.

What is dropped goes first, then types change, then columns come, then constraints and indexes, then the rest
(AlterTablePass in src/backend/commands/tablecmds.c).
"""

from collections.abc import Iterable

from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AlterColumnType,
    ConstraintKind,
    DropColumn,
    DropConstraint,
    DropDefault,
    DropNotNull,
    Operation,
    OtherTableAction,
    SetDefault,
    SetNotNull,
    TableOperation,
)

_DROP, _ALTER_TYPE, _ADD_COLUMN, _EXPRESSION, _CHECK, _ATTRIBUTES, _KEY, _OTHER_CONSTRAINT, _REST = range(9)
_KEYS = frozenset({ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE, ConstraintKind.EXCLUDE})


def in_passes(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """The operations of one statement in the order in which they happen."""
    found = tuple(operations)
    if len(found) < 2 or not all(isinstance(each, TableOperation) for each in found):
        return found
    return tuple(sorted(found, key=_pass))


def _pass(operation: Operation) -> int:  # noqa: PLR0911 -- one flat table: action, its pass
    match operation:
        case DropColumn() | DropConstraint() | DropNotNull() | DropDefault():
            return _DROP
        case OtherTableAction(action="ALTER COLUMN DROP IDENTITY" | "ALTER COLUMN DROP EXPRESSION"):
            return _DROP
        case AlterColumnType():
            return _ALTER_TYPE
        case AddColumn():
            return _ADD_COLUMN
        case OtherTableAction(action="ALTER COLUMN SET EXPRESSION"):
            return _EXPRESSION
        case SetNotNull():
            return _ATTRIBUTES
        case AddConstraint(constraint=constraint) if constraint.kind in _KEYS:
            return _KEY
        case AddConstraint(constraint=constraint) if constraint.kind is ConstraintKind.FOREIGN_KEY:
            return _OTHER_CONSTRAINT
        case AddConstraint():
            return _CHECK
        case SetDefault() | OtherTableAction(action="ALTER COLUMN ADD GENERATED AS IDENTITY"):
            return _OTHER_CONSTRAINT
        case _:
            return _REST
