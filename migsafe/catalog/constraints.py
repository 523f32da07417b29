"""Constraints and indexes that come and go."""

import re
from dataclasses import replace

from migsafe.catalog.find import known, table_of_index, taken_names, with_column
from migsafe.catalog.model import Catalog, Constraint, Index, Table, qualified
from migsafe.catalog.names import constraint_name, index_name
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind, CreateIndex

_NAME_BEFORE = re.compile(r"""^constraint\s+(?:"(?:[^"]|"")*"|\S+)\s+""", re.IGNORECASE)
_MARK_BEHIND = re.compile(r"\s+not\s+(?:valid|enforced)\s*$", re.IGNORECASE)
_KEYS = frozenset({ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE, ConstraintKind.EXCLUDE})


def add_constraint(
    catalog: Catalog, name: Name, definition: ConstraintDefinition, *, created: bool = False
) -> Catalog:
    """The catalog with one more constraint. In CREATE TABLE (`created`) NOT VALID means nothing."""
    table = known(catalog, name)
    constraint = _constraint(table, definition, created=created)
    if constraint.references and not constraint.referenced_columns:
        constraint = replace(constraint, referenced_columns=_primary_key(catalog, table, constraint))
    if any(other.name == constraint.name for other in table.constraints):
        return catalog
    if definition.kind in _KEYS:
        table, constraint = _with_key(table, constraint, definition.using_index)
    if constraint.kind is ConstraintKind.PRIMARY_KEY or (
        constraint.kind is ConstraintKind.NOT_NULL and constraint.validated
    ):
        table = _not_null(table, constraint.columns)
    table = replace(table, constraints=(*table.constraints, constraint))
    catalog = catalog.with_table(table)
    return _refer(catalog, constraint, table.name) if constraint.references else catalog


def drop_constraint(catalog: Catalog, name: Name, constraint: str) -> Catalog:
    """The catalog without a constraint, and without the index behind it."""
    table = catalog.table(name)
    gone = next((c for c in table.constraints if c.name == constraint), None) if table else None
    if table is None or gone is None:
        return catalog
    table = replace(
        table,
        constraints=tuple(c for c in table.constraints if c is not gone),
        indexes=tuple(i for i in table.indexes if i.name != gone.index),
    )
    if gone.kind is ConstraintKind.NOT_NULL:
        for column in gone.columns:
            if found := table.column(column):
                table = with_column(table, replace(found, not_null=False))
    catalog = forget_reference(catalog.with_table(table), gone.references, table)
    return _drop_referring(catalog, table.name, gone) if gone.index else catalog


def _drop_referring(catalog: Catalog, name: Name, key: Constraint) -> Catalog:
    """Foreign keys that need a key are gone with it: without CASCADE it would still be there."""
    table = catalog.table(name)
    for referrer in table.referenced_by if table else ():
        other = catalog.table(referrer)
        if other is None:
            continue
        left = tuple(
            c
            for c in other.constraints
            if not (c.references == name and set(c.referenced_columns) == set(key.columns))
        )
        other = replace(other, constraints=left)
        catalog = forget_reference(catalog.with_table(other), name, other)
    return catalog


def forget_reference(catalog: Catalog, referenced: Name | None, table: Table) -> Catalog:
    """The catalog in which the referenced table no longer names this one, unless another key does."""
    target = catalog.table(referenced) if referenced else None
    if target is None or any(
        c.references and qualified(c.references) == target.name for c in table.constraints
    ):
        return catalog
    left = tuple(other for other in target.referenced_by if other != table.name)
    return catalog.with_table(replace(target, referenced_by=left))


def add_index(catalog: Catalog, operation: CreateIndex) -> Catalog:
    """The catalog with one more index."""
    table = known(catalog, operation.table)
    name = operation.name or index_name(table.name.name, operation.key_names, set(taken_names(table)))
    if table_of_index(catalog, Name(name, table.name.schema)):
        return catalog
    index = Index(name=name, columns=operation.used_columns, unique=operation.unique)
    return catalog.with_table(replace(table, indexes=(*table.indexes, index)))


def _constraint(table: Table, definition: ConstraintDefinition, *, created: bool) -> Constraint:
    if definition.using_index and not definition.name:
        # The constraint takes the name of its index.
        definition = replace(definition, name=definition.using_index)
    text = _MARK_BEHIND.sub("", _NAME_BEFORE.sub("", definition.text))
    taken = set(taken_names(table))
    return Constraint(
        name=constraint_name(table.name.name, definition, taken),
        kind=definition.kind,
        columns=definition.columns,
        definition=text,
        validated=not definition.not_enforced and (created or not definition.not_valid),
        references=qualified(definition.references) if definition.references else None,
        referenced_columns=definition.referenced_columns,
    )


def _primary_key(catalog: Catalog, table: Table, constraint: Constraint) -> tuple[str, ...]:
    """The columns that REFERENCES without a list means; none when the key is not known."""
    to_itself = constraint.references == table.name
    target = table if to_itself or not constraint.references else catalog.table(constraint.references)
    keys = target.constraints if target else ()
    return next((key.columns for key in keys if key.kind is ConstraintKind.PRIMARY_KEY), ())


def _with_key(table: Table, constraint: Constraint, using: str | None) -> tuple[Table, Constraint]:
    """The index behind a key: a new one, or the one that USING INDEX takes over and renames."""
    existing = next((index for index in table.indexes if index.name == using), None) if using else None
    columns = existing.columns if existing else constraint.columns
    name = constraint.name
    unique = constraint.kind is not ConstraintKind.EXCLUDE
    index = Index(name=name, columns=columns, unique=unique)
    indexes = (*(other for other in table.indexes if other is not existing), index)
    constraint = replace(constraint, name=name, columns=columns, index=name)
    return replace(table, indexes=indexes), constraint


def _not_null(table: Table, columns: tuple[str, ...]) -> Table:
    for name in columns:
        if column := table.column(name):
            table = with_column(table, replace(column, not_null=True))
    return table


def _refer(catalog: Catalog, constraint: Constraint, table: Name) -> Catalog:
    """The referenced table knows who refers to it."""
    if constraint.references is None:
        return catalog
    target = known(catalog, constraint.references)
    if table in target.referenced_by:
        return catalog
    return catalog.with_table(replace(target, referenced_by=(*target.referenced_by, table)))
