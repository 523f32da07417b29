"""Facts about columns: what a new one is, and what another type does to its values."""

from migsafe.catalog.model import Catalog
from migsafe.effects.type_change import keeps_values
from migsafe.effects.volatility import volatility_of
from migsafe.lint.facts import Facts, GeneratedWord
from migsafe.sql.definitions import TypeName
from migsafe.sql.operations import AlterColumnType, ColumnDefinition, ConstraintKind, DropColumn

# Within a group each type holds all values of those before it.
_GROUPS = (
    ("smallint", "integer", "bigint", "numeric"),
    ("real", "double precision"),
    ("character varying", "text"),
    ("character", "text"),
    ("date", "timestamp without time zone"),
    ("date", "timestamp with time zone"),
)
# Digits of their greatest values.
_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}


def column_facts(facts: Facts, column: ColumnDefinition, catalog: Catalog) -> None:
    """A column as ADD COLUMN or CREATE TABLE defines it."""
    inline = {constraint.kind for constraint in column.constraints if not constraint.not_enforced}
    default = column.default if column.default and not column.default.is_null_constant else None
    generated: GeneratedWord = column.generated.value if column.generated else "none"
    facts.column = column.name
    facts.not_null = column.not_null
    facts.has_default = default is not None
    facts.default_volatile = default is not None and volatility_of(default, catalog).volatile
    facts.serial = column.is_serial
    facts.generated = generated
    facts.inline_check = ConstraintKind.CHECK in inline
    facts.inline_unique = ConstraintKind.UNIQUE in inline
    facts.inline_primary_key = facts.in_primary_key = ConstraintKind.PRIMARY_KEY in inline
    facts.inline_foreign_key = ConstraintKind.FOREIGN_KEY in inline
    type_facts(facts, column.type)


def type_facts(facts: Facts, written: TypeName) -> None:
    """The type by its own name, and what is known of it."""
    facts.data_type = str(written)
    facts.base_type = written.name if not written.schema else f"{written.schema}.{written.name}"
    facts.type_limited = bool(written.modifiers)


def type_change_facts(facts: Facts, operation: AlterColumnType, catalog: Catalog) -> None:
    """ALTER COLUMN TYPE: what may no longer fit."""
    facts.column = operation.column
    type_facts(facts, operation.type)
    table = catalog.table(operation.table)
    column = table.column(operation.column) if table else None
    if column is not None and column.type.name:
        facts.narrows = _narrows(column.type, operation.type)


def dropped_column_facts(facts: Facts, operation: DropColumn, catalog: Catalog) -> None:
    """DROP COLUMN."""
    facts.column = operation.column
    facts.repeatable = operation.column_if_exists
    table = catalog.table(operation.table)
    for constraint in table.constraints if table else ():
        if operation.column in constraint.columns and constraint.references:
            facts.references = str(constraint.references)


def _narrows(old: TypeName, new: TypeName) -> bool:
    """Whether some values of the old type do not fit the new one, although they look alike."""
    if old.array_dimensions != new.array_dimensions or old == new or keeps_values(old, new):
        return False
    if old.name == new.name:
        return bool(new.modifiers)
    if new.name == "numeric" and old.name in _DIGITS:
        precision, scale = (*map(int, new.modifiers), 0)[:2]
        return precision - scale < _DIGITS[old.name]
    for group in _GROUPS:
        if old.name in group and new.name in group:
            return bool(new.modifiers) or group.index(new.name) < group.index(old.name)
    return False
