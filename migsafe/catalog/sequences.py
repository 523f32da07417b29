"""Sequences, and the columns that own them."""

import re
from dataclasses import replace

from migsafe.catalog.find import with_column
from migsafe.catalog.functions import defaults_call
from migsafe.catalog.model import TEMPORARY_SCHEMA, Catalog, Column, Sequence
from migsafe.catalog.persistent import drop, put
from migsafe.sql.changes import ChangeSequence
from migsafe.sql.definitions import Generated
from migsafe.sql.names import Name


def change_sequence(catalog: Catalog, change: ChangeSequence) -> Catalog:
    """CREATE SEQUENCE or ALTER SEQUENCE."""
    if change.created:
        schema = TEMPORARY_SCHEMA if change.temporary else change.name.schema or catalog.creation_schema
        name = Name(change.name.name, schema)
        if change.if_not_exists and catalog.has_relation(name):
            return catalog
        assumed = change.if_not_exists and not catalog.complete
        found = Sequence(name=name, temporary=schema == TEMPORARY_SCHEMA, assumed=assumed)
    else:
        known = catalog.sequence(change.name)
        if known is None:
            return catalog
        found = known
    found = replace(found, type=change.type or found.type)
    catalog = catalog.with_sequence(found)
    if change.unowned:
        return _own(catalog, found, None)
    if change.owner:
        return _own(catalog, found, (catalog.resolve(change.owner[0]), change.owner[1]))
    return catalog


def users_of_sequence(catalog: Catalog, sequence: Sequence) -> tuple[Name, ...]:
    """The tables with a default that counts with this sequence."""
    return tuple(
        table.name
        for table in catalog.tables.values()
        if any(column.default and _counts_with(column, sequence) for column in table.columns)
    )


def drop_sequence(catalog: Catalog, name: Name, *, cascade: bool) -> Catalog:
    """The catalog without a sequence; CASCADE takes the defaults along that count with it."""
    found = catalog.sequence(name)
    if found is None:
        return catalog
    catalog = _own(catalog, found, None)
    catalog = replace(catalog, sequences=drop(catalog.sequences, found.name))
    for table in list(catalog.tables.values()) if cascade else ():
        for column in table.columns:
            if column.default and _counts_with(column, found):
                now = catalog.tables[table.name]
                gone = replace(column, default=None, is_serial=False, sequences=())
                catalog = catalog.with_table(with_column(now, gone))
    return catalog


def move_sequence(catalog: Catalog, was: Name, name: Name) -> Catalog:
    """The catalog in which a sequence has another name, also for the column that owns it."""
    found = catalog.sequences.get(was)
    if found is None:
        return catalog
    moved = replace(found, name=name)
    catalog = replace(catalog, sequences=put(drop(catalog.sequences, was), name, moved))
    for table in list(catalog.tables.values()) if was.name != name.name else ():
        columns = tuple(_counting_with(column, found, name.name) for column in table.columns)
        if columns != table.columns:
            catalog = catalog.with_table(replace(table, columns=columns))
    owner = catalog.tables.get(found.owner[0]) if found.owner else None
    column = owner.column(found.owner[1]) if owner and found.owner else None
    if owner is None or column is None:
        return catalog
    names = tuple(name if each == was else each for each in column.sequences)
    return catalog.with_table(with_column(owner, replace(column, sequences=names)))


def move_owner(catalog: Catalog, column: Column, owner: tuple[Name, str], schema: str | None) -> Catalog:
    """The catalog in which a column's sequences know its new name, and follow its table's schema."""
    for name in column.sequences:
        found = catalog.sequences.get(name)
        if found is None:
            continue
        new = Name(name.name, schema)
        sequences = put(drop(catalog.sequences, name), new, replace(found, name=new, owner=owner))
        catalog = replace(catalog, sequences=sequences)
    return catalog


def with_serial(column: Column) -> Column:
    """The column, which is serial if it has a default and owns a sequence that is no identity."""
    owns = bool(column.sequences) and column.generated is not Generated.IDENTITY
    return replace(column, is_serial=owns and column.default is not None)


def _own(catalog: Catalog, found: Sequence, owner: tuple[Name, str] | None) -> Catalog:
    """The catalog in which the sequence belongs to another column, or to none."""
    if found.owner and (table := catalog.tables.get(found.owner[0])):
        column = table.column(found.owner[1])
        if column:
            left = tuple(each for each in column.sequences if each != found.name)
            table = with_column(table, with_serial(replace(column, sequences=left)))
            catalog = catalog.with_table(table)
    if owner and (table := catalog.tables.get(owner[0])):
        column = table.column(owner[1])
        if column:
            owned = (*(each for each in column.sequences if each != found.name), found.name)
            table = with_column(table, with_serial(replace(column, sequences=owned)))
            catalog = catalog.with_table(table)
    sequence = replace(found, owner=owner)
    return replace(catalog, sequences=put(catalog.sequences, found.name, sequence))


def _counting_with(column: Column, sequence: Sequence, name: str) -> Column:
    default = column.default or ""
    if sequence.name.name not in default or not _counts_with(column, sequence):
        return column
    return replace(column, default=default.replace(sequence.name.name, name))


def _counts_with(column: Column, sequence: Sequence) -> bool:
    default = column.default or ""
    if sequence.name in column.sequences:
        return True
    if sequence.name.name not in default or "nextval" not in defaults_call(default):
        return False
    return re.search(rf"(?<!\w){re.escape(sequence.name.name)}(?!\w)", default) is not None
