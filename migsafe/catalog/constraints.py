"""Constraints that come and go, on a table and below it."""

import re
from dataclasses import replace

from migsafe.catalog.find import (
    children,
    free_constraint_name,
    free_key_name,
    known,
)
from migsafe.catalog.foreign_keys import own_part, take_part
from migsafe.catalog.keys import drop_index, index_below, needed_index
from migsafe.catalog.model import Catalog, Constraint, Index, Table
from migsafe.catalog.names import constraint_name, made_up_name
from migsafe.catalog.nullness import NAMED_SINCE, drop_not_null, set_not_null
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind

_NAME_BEFORE = re.compile(r"""^constraint\s+(?:"(?:[^"]|"")*"|\S+)\s+""", re.IGNORECASE)
_MARK_BEHIND = re.compile(r"\s+not\s+(?:valid|enforced)\s*$", re.IGNORECASE)
_NO_INHERIT = re.compile(r"\bno\s+inherit\b", re.IGNORECASE)
_USING = re.compile(r"exclude\s+using\s+(\w+)", re.IGNORECASE)
_KEYS = frozenset({ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE, ConstraintKind.EXCLUDE})


def add_constraint(
    catalog: Catalog,
    name: Name,
    definition: ConstraintDefinition,
    *,
    created: bool = False,
    only: bool = False,
) -> Catalog:
    """The catalog with one more constraint. In CREATE TABLE (`created`) NOT VALID means nothing."""
    table = known(catalog, name)
    if definition.kind is ConstraintKind.NOT_NULL:
        return _add_not_null(catalog, table, definition, created=created, only=only)
    constraint = _constraint(catalog, table, definition, created=created)
    if any(other.name == constraint.name for other in table.constraints):
        return catalog
    if definition.kind in _KEYS:
        return _add_key(catalog, table, constraint, definition.using_index, only=only)
    if constraint.references and not constraint.referenced_columns:
        constraint = replace(constraint, referenced_columns=_primary_key(catalog, table, constraint))
    return put_constraint(catalog, table, constraint, only=only)


def put_constraint(catalog: Catalog, table: Table, constraint: Constraint, *, only: bool = False) -> Catalog:
    """The catalog with a CHECK or a foreign key on a table and on all below it that take it over."""
    same = next((c for c in table.constraints if c.name == constraint.name), None)
    if same is not None and same.kind is constraint.kind:
        # A parent's constraint meets the child's own: the child keeps it.
        return catalog
    catalog = catalog.with_table(replace(table, constraints=(*table.constraints, constraint)))
    if constraint.references:
        catalog = _refer(catalog, constraint, table.name)
    below = children(catalog, table.name) if not only and not constraint.no_inherit else ()
    if constraint.references and not table.partitioned:
        below = ()
    for child in below:
        catalog = put_part(catalog, child, constraint)
    return catalog


def put_part(catalog: Catalog, child: Table, constraint: Constraint) -> Catalog:
    """The catalog in which a child has its parent's CHECK or foreign key: a new one, or its own like it."""
    own = own_part(child, constraint, catalog.server_version)
    if own is None:
        return put_constraint(catalog, child, for_child(catalog, child, constraint))
    catalog = take_part(catalog, child, own, constraint)
    return validate(catalog, child.name, own.name) if constraint.validated else catalog


def for_child(catalog: Catalog, child: Table, constraint: Constraint) -> Constraint:
    """A parent's constraint as its child has it: a foreign key gets a name of its own where it must."""
    name = constraint.name
    if constraint.references and child.constraint(name):
        name = made_up_name(
            child.name.name,
            constraint.kind,
            constraint.columns,
            free_constraint_name(catalog, child.name.schema),
        )
    parent = constraint.name if constraint.references else None
    return replace(constraint, name=name, inherited=True, parent=parent)


def drop_constraint(catalog: Catalog, name: Name, constraint: str, *, only: bool = False) -> Catalog:
    """The catalog without a constraint, without the index behind it, and without what children had of it."""
    table = catalog.table(name)
    gone = table.constraint(constraint) if table else None
    if table is None or gone is None:
        return catalog
    if gone.kind is ConstraintKind.NOT_NULL:
        return drop_not_null(catalog, table.name, gone.columns[0], only=only)
    before = table
    table = replace(table, constraints=tuple(c for c in table.constraints if c is not gone))
    catalog = forget_reference(catalog.with_table(table), gone.references, table)
    below = children(catalog, table.name)
    if gone.index:
        parts = {Name(gone.index, table.name.schema)}
        for child in below:
            for index in child.indexes:
                if index.parent in parts:
                    mine = next((c.name for c in child.constraints if c.index == index.name), None)
                    catalog = drop_constraint(catalog, child.name, mine) if mine else catalog
        catalog = drop_index(catalog, Name(gone.index, table.name.schema))
        return _drop_referring(catalog, before, gone)
    for child in below:
        own = _taken_over(child, gone)
        if own and not only and own.inherited and not _another_parent(catalog, child, table, own):
            catalog = drop_constraint(catalog, child.name, own.name)
        elif own and only:
            catalog = _as_own(catalog, child, own)
    return catalog


def validate(catalog: Catalog, name: Name, constraint: str) -> Catalog:
    """The catalog in which a constraint is valid, below too."""
    table = catalog.table(name)
    found = table.constraint(constraint) if table else None
    if table is None or found is None or not found.enforced:
        return catalog
    if found.kind is ConstraintKind.NOT_NULL:
        return set_not_null(
            catalog, table.name, found.columns[0], inherited=found.inherited, no_inherit=found.no_inherit
        )
    constraints = tuple(replace(c, validated=True) if c is found else c for c in table.constraints)
    catalog = catalog.with_table(replace(table, constraints=constraints))
    for child in children(catalog, table.name) if not found.no_inherit else ():
        own = _taken_over(child, found)
        catalog = validate(catalog, child.name, own.name) if own else catalog
    return catalog


def forget_reference(catalog: Catalog, referenced: Name | None, table: Table) -> Catalog:
    """The catalog in which the referenced table no longer names this one, unless another key does."""
    target = catalog.tables.get(referenced) if referenced else None
    if target is None or any(c.references == target.name for c in table.constraints):
        return catalog
    left = tuple(other for other in target.referenced_by if other != table.name)
    return catalog.with_table(replace(target, referenced_by=left))


def _add_not_null(
    catalog: Catalog, table: Table, definition: ConstraintDefinition, *, created: bool, only: bool
) -> Catalog:
    for column in definition.columns:
        catalog = set_not_null(
            catalog,
            table.name,
            column,
            constraint=definition.name,
            validated=created or not definition.not_valid,
            no_inherit=bool(_NO_INHERIT.search(definition.text)),
            only=only,
        )
    return catalog


def _add_key(
    catalog: Catalog, table: Table, constraint: Constraint, using: str | None, *, only: bool
) -> Catalog:
    """A key and its index: a new one, or the one that USING INDEX takes over and renames."""
    existing = next((index for index in table.indexes if index.name == using), None) if using else None
    name = constraint.name
    if existing:
        index = replace(existing, name=name)
        constraint = replace(constraint, columns=existing.keys or existing.columns)
    else:
        index = Index(
            name=name,
            columns=constraint.columns,
            keys=constraint.columns,
            method=_method(constraint),
            unique=constraint.kind is not ConstraintKind.EXCLUDE,
            valid=not (only and table.partitioned and children(catalog, table.name)),
        )
    constraint = replace(constraint, index=name)
    table = replace(
        table,
        indexes=(*(other for other in table.indexes if other is not existing), index),
        constraints=(*table.constraints, constraint),
    )
    catalog = catalog.with_table(table)
    if constraint.kind is ConstraintKind.PRIMARY_KEY:
        for column in constraint.columns:
            catalog = _key_not_null(catalog, table.name, column)
    if not only and table.partitioned:
        for child in children(catalog, table.name):
            catalog = index_below(catalog, table.name, index, child.name)
    return catalog


def _method(constraint: Constraint) -> str:
    if constraint.kind is not ConstraintKind.EXCLUDE:
        return "btree"
    written = _USING.match(constraint.definition)
    return written[1].lower() if written else "gist"


def _key_not_null(catalog: Catalog, name: Name, column: str) -> Catalog:
    """A primary key makes its columns NOT NULL; what is so already stays as it is."""
    found = known(catalog, name).column(column)
    return catalog if found and found.not_null else set_not_null(catalog, name, column)


def _drop_referring(catalog: Catalog, table: Table, key: Constraint) -> Catalog:
    """Foreign keys that need a key of the table are gone with it: without CASCADE it would still be there."""
    for referrer in table.referenced_by:
        other = catalog.tables.get(referrer)
        for each in other.constraints if other else ():
            if each.references == table.name and needed_index(table, each) == key.index:
                catalog = drop_constraint(catalog, referrer, each.name)
    return catalog


def _taken_over(child: Table, constraint: Constraint) -> Constraint | None:
    """What a child has of its parent's CHECK (by name) or foreign key (by what it says)."""
    for own in child.constraints:
        if own.kind is not constraint.kind:
            continue
        if constraint.references is None and own.name == constraint.name:
            return own
        if constraint.references is not None and own.parent == constraint.name:
            return own
    return None


def _another_parent(catalog: Catalog, child: Table, left: Table, own: Constraint) -> bool:
    others = (catalog.tables.get(parent) for parent in child.parents if parent != left.name)
    return any(other is not None and other.constraint(own.name) for other in others)


def _as_own(catalog: Catalog, child: Table, own: Constraint) -> Catalog:
    mine = replace(own, inherited=False)
    constraints = tuple(mine if each is own else each for each in child.constraints)
    return catalog.with_table(replace(child, constraints=constraints))


def _constraint(
    catalog: Catalog, table: Table, definition: ConstraintDefinition, *, created: bool
) -> Constraint:
    if definition.using_index and not definition.name:
        # The constraint takes the name of its index.
        definition = replace(definition, name=definition.using_index)
    text = _MARK_BEHIND.sub("", _NAME_BEFORE.sub("", definition.text))
    if definition.kind is ConstraintKind.CHECK and table.columns_complete:
        # What looked like a column and is none was part of a type or a function.
        columns = tuple(each for each in definition.columns if table.column(each))
        definition = replace(definition, columns=columns)
    schema = table.name.schema
    key = definition.kind in _KEYS
    free = free_key_name(catalog, schema) if key else free_constraint_name(catalog, schema)
    coming = _checks_above(catalog, table) if created else frozenset()
    return Constraint(
        name=constraint_name(table.name.name, definition, lambda name: name not in coming and free(name)),
        kind=definition.kind,
        columns=definition.columns,
        definition=text,
        validated=not definition.not_enforced and (created or not definition.not_valid),
        enforced=not definition.not_enforced,
        references=catalog.resolve(definition.references) if definition.references else None,
        referenced_columns=definition.referenced_columns,
        no_inherit=definition.kind is ConstraintKind.CHECK and bool(_NO_INHERIT.search(text)),
    )


def _checks_above(catalog: Catalog, table: Table) -> frozenset[str]:
    """The names of the CHECKs that a new table takes over, before it makes up names for its own."""
    above = (catalog.tables.get(parent) for parent in table.parents)
    return frozenset(
        each.name
        for parent in above
        for each in (parent.constraints if parent else ())
        if each.kind is ConstraintKind.CHECK and not each.no_inherit
    )


def _primary_key(catalog: Catalog, table: Table, constraint: Constraint) -> tuple[str, ...]:
    """The columns that REFERENCES without a list means; none when the key is not known."""
    to_itself = constraint.references == table.name
    target = table if to_itself or not constraint.references else catalog.tables.get(constraint.references)
    keys = target.constraints if target else ()
    return next((key.columns for key in keys if key.kind is ConstraintKind.PRIMARY_KEY), ())


def _refer(catalog: Catalog, constraint: Constraint, table: Name) -> Catalog:
    """The referenced table knows who refers to it."""
    if constraint.references is None:
        return catalog
    target = known(catalog, constraint.references)
    source = catalog.tables.get(table)
    before = sum(c.references == constraint.references for c in source.constraints) if source else 0
    # Looking at the table itself is quick; thousands may refer to the same one.
    if before > 1 and table in target.referenced_by:
        return catalog
    return catalog.with_table(replace(target, referenced_by=(*target.referenced_by, table)))


__all__ = [
    "NAMED_SINCE",
    "add_constraint",
    "drop_constraint",
    "for_child",
    "forget_reference",
    "put_constraint",
    "put_part",
    "validate",
]
