"""Columns that come, go and change, on a table and below it."""

from collections.abc import Callable
from dataclasses import replace

from migsafe.catalog.constraints import add_constraint, drop_constraint, forget_reference
from migsafe.catalog.find import children, column_or_new, free_relation_name, known, with_column
from migsafe.catalog.model import UNKNOWN_TYPE, Catalog, Column, Sequence, Table, TypeKind
from migsafe.catalog.names import sequence_name
from migsafe.catalog.nullness import set_not_null
from migsafe.catalog.persistent import drop
from migsafe.sql.definitions import TypeName
from migsafe.sql.names import Name
from migsafe.sql.operations import ColumnDefinition, ConstraintKind, Expression, Generated

SEQUENCE_DEFAULT = "nextval(...)"


def stored(catalog: Catalog, definition: ColumnDefinition, inherited: Column | None) -> Column:
    """A column as stored. Without a type of its own (PARTITION OF) it keeps the inherited one."""
    default = default_text(catalog, definition.default, inherited.type if inherited else definition.type)
    if definition.is_serial:
        default = SEQUENCE_DEFAULT
    made = Column(
        name=definition.name,
        type=exact(catalog, definition.type),
        default=default,
        generated=definition.generated,
        generated_as=definition.generated_as.text if definition.generated_as else None,
        is_serial=definition.is_serial,
        collation=collation_name(definition.collation),
    )
    if inherited is None:
        return made
    return replace(
        inherited,
        default=default or inherited.default,
        generated=definition.generated or inherited.generated,
        generated_as=made.generated_as or inherited.generated_as,
        is_serial=definition.is_serial,
        local=inherited.local or definition.type != UNKNOWN_TYPE,
    )


def default_text(catalog: Catalog, default: Expression | None, of: TypeName) -> str | None:
    """A default as stored: DEFAULT NULL is none, but on a domain, which may have one of its own.

    A type with modifiers wraps it in a call, which is kept.
    """
    if default is None:
        return None
    plain = not of.modifiers and catalog.domain(of) is None
    return None if default.is_null_constant and plain else default.text


def collation_name(name: Name | None) -> str | None:
    """A collation as a column keeps it: without its schema."""
    return name.name if name else None


def exact(catalog: Catalog, written: TypeName) -> TypeName:
    """The type with its schema, where it is a user's type that is known."""
    if written.schema or written == UNKNOWN_TYPE:
        return written
    found = catalog.resolve_type(written)
    return replace(written, schema=found.schema) if found else written


def add_column(
    catalog: Catalog, name: Name, definition: ColumnDefinition, *, only: bool = False, assumed: bool = False
) -> Catalog:
    """The catalog with one more column, on the table and below it, with its sequence and constraints."""
    table = known(catalog, name)
    if table.column(definition.name):
        return catalog
    column = replace(stored(catalog, definition, None), assumed=assumed)
    catalog = _put_below(catalog, table, column, only=only)
    catalog = finish_column(catalog, table.name, definition)
    for constraint in definition.constraints:
        catalog = add_constraint(catalog, table.name, constraint)
    return catalog


def finish_column(catalog: Catalog, name: Name, definition: ColumnDefinition) -> Catalog:
    """The catalog with what a column's definition brings: NOT NULL and a sequence."""
    if definition.is_serial or definition.generated is Generated.IDENTITY:
        catalog = own_new_sequence(catalog, name, definition.name)
    named = any(c.kind.value == "not_null" for c in definition.constraints)
    if definition.not_null and not named:
        catalog = set_not_null(catalog, name, definition.name)
    return catalog


def own_new_sequence(catalog: Catalog, name: Name, column: str) -> Catalog:
    """The catalog with the sequence of a serial or identity column."""
    table = known(catalog, name)
    found = table.column(column)
    if found is None:
        return catalog
    free = free_relation_name(catalog, table.name.schema)
    made = Sequence(
        name=Name(sequence_name(table.name.name, column, free), table.name.schema),
        type=found.type if found.type.name in {"smallint", "integer"} else TypeName(name="bigint"),
        owner=(table.name, column),
        identity=found.generated is Generated.IDENTITY,
        temporary=table.temporary,
    )
    catalog = catalog.with_sequence(made)
    owning = replace(found, sequences=(*found.sequences, made.name))
    return catalog.with_table(with_column(table, owning))


def drop_column(catalog: Catalog, name: Name, column: str, *, only: bool = False) -> Catalog:
    """The catalog without a column, and without the constraints, indexes and sequences that need it."""
    table = catalog.table(name)
    found = table.column(column) if table else None
    if table is None or (found is None and table.columns_complete):
        return catalog
    for constraint in table.constraints:
        if column in constraint.columns and constraint.kind is not ConstraintKind.CHECK:
            catalog = drop_constraint(catalog, table.name, constraint.name)
    table = known(catalog, table.name)
    table = replace(
        table,
        columns=tuple(c for c in table.columns if c.name != column),
        # Not those of children: they go with the child's own column, or stay as they are.
        constraints=tuple(c for c in table.constraints if column not in c.columns),
        not_nulls=tuple(c for c in table.not_nulls if column not in c.columns),
        indexes=tuple(i for i in table.indexes if column not in i.columns),
        dependents=tuple(d for d in table.dependents if d.column != column),
    )
    catalog = catalog.with_table(table)
    for sequence in found.sequences if found else ():
        catalog = replace(catalog, sequences=drop(catalog.sequences, sequence))
    for child in children(catalog, table.name):
        own = child.column(column)
        if own is None or other_parent_has(catalog, child, table.name, column):
            continue
        if only or own.local:
            catalog = catalog.with_table(with_column(child, replace(own, local=True)))
        else:
            catalog = drop_column(catalog, child.name, column)
    return catalog


def change_column(
    catalog: Catalog,
    name: Name,
    column: str,
    change: Callable[[Column], Column],
    *,
    only: bool = False,
) -> Catalog:
    """The catalog in which a column is changed in this way, on the table and below it."""
    table = known(catalog, name)
    found = column_or_new(table, column)
    if found is None:
        return catalog
    catalog = catalog.with_table(with_column(table, change(found)))
    for child in children(catalog, table.name) if not only else ():
        catalog = change_column(catalog, child.name, column, change)
    return catalog


def other_parent_has(catalog: Catalog, child: Table, left: Name, column: str) -> bool:
    """Whether a child has a column from another parent too."""
    others = (catalog.tables.get(parent) for parent in child.parents if parent != left)
    return any(other is not None and other.column(column) is not None for other in others)


def composite_attributes(catalog: Catalog, name: Name) -> tuple[Column, ...]:
    """The columns of a table OF a composite type."""
    found = catalog.types.get(name)
    return found.attributes if found and found.kind is TypeKind.COMPOSITE else ()


def as_child(catalog: Catalog, column: Column, *, partition: bool) -> Column:
    """A parent's column as a child has it: an identity is a partition's too since PostgreSQL 17."""
    generated = column.generated
    if generated is Generated.IDENTITY and not (partition and shares_identity(catalog)):
        generated = None
    return replace(column, local=False, sequences=(), is_serial=False, generated=generated)


def shares_identity(catalog: Catalog) -> bool:
    """Whether partitions of this server have the identity of their parent; the newest kind if unknown."""
    return catalog.server_version is None or catalog.server_version >= 170000


def _put_below(catalog: Catalog, table: Table, column: Column, *, only: bool) -> Catalog:
    catalog = catalog.with_table(with_column(table, column))
    for child in children(catalog, table.name) if not only else ():
        if child.column(column.name) is None:
            inherited = as_child(catalog, column, partition=child.partition_of is not None)
            catalog = _put_below(catalog, child, inherited, only=False)
    return catalog


__all__ = [
    "SEQUENCE_DEFAULT",
    "add_column",
    "as_child",
    "change_column",
    "collation_name",
    "composite_attributes",
    "default_text",
    "drop_column",
    "exact",
    "finish_column",
    "forget_reference",
    "other_parent_has",
    "own_new_sequence",
    "shares_identity",
    "stored",
]
