"""Looks things up in a catalog, or makes a start where nothing is known."""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.model import Catalog, Column, Index, Table, qualified
from migsafe.sql.names import Name
from migsafe.sql.operations import TypeName

UNKNOWN_TYPE = TypeName(name="")


def known(catalog: Catalog, name: Name) -> Table:
    """The table, or one of which only the name is known."""
    return catalog.table(name) or Table(name=qualified(name), columns_complete=False)


def children(catalog: Catalog, name: Name) -> tuple[Table, ...]:
    """The partitions of a table that are known, without theirs."""
    parent = qualified(name)
    return tuple(table for table in catalog.tables.values() if table.partition_of == parent)


def table_of_index(catalog: Catalog, index: Name) -> tuple[Table, Index] | None:
    """The table an index belongs to: an index lives in the schema of its table."""
    schema = qualified(index).schema
    for table in catalog.tables.values():
        if table.name.schema != schema:
            continue
        for candidate in table.indexes:
            if candidate.name == index.name:
                return table, candidate
    return None


def with_column(table: Table, column: Column) -> Table:
    """The table with this column in place of the one of the same name, or behind all others."""
    if table.column(column.name) is None:
        return replace(table, columns=(*table.columns, column))
    columns = tuple(column if old.name == column.name else old for old in table.columns)
    return replace(table, columns=columns)


def column_or_new(table: Table, name: str) -> Column | None:
    """The column; one of unknown type when the table's columns are not all known; otherwise None."""
    column = table.column(name)
    return column or (None if table.columns_complete else Column(name=name, type=UNKNOWN_TYPE))


def taken_names(table: Table) -> Iterator[str]:
    """Names that a new constraint or index of this table cannot have."""
    yield from (constraint.name for constraint in table.constraints)
    yield from (index.name for index in table.indexes)
