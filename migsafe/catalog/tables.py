"""Tables and columns that come and go."""

from dataclasses import replace

from migsafe.catalog.constraints import add_constraint, forget_reference
from migsafe.catalog.find import UNKNOWN_TYPE, children, known, with_column
from migsafe.catalog.model import Catalog, Column, Constraint, Table, qualified
from migsafe.sql.names import Name
from migsafe.sql.operations import ColumnDefinition, ConstraintKind, CreateTable

_SEQUENCE_DEFAULT = "nextval(...)"


def create_table(catalog: Catalog, operation: CreateTable, *, script: str | None) -> Catalog:
    """The catalog with a new table; unchanged when IF NOT EXISTS finds it there."""
    if operation.if_not_exists and catalog.table(operation.table):
        return catalog
    sources = tuple(
        name for name in (operation.partition_of, *operation.inherits, *operation.like) if name is not None
    )
    inherited = tuple(catalog.table(name) for name in sources)
    table = Table(
        name=qualified(operation.table),
        temporary=operation.temporary,
        partitioned=operation.partitioned,
        partition_of=qualified(operation.partition_of) if operation.partition_of else None,
        default_partition=operation.default_partition,
        created_in=script,
        columns_complete=not operation.as_query
        and all(source is not None and source.columns_complete for source in inherited),
    )
    for source in inherited:
        copied = source is not None and source.name in {qualified(name) for name in operation.like}
        for column in source.columns if source else ():
            # Sequences stay with the column that owns them, and LIKE copies no defaults.
            column_here = replace(column, is_serial=False)
            if copied:
                column_here = replace(column_here, default=None, generated=None)
            table = with_column(table, column_here)
    for above in (operation.partition_of, *operation.inherits):
        if above and (parent := catalog.table(above)):
            table = replace(table, constraints=(*table.constraints, *_checks(parent)))
    for definition in operation.columns:
        table = with_column(table, _column(definition, table.column(definition.name)))
    catalog = catalog.with_table(table)
    constraints = (
        *(constraint for column in operation.columns for constraint in column.constraints),
        *operation.constraints,
    )
    for constraint in constraints:
        catalog = add_constraint(catalog, table.name, constraint, created=True)
    return catalog


def drop_table(catalog: Catalog, name: Name) -> Catalog:
    """The catalog without a table and its partitions; who referred to it or was referred to forgets it."""
    table = catalog.table(name)
    if table is None:
        return catalog
    for child in children(catalog, name) if table.partitioned else ():
        catalog = drop_table(catalog, child.name)
    for referrer in table.referenced_by:
        if other := catalog.table(referrer):
            kept = tuple(
                c for c in other.constraints if not c.references or qualified(c.references) != table.name
            )
            catalog = catalog.with_table(replace(other, constraints=kept))
    for constraint in table.constraints:
        catalog = forget_reference(catalog, constraint.references, replace(table, constraints=()))
    return catalog.without_table(name)


def add_column(catalog: Catalog, name: Name, definition: ColumnDefinition) -> Catalog:
    """The catalog with one more column, on the table and on its partitions."""
    table = known(catalog, name)
    if table.column(definition.name):
        return catalog
    catalog = catalog.with_table(with_column(table, _column(definition, None)))
    for constraint in definition.constraints:
        catalog = add_constraint(catalog, name, constraint)
    for child in children(catalog, name) if table.partitioned else ():
        catalog = add_column(catalog, child.name, replace(definition, constraints=()))
    return catalog


def drop_column(catalog: Catalog, name: Name, column: str) -> Catalog:
    """The catalog without a column, and without the constraints and indexes that use it."""
    table = catalog.table(name)
    if table is None:
        return catalog
    gone = tuple(c for c in table.constraints if column in c.columns)
    table = replace(
        table,
        columns=tuple(c for c in table.columns if c.name != column),
        constraints=tuple(c for c in table.constraints if c not in gone),
        indexes=tuple(i for i in table.indexes if column not in i.columns),
        dependents=tuple(d for d in table.dependents if d.column != column),
    )
    catalog = catalog.with_table(table)
    for constraint in gone:
        catalog = forget_reference(catalog, constraint.references, table)
    for child in children(catalog, name) if table.partitioned else ():
        catalog = drop_column(catalog, child.name, column)
    return catalog


def _column(definition: ColumnDefinition, inherited: Column | None) -> Column:
    """A column as stored. Without a type of its own (PARTITION OF) it keeps the inherited one."""
    default = definition.default.text if definition.default else None
    if definition.is_serial:
        default = _SEQUENCE_DEFAULT
    if inherited is not None and definition.type == UNKNOWN_TYPE:
        not_null = inherited.not_null or definition.not_null
        return replace(inherited, default=default or inherited.default, not_null=not_null)
    return Column(
        name=definition.name,
        type=definition.type,
        not_null=definition.not_null or (inherited is not None and inherited.not_null),
        default=default,
        generated=definition.generated,
        is_serial=definition.is_serial,
        collation=str(definition.collation) if definition.collation else None,
    )


def _checks(parent: Table) -> tuple[Constraint, ...]:
    """What a partition or child takes over from its parent by the same name."""
    return tuple(c for c in parent.constraints if c.kind is ConstraintKind.CHECK)
