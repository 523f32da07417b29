"""Partitions and children: what they take over from their parent, and what stays when they leave.

https://www.postgresql.org/docs/current/ddl-inherit.html and ddl-partitioning.html
"""

from dataclasses import replace

from migsafe.catalog.circles import leads_to
from migsafe.catalog.columns import other_parent_has, shares_identity
from migsafe.catalog.constraints import put_constraint, put_part
from migsafe.catalog.find import known, with_column
from migsafe.catalog.keys import index_below
from migsafe.catalog.model import Catalog, Column, Constraint, Table
from migsafe.catalog.nullness import demanded, not_null_constraint, set_not_null
from migsafe.sql.definitions import ConstraintKind, Generated
from migsafe.sql.names import Name


def take_over(catalog: Catalog, parent: Name, child: Name, *, created: bool = False) -> Catalog:
    """The catalog in which a child has its parent's NOT NULLs, checks, keys, indexes and triggers.

    A child that is `created` with them has no rows yet: what is NOT VALID above is valid there.
    """
    above = catalog.tables.get(parent)
    if above is None or child not in catalog.tables:
        return catalog
    for column in above.columns:
        named = not_null_constraint(above, column.name)
        if (column.not_null or named) and not (named and named.no_inherit):
            catalog = set_not_null(
                catalog,
                child,
                column.name,
                constraint=named.name if named else None,
                validated=created or named is None or named.validated,
                inherited=True,
            )
    for constraint in above.constraints:
        new = created and constraint.references is None
        taken = replace(constraint, validated=constraint.enforced) if new else constraint
        catalog = _take_constraint(catalog, above, child, taken)
    if above.partitioned:
        for index in above.indexes:
            catalog = index_below(catalog, parent, index, child)
        below = catalog.tables[child]
        names = {trigger.name for trigger in below.triggers}
        copies = tuple(t for t in above.triggers if t.row and t.name not in names)
        catalog = catalog.with_table(replace(below, triggers=(*below.triggers, *copies)))
    return catalog


def attach(catalog: Catalog, parent: Name, child: Name, *, bound: str | None, default: bool) -> Catalog:
    """ATTACH PARTITION: what the partition has alike becomes the parent's, what it lacks is made."""
    below = known(catalog, child)
    above = known(catalog, parent)
    if _is_below(catalog, above.name, below.name):  # the server refuses a circle
        return catalog
    if not above.partitioned:
        above = replace(above, partitioned=True)
        catalog = catalog.with_table(above)
    table = replace(
        below,
        partition_of=above.name,
        default_partition=default,
        partition_bound=bound,
        columns=tuple(_as_partition(catalog, above, column) for column in below.columns),
        constraints=tuple(replace(c, inherited=_has_check(above, c)) for c in below.constraints),
        not_nulls=tuple(
            replace(c, inherited=not_null_constraint(above, c.columns[0]) is not None)
            for c in below.not_nulls
        ),
    )
    catalog = catalog.with_table(table)
    return take_over(catalog, above.name, table.name)


def _is_below(catalog: Catalog, name: Name, top: Name) -> bool:
    """Whether a table is, or stands below, another. Of a parent nothing but its name may be known."""

    def parents(here: Name) -> tuple[Name, ...]:
        table = catalog.tables.get(here)
        return table.parents if table else ()

    return leads_to(name, top, parents)


def _as_partition(catalog: Catalog, above: Table, column: Column) -> Column:
    """A partition's columns are its parent's; since PostgreSQL 17 an identity is too."""
    parent = above.column(column.name)
    identity = parent is not None and parent.generated is Generated.IDENTITY and shares_identity(catalog)
    return replace(column, local=False, generated=Generated.IDENTITY if identity else column.generated)


def detach(catalog: Catalog, child: Name, *, concurrently: bool = False) -> Catalog:
    """DETACH PARTITION: all that the partition has stays, as its own. CONCURRENTLY ends complete too."""
    table = known(catalog, child)
    parent = catalog.tables.get(table.partition_of) if table.partition_of else None
    del concurrently  # it leaves a copy of the partition constraint, see replay
    gone = {(t.name, t.function) for t in parent.triggers if t.row} if parent else set()
    table = replace(
        table,
        partition_of=None,
        default_partition=False,
        partition_bound=None,
        detaching=False,
        columns=tuple(
            replace(
                c,
                local=True,
                generated=None if c.generated is Generated.IDENTITY and not c.sequences else c.generated,
            )
            for c in table.columns
        ),
        constraints=tuple(replace(c, inherited=False, parent=None) for c in table.constraints),
        not_nulls=tuple(replace(c, inherited=False) for c in table.not_nulls),
        indexes=tuple(replace(i, parent=None) for i in table.indexes),
        triggers=tuple(t for t in table.triggers if (t.name, t.function) not in gone),
    )
    return catalog.with_table(table)


def inherit(catalog: Catalog, child: Name, parent: Name) -> Catalog:
    """ALTER TABLE ... INHERIT: the columns and checks that both have are now the parent's too."""
    below, above = known(catalog, child), known(catalog, parent)
    if above.name in below.inherits or _is_below(catalog, above.name, below.name):
        return catalog
    catalog = catalog.with_table(replace(below, inherits=(*below.inherits, above.name)))
    return take_over(catalog, above.name, below.name) if above.columns else catalog


def disinherit(catalog: Catalog, child: Name, parent: Name) -> Catalog:
    """ALTER TABLE ... NO INHERIT: what came from this parent alone becomes the child's own."""
    table = known(catalog, child)
    left = catalog.resolve(parent)
    catalog = catalog.with_table(replace(table, inherits=tuple(p for p in table.inherits if p != left)))
    above, table = catalog.tables.get(left), known(catalog, child)
    for column in table.columns:
        shared = above is not None and above.column(column.name) is not None
        if shared and not column.local and not other_parent_has(catalog, table, left, column.name):
            table = with_column(table, replace(column, local=True))
    names = {c.name for c in above.constraints} if above else set()
    constraints = tuple(replace(c, inherited=False) if c.name in names else c for c in table.constraints)
    not_nulls = tuple(
        replace(c, inherited=c.inherited and demanded(catalog, table, c.columns[0])) for c in table.not_nulls
    )
    return catalog.with_table(replace(table, constraints=constraints, not_nulls=not_nulls))


def _has_check(above: Table, constraint: Constraint) -> bool:
    if constraint.kind is not ConstraintKind.CHECK:
        return constraint.inherited
    return any(c.name == constraint.name and not c.no_inherit for c in above.constraints)


def _take_constraint(catalog: Catalog, above: Table, child: Name, constraint: Constraint) -> Catalog:
    table = catalog.tables[child]
    if constraint.kind is ConstraintKind.CHECK and not constraint.no_inherit:
        return put_constraint(catalog, table, replace(constraint, inherited=True))
    if constraint.references is None or not above.partitioned:
        return catalog
    return put_part(catalog, table, constraint)
