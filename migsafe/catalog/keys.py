"""Indexes, and the constraints that stand on them, on a table and on its partitions."""

from collections.abc import Iterable
from dataclasses import replace

from migsafe.catalog.circles import leads_to
from migsafe.catalog.find import (
    children,
    free_key_name,
    free_relation_name,
    known,
    relation_of_index,
    with_relation,
)
from migsafe.catalog.model import Catalog, Constraint, Index, Table, View
from migsafe.catalog.names import index_name, made_up_name
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind, CreateIndex
from migsafe.sql.script import read_script


def needed_index(table: Table, key: Constraint) -> str | None:
    """The index that a foreign key needs: of several that would do, PostgreSQL takes the oldest."""
    if any(index.name == key.referenced_index for index in table.indexes):
        return key.referenced_index
    primary = next((c for c in table.constraints if c.kind is ConstraintKind.PRIMARY_KEY), None)
    if not key.referenced_columns:
        return primary.index if primary else None
    return next(
        (
            index.name
            for index in table.indexes
            if index.unique and not index.where and set(index.keys) == set(key.referenced_columns)
        ),
        None,
    )


def add_index(catalog: Catalog, operation: CreateIndex) -> Catalog:
    """The catalog with one more index, and one more on each partition."""
    relation: Table | View = catalog.view(operation.table) or known(catalog, operation.table)
    schema = relation.name.schema
    name = operation.name or index_name(
        relation.name.name, operation.key_names, free_relation_name(catalog, schema)
    )
    if operation.if_not_exists and catalog.has_relation(Name(name, schema)):
        return catalog
    used = operation.used_columns
    if isinstance(relation, Table) and relation.columns_complete:
        used = tuple(each for each in used if relation.column(each))
    index = Index(
        name=name,
        columns=used,
        keys=operation.key_names[: len(operation.key_names) - len(operation.include)],
        unique=operation.unique,
        method=operation.method,
        where=operation.where.text if operation.where else None,
        valid=not (operation.only and _is_partitioned(relation) and children(catalog, relation.name)),
        assumed=operation.if_not_exists and not catalog.complete,
    )
    if isinstance(relation, View):
        return catalog.with_view(replace(relation, indexes=(*relation.indexes, index)))
    catalog = catalog.with_table(replace(relation, indexes=(*relation.indexes, index)))
    if operation.only or not relation.partitioned:
        return catalog
    for child in children(catalog, relation.name):
        catalog = index_below(catalog, relation.name, index, child.name)
    return catalog


def _is_partitioned(relation: Table | View) -> bool:
    return isinstance(relation, Table) and relation.partitioned


def index_below(catalog: Catalog, parent: Name, index: Index, child: Name) -> Catalog:
    """The catalog in which a partition has its part of its parent's index: its own like it, or a new one."""
    table = catalog.tables.get(child)
    if table is None or table.foreign:
        return catalog
    above = Name(index.name, parent.schema)
    if any(each.parent == above for each in table.indexes):
        return catalog
    constraint = _constraint_behind(catalog, parent, index)
    own = next((each for each in table.indexes if _fits(table, each, index, constraint)), None)
    if own is not None:
        return _attach(catalog, table, own, above, inherited=constraint is not None)
    if constraint is not None:
        free = free_key_name(catalog, child.schema)
        name = made_up_name(child.name, constraint.kind, index.keys, free)
        mine = replace(constraint, name=name, index=name, inherited=True)
        table = replace(table, constraints=(*table.constraints, mine))
    else:
        name = index_name(child.name, cloned_names(index), free_relation_name(catalog, child.schema))
    made = replace(index, name=name, parent=above, definition="", assumed=False)
    catalog = catalog.with_table(replace(table, indexes=(*table.indexes, made)))
    for grandchild in children(catalog, child):
        catalog = index_below(catalog, child, made, grandchild.name)
    return catalog


def cloned_names(index: Index) -> tuple[str, ...]:
    """What a copy of the index calls its columns: an expression has the name that its model gave it."""
    if "" in index.keys and index.definition:
        (statement,) = read_script(index.definition).statements
        found = next((each for each in statement.operations if isinstance(each, CreateIndex)), None)
        if found is not None:
            return found.key_names
    return (*index.keys, *included(index))


def attach_index(catalog: Catalog, parent: Name, child: Name) -> Catalog:
    """ALTER INDEX ... ATTACH PARTITION: the parent is valid as soon as every partition has its part."""
    below, above = relation_of_index(catalog, child), relation_of_index(catalog, parent)
    if below is None or above is None or not isinstance(below[0], Table):
        return catalog
    name = Name(above[1].name, above[0].name.schema)
    if leads_to(name, Name(below[1].name, below[0].name.schema), lambda index: _above(catalog, index)):
        return catalog
    behind = any(each.index == above[1].name for each in constraints_of(above[0]))
    catalog = _attach(catalog, below[0], below[1], name, inherited=behind)
    return _valid_when_whole(catalog, above[0].name, above[1].name)


def complete_indexes(catalog: Catalog, name: Name, column: str) -> Catalog:
    """A column's new type makes its indexes anew: ON ONLY is forgotten, and every partition has its part."""
    table = catalog.table(name)
    if table is None or not table.partitioned:
        return catalog
    for index in table.indexes:
        if column in index.columns and not index.valid:
            for child in children(catalog, table.name):
                catalog = index_below(catalog, table.name, replace(index, valid=True), child.name)
            catalog = _valid_when_whole(catalog, table.name, index.name)
    return catalog


def _above(catalog: Catalog, index: Name) -> tuple[Name, ...]:
    found = relation_of_index(catalog, index)
    return (found[1].parent,) if found and found[1].parent else ()


def drop_index(catalog: Catalog, index: Name) -> Catalog:
    """The catalog without an index and its parts."""
    found = relation_of_index(catalog, index)
    if found is None:
        return catalog
    relation, gone = found
    catalog = with_relation(
        catalog, replace(relation, indexes=tuple(i for i in relation.indexes if i is not gone))
    )
    above = Name(gone.name, relation.name.schema)
    for child in children(catalog, relation.name):
        for part in child.indexes:
            if part.parent == above:
                catalog = drop_index(catalog, Name(part.name, child.name.schema))
    return catalog


def _fits(table: Table, own: Index, index: Index, constraint: Constraint | None) -> bool:
    """Whether a partition's index can be its part of the parent's, as far as can be told."""
    behind = next((each for each in table.constraints if each.index == own.name), None)
    if constraint is not None and (behind is None or behind.kind is not constraint.kind):
        return False
    return (
        own.parent is None
        and own.valid
        and own.keys == index.keys
        and "" not in own.keys
        and set(own.columns) == set(index.columns)
        and own.unique == index.unique
        and own.method == index.method
        and (own.where is None) == (index.where is None)
    )


def _attach(catalog: Catalog, table: Table, own: Index, above: Name, *, inherited: bool) -> Catalog:
    indexes = tuple(replace(each, parent=above) if each is own else each for each in table.indexes)
    constraints = tuple(
        replace(each, inherited=True) if inherited and each.index == own.name else each
        for each in table.constraints
    )
    return catalog.with_table(replace(table, indexes=indexes, constraints=constraints))


def _valid_when_whole(catalog: Catalog, name: Name, index: str) -> Catalog:
    """An index of a partitioned table is valid when every partition has a valid part of it."""
    table = catalog.tables.get(name)
    if table is None or not table.partitioned:
        return catalog
    above = Name(index, name.schema)
    whole = all(
        any(part.parent == above and part.valid for part in child.indexes)
        for child in children(catalog, name)
        if not child.foreign
    )
    if not whole or not children(catalog, name):
        return catalog
    indexes = tuple(replace(i, valid=True) if i.name == index else i for i in table.indexes)
    catalog = catalog.with_table(replace(table, indexes=indexes))
    mine = next((i for i in indexes if i.name == index), None)
    if mine and mine.parent and (found := relation_of_index(catalog, mine.parent)):
        return _valid_when_whole(catalog, found[0].name, mine.parent.name)
    return catalog


def _constraint_behind(catalog: Catalog, parent: Name, index: Index) -> Constraint | None:
    table = catalog.tables.get(parent)
    return next((c for c in constraints_of(table) if c.index == index.name), None) if table else None


def constraints_of(relation: Table | View | None) -> Iterable[Constraint]:
    """The constraints of a table; a view has none."""
    return relation.constraints if isinstance(relation, Table) else ()


def included(index: Index) -> tuple[str, ...]:
    """The columns of INCLUDE, as far as can be told: they are part of a made-up name."""
    return tuple(column for column in index.columns if index.where is None and column not in index.keys)
