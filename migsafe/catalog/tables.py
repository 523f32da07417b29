"""Tables that come and go."""

from dataclasses import replace

from migsafe.catalog.columns import as_child, composite_attributes, finish_column, stored
from migsafe.catalog.constraints import add_constraint, drop_constraint, forget_reference
from migsafe.catalog.find import children, with_column
from migsafe.catalog.inheritance import take_over
from migsafe.catalog.likeness import copy_indexes, copy_like
from migsafe.catalog.model import TEMPORARY_SCHEMA, Catalog, Table
from migsafe.catalog.persistent import drop
from migsafe.catalog.views import drop_readers
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind, CreateTable, TypeName


def new_name(catalog: Catalog, name: Name, *, temporary: bool) -> Name:
    """Where a new relation goes."""
    if temporary:
        return Name(name.name, TEMPORARY_SCHEMA)
    return name if name.schema else Name(name.name, catalog.creation_schema)


def create_table(catalog: Catalog, operation: CreateTable, *, script: str | None) -> Catalog:
    """The catalog with a new table; unchanged when IF NOT EXISTS finds it there."""
    name = new_name(catalog, operation.table, temporary=operation.temporary)
    if operation.if_not_exists and catalog.has_relation(name):
        return catalog
    above = (operation.partition_of,) if operation.partition_of else operation.inherits
    parents = tuple(catalog.resolve(each) for each in above)
    sources = tuple(catalog.tables.get(each) for each in parents)
    table = Table(
        name=name,
        temporary=operation.temporary or name.schema == TEMPORARY_SCHEMA,
        partitioned=operation.partitioned,
        partition_of=parents[0] if operation.partition_of else None,
        default_partition=operation.default_partition,
        inherits=() if operation.partition_of else parents,
        created_in=script,
        created_by=catalog.transaction,
        columns_complete=not operation.as_query
        and all(source is not None and source.columns_complete for source in sources),
        assumed=operation.if_not_exists and not catalog.complete,
        of_type=catalog.resolve_type(_as_type(operation.of_type)) if operation.of_type else None,
        partition_key=operation.partition_key,
        partition_bound=operation.partition_bound,
        unlogged=operation.unlogged,
        drops_on_commit=operation.drops_on_commit,
    )
    for column in composite_attributes(catalog, table.of_type) if table.of_type else ():
        table = with_column(table, column)
    if operation.of_type and not table.columns:
        table = replace(table, columns_complete=False)
    for source in sources:
        for column in source.columns if source else ():
            here = table.column(column.name)
            inherited = as_child(catalog, column, partition=bool(operation.partition_of))
            inherited = replace(inherited, not_null=False)
            table = with_column(table, here or inherited)
    options = (*operation.like_options, *(frozenset[str]() for _ in operation.like))
    # Looked up before the new table can be found under the same name.
    likes = tuple(zip((catalog.resolve(each) for each in operation.like), options, strict=False))
    catalog = catalog.with_table(table)
    for like, taken in likes:
        catalog = copy_like(catalog, name, like, taken)
    table = catalog.tables[name]
    for definition in operation.columns:
        table = with_column(table, stored(catalog, definition, table.column(definition.name)))
    catalog = catalog.with_table(table)
    for definition in operation.columns:
        catalog = finish_column(catalog, name, definition)
    catalog = _own_constraints(catalog, name, operation)
    for like, taken in likes:
        catalog = copy_indexes(catalog, name, like, taken)
    for source in sources:
        catalog = take_over(catalog, source.name, name, created=True) if source else catalog
    return catalog


def _as_type(name: Name) -> TypeName:
    return TypeName(name=name.name, schema=name.schema)


def _own_constraints(catalog: Catalog, name: Name, operation: CreateTable) -> Catalog:
    """Checks come first, then keys, then foreign keys: so PostgreSQL makes up their names."""
    found = (
        *(constraint for column in operation.columns for constraint in column.constraints),
        *operation.constraints,
    )
    late = {ConstraintKind.FOREIGN_KEY: 3, ConstraintKind.UNIQUE: 2, ConstraintKind.EXCLUDE: 2}
    order = late | {ConstraintKind.PRIMARY_KEY: 1}
    for constraint in sorted(found, key=lambda each: order.get(each.kind, 0)):
        catalog = add_constraint(catalog, name, constraint, created=True)
    return catalog


def _drop_keys_above(catalog: Catalog, table: Table) -> Catalog:
    """With a partition go the foreign keys to the tables above it, which need its part of their keys."""
    above = catalog.tables.get(table.partition_of) if table.partition_of else None
    while above is not None and above.name in catalog.tables:
        for referrer in above.referenced_by:
            other = catalog.tables.get(referrer)
            for constraint in other.constraints if other else ():
                if constraint.references == above.name:
                    catalog = drop_constraint(catalog, referrer, constraint.name)
        above = catalog.tables.get(above.partition_of) if above.partition_of else None
    return catalog


def drop_table(catalog: Catalog, name: Name, *, cascade: bool = True) -> Catalog:
    """The catalog without a table and all below it; who referred to it or was referred to forgets it."""
    table = catalog.table(name)
    if table is None:
        return catalog
    for child in children(catalog, table.name) if cascade or table.partitioned else ():
        catalog = drop_table(catalog, child.name, cascade=cascade)
    if cascade:
        catalog = drop_readers(catalog, table.name)
    for referrer in table.referenced_by:
        other = catalog.tables.get(referrer)
        for constraint in other.constraints if other else ():
            if constraint.references == table.name and referrer != table.name:
                catalog = drop_constraint(catalog, referrer, constraint.name)
    if cascade:
        catalog = _drop_keys_above(catalog, table)
    for constraint in table.constraints:
        catalog = forget_reference(catalog, constraint.references, replace(table, constraints=()))
    for column in table.columns:
        for sequence in column.sequences:
            catalog = replace(catalog, sequences=drop(catalog.sequences, sequence))
    return catalog.without_table(table.name)
