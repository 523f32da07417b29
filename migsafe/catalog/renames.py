"""Renames: the thing itself, and everybody who names it."""

from collections.abc import Callable
from dataclasses import replace

from migsafe.catalog.find import children, relation_of_index, with_relation
from migsafe.catalog.keys import constraints_of
from migsafe.catalog.model import Catalog, Column, Constraint, Index, Table, View
from migsafe.catalog.sequences import move_owner, move_sequence
from migsafe.catalog.types import move_type
from migsafe.catalog.views import move_readers, rename_used
from migsafe.errors import SqlError
from migsafe.sql.definitions import ConstraintKind
from migsafe.sql.names import Name
from migsafe.sql.rename import replace_column


def move_relation(catalog: Catalog, old: Name, new: Name) -> Catalog:
    """The catalog in which a table, view, sequence or index has another name or schema."""
    if old == new:
        return catalog
    if old in catalog.tables:
        return move_table(catalog, old, new)
    if view := catalog.views.get(old):
        catalog = catalog.without_view(old).with_view(replace(view, name=new))
        return move_readers(catalog, old, new)
    if old in catalog.sequences:
        return move_sequence(catalog, old, new)
    if old in catalog.types:
        return move_type(catalog, old, new)
    return rename_index(catalog, old, new.name)


def move_table(catalog: Catalog, old: Name, new: Name) -> Catalog:
    """The catalog in which a table has another name or schema."""
    table = catalog.table(old)
    if table is None:
        return catalog
    was, name = table.name, catalog.resolve(new) if new.schema is None else new
    for column in table.columns:
        catalog = move_owner(
            catalog, column, (name, column.name), name.schema if name.schema != was.schema else was.schema
        )
        sequences = tuple(Name(each.name, name.schema) for each in column.sequences)
        if sequences != column.sequences:
            moved = replace(column, sequences=sequences)
            columns = tuple(moved if c.name == column.name else c for c in table.columns)
            table = replace(table, columns=columns)
    catalog = catalog.without_table(was).with_table(_referring(replace(table, name=name), was, name))
    for referrer in table.referenced_by:
        if other := catalog.tables.get(referrer):
            catalog = catalog.with_table(_referring(other, was, name))
    for target_name in {c.references for c in table.constraints if c.references}:
        if target := catalog.tables.get(target_name):
            names = tuple(name if other == was else other for other in target.referenced_by)
            catalog = catalog.with_table(replace(target, referenced_by=names))
    for child in tuple(catalog.children(was)):
        inherits = tuple(name if parent == was else parent for parent in child.inherits)
        above = name if child.partition_of == was else child.partition_of
        indexes = child.indexes
        if name.schema != was.schema:
            indexes = tuple(
                replace(i, parent=Name(i.parent.name, name.schema))
                if _part_of(i, table, was) and i.parent
                else i
                for i in indexes
            )
        catalog = catalog.with_table(replace(child, inherits=inherits, partition_of=above, indexes=indexes))
    return move_type(move_readers(catalog, was, name), was, name)


def rename_column(catalog: Catalog, name: Name, old: str, new: str) -> Catalog:
    """The catalog in which a column has another name, in its table, below it, and in foreign keys."""
    table = catalog.table(name)
    if table is None:
        return _in_view(catalog, name, old, new)
    put = _renaming(old, new)
    table = replace(
        table,
        columns=tuple(_column(column, old, new) for column in table.columns),
        constraints=tuple(_constraint(c, old, new) for c in table.constraints),
        not_nulls=tuple(replace(c, columns=put(c.columns)) for c in table.not_nulls),
        indexes=tuple(_index(index, old, new) for index in table.indexes),
        dependents=tuple(replace(d, column=new) if d.column == old else d for d in table.dependents),
    )
    catalog = rename_used(catalog.with_table(table), table.name, old, new)
    if column := table.column(new):
        catalog = move_owner(catalog, column, (table.name, new), table.name.schema)
    for referrer in table.referenced_by:
        other = catalog.tables.get(referrer)
        if other is None:
            continue
        constraints = tuple(
            replace(c, referenced_columns=put(c.referenced_columns)) if c.references == table.name else c
            for c in other.constraints
        )
        catalog = catalog.with_table(replace(other, constraints=constraints))
    for child in children(catalog, table.name):
        catalog = rename_column(catalog, child.name, old, new)
    return catalog


def rename_constraint(catalog: Catalog, name: Name, old: str, new: str) -> Catalog:
    """The catalog in which a constraint, and the index behind it, has another name; checks below too."""
    table = catalog.table(name)
    found = table.constraint(old) if table else None
    if table is None or found is None:
        return catalog
    if found.index:
        return rename_index(catalog, Name(found.index, table.name.schema), new)
    rename = _renamed_constraint(found, new)
    table = replace(
        table,
        constraints=tuple(rename(each) for each in table.constraints),
        not_nulls=tuple(rename(each) for each in table.not_nulls),
    )
    catalog = catalog.with_table(table)
    for child in children(catalog, table.name) if found.references else ():
        linked = tuple(replace(c, parent=new) if c.parent == old else c for c in child.constraints)
        catalog = catalog.with_table(replace(child, constraints=linked))
    inherited = found.kind in {ConstraintKind.CHECK, ConstraintKind.NOT_NULL} and not found.no_inherit
    for child in children(catalog, table.name) if inherited else ():
        catalog = rename_constraint(catalog, child.name, old, new)
    return catalog


def rename_index(catalog: Catalog, index: Name, new: str) -> Catalog:
    """The catalog in which an index, and the constraint it stands behind, has another name."""
    found = relation_of_index(catalog, index)
    if found is None:
        return catalog
    relation, old = found
    indexes = tuple(replace(i, name=new) if i is old else i for i in relation.indexes)
    if isinstance(relation, View):
        return with_relation(catalog, replace(relation, indexes=indexes))
    constraints = tuple(
        replace(c, name=new, index=new) if c.index == old.name else c for c in constraints_of(relation)
    )
    catalog = catalog.with_table(replace(relation, indexes=indexes, constraints=constraints))
    was, now = Name(old.name, relation.name.schema), Name(new, relation.name.schema)
    for child in children(catalog, relation.name):
        parts = tuple(replace(i, parent=now) if i.parent == was else i for i in child.indexes)
        if parts != child.indexes:
            catalog = catalog.with_table(replace(child, indexes=parts))
    return catalog


def _in_view(catalog: Catalog, name: Name, old: str, new: str) -> Catalog:
    view = catalog.view(name)
    if view is None:
        return catalog
    columns = _renaming(old, new)(view.columns)
    indexes = tuple(_index(index, old, new) for index in view.indexes)
    return catalog.with_view(replace(view, columns=columns, indexes=indexes))


def _column(column: Column, old: str, new: str) -> Column:
    generated_as = _text(column.generated_as, old, new) if column.generated_as else None
    return replace(column, name=new if column.name == old else column.name, generated_as=generated_as)


def _constraint(constraint: Constraint, old: str, new: str) -> Constraint:
    if old not in constraint.columns:
        return constraint
    head, references, tail = constraint.definition.partition(" REFERENCES ")
    definition = _text(head, old, new) + references + tail
    return replace(constraint, columns=_renaming(old, new)(constraint.columns), definition=definition)


def _index(index: Index, old: str, new: str) -> Index:
    if old not in index.columns:
        return index
    put = _renaming(old, new)
    where = _text(index.where, old, new) if index.where else None
    # PostgreSQL would write it anew; what is known no longer is its wording.
    return replace(index, columns=put(index.columns), keys=put(index.keys), where=where, definition="")


def _text(text: str, old: str, new: str) -> str:
    try:
        return replace_column(text, old, new)
    except SqlError:
        return text


def _renaming(old: str, new: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return lambda names: tuple(new if name == old else name for name in names)


def _renamed_constraint(found: Constraint, new: str) -> Callable[[Constraint], Constraint]:
    return lambda each: replace(each, name=new) if each is found else each


def _referring(table: Table, was: Name, name: Name) -> Table:
    constraints = tuple(replace(c, references=name) if c.references == was else c for c in table.constraints)
    referenced_by = tuple(name if other == was else other for other in table.referenced_by)
    return replace(table, constraints=constraints, referenced_by=referenced_by)


def _part_of(index: Index, table: Table, was: Name) -> bool:
    return any(Name(each.name, was.schema) == index.parent for each in table.indexes)
