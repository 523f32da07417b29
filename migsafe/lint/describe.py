"""The facts that stand in the statement itself: names, definitions, options."""

from dataclasses import replace

from migsafe.effects.volatility import volatility_of
from migsafe.lint.facts import ConstraintWord, Facts, GeneratedWord
from migsafe.sql import operations as ops
from migsafe.sql.operations import ColumnDefinition, ConstraintDefinition, ConstraintKind, Operation


def describe(facts: Facts, operation: Operation) -> Facts:
    """The facts, with what this operation says about itself."""
    match operation:
        case ops.AddColumn(column=column):
            return _column(facts, column)
        case ops.AddConstraint(constraint=constraint):
            return _constraint(facts, constraint)
        case ops.AlterColumnType(column=column, type=data_type):
            return replace(facts, column=column, data_type=str(data_type))
        case ops.RenameColumn(column=column, new_name=new_name):
            return replace(facts, column=column, new_name=new_name)
        case ops.RenameTable(new_name=new_name):
            return replace(facts, new_name=new_name)
        case ops.SetSchema(new_schema=schema):
            return replace(facts, new_name=f"{schema}.{operation.table.name}")
        case ops.DropColumn(column=column) | ops.SetNotNull(column=column) | ops.DropNotNull(column=column):
            return replace(facts, column=column)
        case ops.SetDefault(column=column) | ops.DropDefault(column=column):
            return replace(facts, column=column)
        case ops.ValidateConstraint(constraint=constraint) | ops.DropConstraint(constraint=constraint):
            return replace(facts, constraint=constraint)
        case _:
            return _other(facts, operation)


def _other(facts: Facts, operation: Operation) -> Facts:
    match operation:
        case ops.CreateIndex(name=index):
            return replace(facts, index=index or "")
        case ops.DropIndex(index=index) | ops.RenameIndex(index=index):
            return replace(facts, index=str(index))
        case ops.Reindex(object_kind=kind, target=target):
            return replace(facts, tag=kind.lower(), index=str(target or ""))
        case ops.OtherStatement(tag=tag):
            return replace(facts, tag=tag)
        case ops.OtherTableAction(action=action, column=column):
            return replace(facts, tag=action, column=column or "")
        case ops.Unread(reason=reason):
            return replace(facts, reason=reason)
        case _:
            return facts


def _column(facts: Facts, column: ColumnDefinition) -> Facts:
    inline = {constraint.kind for constraint in column.constraints if not constraint.not_enforced}
    has_default = column.default is not None and not column.default.is_null_constant
    generated: GeneratedWord = column.generated.value if column.generated else "none"
    return replace(
        facts,
        column=column.name,
        data_type=str(column.type),
        not_null=column.not_null,
        has_default=has_default,
        default_volatile=has_default
        and column.default is not None
        and volatility_of(column.default).volatile,
        serial=column.is_serial,
        generated=generated,
        inline_check=ConstraintKind.CHECK in inline,
        inline_unique=ConstraintKind.UNIQUE in inline,
        inline_primary_key=ConstraintKind.PRIMARY_KEY in inline,
        inline_foreign_key=ConstraintKind.FOREIGN_KEY in inline,
    )


def _constraint(facts: Facts, constraint: ConstraintDefinition) -> Facts:
    kind: ConstraintWord = constraint.kind.value
    return replace(
        facts,
        constraint=constraint.name or "",
        column=", ".join(constraint.columns),
        constraint_kind=kind,
        not_valid=constraint.not_valid,
        not_enforced=constraint.not_enforced,
        using_index=constraint.using_index is not None,
    )
