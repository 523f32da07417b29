"""Looks things up in a catalog, or makes a start where nothing is known."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from migsafe.catalog.model import UNKNOWN_TYPE, Catalog, Column, Index, Table, View
from migsafe.sql.names import Name


def known(catalog: Catalog, name: Name) -> Table:
    """The table, or one of which only the name is known."""
    return catalog.table(name) or Table(name=catalog.resolve(name), columns_complete=False)


def children(catalog: Catalog, name: Name) -> tuple[Table, ...]:
    """The partitions of a table that are known, or the tables that inherit from it, without theirs."""
    return tuple(catalog.children(name))


def family(catalog: Catalog, name: Name) -> Iterator[Table]:
    """The table and all that are known below it, each once."""
    seen: dict[Name, None] = {}
    waiting = [catalog.resolve(name)]
    while waiting:
        here = waiting.pop()
        table = catalog.tables.get(here)
        if here in seen or table is None:
            continue
        seen[here] = None
        yield table
        waiting.extend(child.name for child in catalog.children(here))


def relation_of_index(catalog: Catalog, index: Name) -> tuple[Table | View, Index] | None:
    """The table or materialized view that an index belongs to: an index lives in the schema of its table."""
    name = catalog.resolve(index)
    owner = catalog.lookup.index_owner.get(name)
    relation = (catalog.tables.get(owner) or catalog.views.get(owner)) if owner else None
    for candidate in relation.indexes if relation else ():
        if relation and candidate.name == name.name:
            return relation, candidate
    return None


def table_of_index(catalog: Catalog, index: Name) -> tuple[Table, Index] | None:
    """The table an index belongs to; None for the index of a materialized view too."""
    found = relation_of_index(catalog, index)
    return (found[0], found[1]) if found and isinstance(found[0], Table) else None


def with_relation(catalog: Catalog, relation: Table | View) -> Catalog:
    """The catalog in which this table or view is as given."""
    return catalog.with_table(relation) if isinstance(relation, Table) else catalog.with_view(relation)


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


def free_relation_name(catalog: Catalog, schema: str | None) -> Callable[[str], bool]:
    """Tells whether a new relation of this schema may have a name."""
    return lambda name: not catalog.has_relation(Name(name, schema))


def free_constraint_name(catalog: Catalog, schema: str | None) -> Callable[[str], bool]:
    """Tells whether PostgreSQL may make up this name for a constraint of this schema."""
    names = catalog.lookup.constraint_names
    return lambda name: Name(name, schema) not in names


def free_key_name(catalog: Catalog, schema: str | None) -> Callable[[str], bool]:
    """The same for a constraint with an index, whose name must be free for both."""
    relation, constraint = free_relation_name(catalog, schema), free_constraint_name(catalog, schema)
    return lambda name: relation(name) and constraint(name)
