"""Renames: the thing itself, and everybody who names it."""

from collections.abc import Callable
from dataclasses import replace

from migsafe.catalog.find import children, known, table_of_index
from migsafe.catalog.model import Catalog, Table, qualified
from migsafe.sql.names import Name


def move_table(catalog: Catalog, old: Name, new: Name) -> Catalog:
    """The catalog in which a table has another name or schema."""
    table = catalog.table(old)
    if table is None:
        return catalog
    was, name = table.name, qualified(new)
    catalog = catalog.without_table(was).with_table(_referring(replace(table, name=name), was, name))
    for referrer in table.referenced_by:
        if other := catalog.table(referrer):
            catalog = catalog.with_table(_referring(other, was, name))
    for constraint in table.constraints:
        if constraint.references and (target := catalog.table(constraint.references)):
            names = tuple(name if other == was else other for other in target.referenced_by)
            catalog = catalog.with_table(replace(target, referenced_by=names))
    for child in children(catalog, was) if table.partitioned else ():
        catalog = catalog.with_table(replace(child, partition_of=name))
    return catalog


def rename_column(catalog: Catalog, name: Name, old: str, new: str) -> Catalog:
    """The catalog in which a column has another name, in its table, its partitions and foreign keys."""
    table = catalog.table(name)
    if table is None:
        return catalog
    put = _renaming(old, new)
    table = replace(
        table,
        columns=tuple(replace(c, name=new) if c.name == old else c for c in table.columns),
        constraints=tuple(replace(c, columns=put(c.columns)) for c in table.constraints),
        indexes=tuple(replace(i, columns=put(i.columns)) for i in table.indexes),
        dependents=tuple(replace(d, column=new) if d.column == old else d for d in table.dependents),
    )
    catalog = catalog.with_table(table)
    for referrer in table.referenced_by:
        other = known(catalog, referrer)
        constraints = tuple(
            replace(c, referenced_columns=put(c.referenced_columns)) if c.references == table.name else c
            for c in other.constraints
        )
        catalog = catalog.with_table(replace(other, constraints=constraints))
    for child in children(catalog, name) if table.partitioned else ():
        catalog = rename_column(catalog, child.name, old, new)
    return catalog


def rename_constraint(table: Table, old: str, new: str) -> Table:
    """The table in which a constraint, and the index behind it, has another name."""
    constraints = tuple(
        replace(c, name=new, index=new if c.index == old else c.index) if c.name == old else c
        for c in table.constraints
    )
    behind = {c.index for c in constraints}
    indexes = tuple(replace(i, name=new) if i.name == old and new in behind else i for i in table.indexes)
    return replace(table, constraints=constraints, indexes=indexes)


def rename_index(catalog: Catalog, index: Name, new: str) -> Catalog:
    """The catalog in which an index, and the constraint it stands behind, has another name."""
    found = table_of_index(catalog, index)
    if found is None:
        return catalog
    table, old = found
    return catalog.with_table(
        replace(
            table,
            indexes=tuple(replace(i, name=new) if i is old else i for i in table.indexes),
            constraints=tuple(
                replace(c, name=new, index=new) if c.index == old.name else c for c in table.constraints
            ),
        )
    )


def _renaming(old: str, new: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    return lambda names: tuple(new if name == old else name for name in names)


def _referring(table: Table, was: Name, name: Name) -> Table:
    constraints = tuple(replace(c, references=name) if c.references == was else c for c in table.constraints)
    referenced_by = tuple(name if other == was else other for other in table.referenced_by)
    return replace(table, constraints=constraints, referenced_by=referenced_by)
