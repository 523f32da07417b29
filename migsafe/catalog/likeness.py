"""CREATE TABLE ... (LIKE other INCLUDING ...).

https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-PARMS-LIKE
"""

from dataclasses import replace

from migsafe.catalog.columns import own_new_sequence
from migsafe.catalog.constraints import put_constraint
from migsafe.catalog.find import free_key_name, free_relation_name, known, with_column
from migsafe.catalog.keys import cloned_names
from migsafe.catalog.model import Catalog, Index, Table
from migsafe.catalog.names import index_name, made_up_name
from migsafe.catalog.nullness import set_not_null
from migsafe.sql.definitions import ConstraintKind, Generated
from migsafe.sql.names import Name


def copy_like(catalog: Catalog, name: Name, like: Name, options: frozenset[str]) -> Catalog:
    """The catalog in which a new table has what LIKE takes over from another."""
    source = catalog.table(like)
    table = known(catalog, name)
    if source is None or not source.columns_complete:
        catalog = catalog.with_table(replace(table, columns_complete=False))
    if source is None:
        return catalog
    identities: list[str] = []
    for column in source.columns:
        identity = column.generated is Generated.IDENTITY
        generated = column.generated if identity and "identity" in options else None
        if column.generated and not identity and "generated" in options:
            generated = column.generated
        if generated is Generated.IDENTITY:
            identities.append(column.name)
        copied = replace(
            column,
            default=column.default if "defaults" in options else None,
            generated=generated,
            generated_as=column.generated_as if generated else None,
            is_serial=False,
            sequences=(),
            # The copied default goes away when CASCADE drops the sequence: that is not followed.
            assumed=column.assumed or (column.is_serial and "defaults" in options),
            local=True,
            not_null=False,
        )
        catalog = catalog.with_table(with_column(known(catalog, name), copied))
    for column in source.columns:
        if column.not_null:
            named = next((c.name for c in source.not_nulls if column.name in c.columns), None)
            catalog = set_not_null(catalog, name, column.name, constraint=named)
    for column_name in identities:
        catalog = own_new_sequence(catalog, name, column_name)
    for constraint in source.constraints if "constraints" in options else ():
        if constraint.kind is ConstraintKind.CHECK:
            copy = replace(constraint, inherited=False, validated=constraint.enforced)
            catalog = put_constraint(catalog, known(catalog, name), copy)
    return catalog


def copy_indexes(catalog: Catalog, name: Name, like: Name, options: frozenset[str]) -> Catalog:
    """The catalog with the indexes and keys that LIKE takes over; their names are made up anew."""
    source = catalog.table(like)
    for index in source.indexes if source and "indexes" in options else ():
        if source:
            catalog = _copy(catalog, known(catalog, name), source, index)
    return catalog


def _copy(catalog: Catalog, table: Table, source: Table, index: Index) -> Catalog:
    schema = table.name.schema
    key = next((c for c in source.constraints if c.index == index.name), None)
    if key:
        made = made_up_name(table.name.name, key.kind, index.keys, free_key_name(catalog, schema))
        copy = replace(key, name=made, index=made, inherited=False)
        table = replace(table, constraints=(*table.constraints, copy))
    else:
        made = index_name(table.name.name, cloned_names(index), free_relation_name(catalog, schema))
    mine = replace(index, name=made, parent=None, definition="", assumed=False)
    return catalog.with_table(replace(table, indexes=(*table.indexes, mine)))
