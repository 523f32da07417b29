"""Facts about constraints and indexes, against what the schema has already."""

import re

from migsafe.catalog.find import relation_of_index
from migsafe.catalog.model import Catalog, Constraint, Index, Table
from migsafe.effects.traps import counts_shorter, varies
from migsafe.lint.facts import ConstraintWord, Facts
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    ConstraintDefinition,
    ConstraintKind,
    CreateIndex,
    DropConstraint,
    DropIndex,
)

WIDE = 3  # key columns; more are seldom of use
_CASCADE = re.compile(r"\bon\s+delete\s+cascade\b", re.IGNORECASE)
_ONLY_NOT_NULL = re.compile(r'[\s(]*(?:check\b)?[\s(]*"?\w+"?\s+is\s+not\s+null[\s)]*', re.IGNORECASE)


def constraint_facts(facts: Facts, table: Name, constraint: ConstraintDefinition, catalog: Catalog) -> None:
    """A constraint as ADD CONSTRAINT or CREATE TABLE defines it."""
    kind: ConstraintWord = constraint.kind.value
    facts.constraint = constraint.name or ""
    facts.constraint_unnamed = constraint.name is None
    facts.column = ", ".join(constraint.columns)
    facts.constraint_kind = kind
    facts.not_valid = constraint.not_valid
    facts.not_enforced = constraint.not_enforced
    facts.using_index = constraint.using_index is not None
    facts.index = constraint.using_index or ""
    facts.check_varies = constraint.expression is not None and varies(constraint.expression)
    if constraint.references is not None:
        facts.references = str(constraint.references)
        facts.cascades_deletes = bool(_CASCADE.search(constraint.text))
        facts.key_unindexed = _is_unindexed(catalog.table(table), constraint.columns)
        facts.key_narrower = counts_shorter(catalog, table, constraint)


def dropped_constraint_facts(facts: Facts, operation: DropConstraint, catalog: Catalog) -> None:
    """DROP CONSTRAINT: what it was, as far as the schema is known."""
    facts.constraint = operation.constraint
    facts.repeatable = operation.constraint_if_exists
    table = catalog.table(operation.table)
    found = table.constraint(operation.constraint) if table else None
    if table is not None and found is not None:
        facts.constraint_kind = found.kind.value
        facts.column = ", ".join(found.columns)
        facts.references = str(found.references or "")
        facts.constraint_spare = _is_spare(table, found)


def index_facts(facts: Facts, operation: CreateIndex, catalog: Catalog) -> None:
    """CREATE INDEX."""
    facts.index = operation.name or ""
    facts.index_unnamed = operation.name is None
    facts.index_unique = operation.unique
    facts.index_wide = len(operation.columns) + operation.expressions > WIDE
    facts.if_not_exists = facts.repeatable = operation.if_not_exists
    facts.column = ", ".join(operation.columns)
    table = catalog.table(operation.table)
    for other in table.indexes if table else ():
        if _covers(other, operation):
            facts.index_redundant, facts.covered_by = True, other.name
            break


def dropped_index_facts(facts: Facts, operation: DropIndex, catalog: Catalog) -> None:
    """DROP INDEX: what needs it."""
    facts.index = str(operation.index)
    facts.repeatable = operation.if_exists
    found = relation_of_index(catalog, operation.index)
    if found is None:
        return
    relation, index = found
    facts.index_unique = index.unique
    facts.column = ", ".join(index.keys)
    if isinstance(relation, Table):
        facts.constraint_spare = index.unique and _has_twin(relation, index.name, index.keys)
        owner = next((c for c in relation.constraints if c.index == index.name), None)
        facts.index_of_constraint = owner is not None
        facts.constraint = owner.name if owner else ""


def leads(index: Index, columns: tuple[str, ...]) -> bool:
    """Whether an index finds rows by these columns: they are its first keys, in any order."""
    return index.where is None and bool(columns) and set(index.keys[: len(columns)]) == set(columns)


def _is_unindexed(table: Table | None, columns: tuple[str, ...]) -> bool:
    return table is not None and not any(leads(index, columns) for index in table.indexes)


def _is_spare(table: Table, constraint: Constraint) -> bool:
    """Whether the table says the same without this constraint."""
    if constraint.kind is ConstraintKind.CHECK:
        columns = [table.column(name) for name in constraint.columns]
        proved = bool(columns) and all(column is not None and column.not_null for column in columns)
        return proved and bool(_ONLY_NOT_NULL.fullmatch(constraint.definition))
    if constraint.kind is ConstraintKind.UNIQUE and _has_twin(table, constraint.index, constraint.columns):
        return True
    return any(
        (other.kind, other.columns, other.references)
        == (constraint.kind, constraint.columns, constraint.references)
        for other in table.constraints
        if other is not constraint and other.validated >= constraint.validated
    )


def _has_twin(table: Table, index: str | None, columns: tuple[str, ...]) -> bool:
    """Whether another unique index on exactly these columns is there."""
    return any(
        other.unique and other.valid and other.where is None and set(other.keys) == set(columns)
        for other in table.indexes
        if other.name != index
    )


def _covers(index: Index, new: CreateIndex) -> bool:
    """Whether an index finds everything that the new one would find."""
    plain = index.valid and index.where is None and index.method == new.method == "btree"
    if not plain or new.where is not None or new.expressions or not new.columns:
        return False
    if new.include or not all(index.keys):
        return False
    if new.unique:
        return index.unique and index.keys == new.columns
    return index.keys[: len(new.columns)] == new.columns
