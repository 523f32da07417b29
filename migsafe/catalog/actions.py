"""The actions of ALTER TABLE that have no operation of their own and still change the schema."""

from dataclasses import replace

from migsafe.catalog.columns import change_column, own_new_sequence
from migsafe.catalog.find import known
from migsafe.catalog.inheritance import disinherit, inherit
from migsafe.catalog.model import Catalog, Column, Table
from migsafe.catalog.nullness import set_not_null
from migsafe.catalog.persistent import drop
from migsafe.sql.definitions import ConstraintKind, Generated
from migsafe.sql.names import parse_name
from migsafe.sql.operations import OtherTableAction


def apply_action(catalog: Catalog, operation: OtherTableAction) -> Catalog:
    """The catalog after one such action; most of them change nothing that it holds."""
    if operation.column is not None:
        return _of_column(catalog, operation, operation.column)
    table = known(catalog, operation.table)
    match operation.action:
        case "INHERIT" if parent := parse_name(operation.detail):
            return inherit(catalog, table.name, catalog.resolve(parent))
        case "NO INHERIT" if parent := parse_name(operation.detail):
            return disinherit(catalog, table.name, parent)
        case "ALTER CONSTRAINT":
            return _alter_constraint(catalog, table, operation.detail)
        case "OF" if made := parse_name(operation.detail):
            return catalog.with_table(replace(table, of_type=catalog.resolve(made)))
        case "NOT OF":
            return catalog.with_table(replace(table, of_type=None))
        case action if (changed := _simple(table, action, operation.detail)) is not None:
            # What is not known yet need not become known by this.
            return catalog.with_table(changed) if catalog.table(operation.table) else catalog
        case _:
            return catalog


def _simple(table: Table, action: str, detail: str) -> Table | None:
    match action:
        case "ENABLE ROW LEVEL SECURITY":
            return replace(table, row_security=True)
        case "DISABLE ROW LEVEL SECURITY":
            return replace(table, row_security=False)
        case "SET LOGGED":
            return replace(table, unlogged=False)
        case "SET UNLOGGED":
            return replace(table, unlogged=True)
        case "SET ACCESS METHOD":
            return replace(table, access_method=None if detail == "default" else detail)
        case "SET TABLESPACE":
            return replace(table, tablespace=None if detail == "pg_default" else detail)
        case "DISABLE TRIGGER" | "ENABLE TRIGGER" | "ENABLE ALWAYS TRIGGER" | "ENABLE REPLICA TRIGGER":
            enabled = action.startswith("ENABLE")
            every = detail in {"all", "user"}
            triggers = tuple(
                replace(t, enabled=enabled) if every or t.name == detail else t for t in table.triggers
            )
            return replace(table, triggers=triggers)
        case _:
            return None


def _of_column(catalog: Catalog, operation: OtherTableAction, column: str) -> Catalog:
    table = operation.table
    match operation.action:
        case "ALTER COLUMN ADD GENERATED AS IDENTITY":
            catalog = change_column(
                catalog,
                table,
                column,
                lambda old: replace(old, generated=Generated.IDENTITY, default=None, is_serial=False),
                only=operation.only,
            )
            return own_new_sequence(catalog, known(catalog, table).name, column)
        case "ALTER COLUMN DROP IDENTITY":
            return _drop_identity(catalog, operation, column)
        case "ALTER COLUMN DROP EXPRESSION":
            return change_column(catalog, table, column, _plain, only=operation.only)
        case "ALTER COLUMN SET EXPRESSION":
            text = operation.detail
            return change_column(
                catalog, table, column, lambda old: replace(old, generated_as=text), only=operation.only
            )
        case _:
            return catalog


def _drop_identity(catalog: Catalog, operation: OtherTableAction, column: str) -> Catalog:
    found = known(catalog, operation.table).column(column)
    if found is None or found.generated not in {Generated.IDENTITY, None}:
        return catalog
    if found.generated is Generated.IDENTITY:
        for sequence in found.sequences:
            catalog = replace(catalog, sequences=drop(catalog.sequences, sequence))
    return change_column(
        catalog,
        operation.table,
        column,
        lambda old: (
            replace(old, generated=None, sequences=()) if old.generated is Generated.IDENTITY else old
        ),
        only=operation.only,
    )


def _plain(column: Column) -> Column:
    stays = column.generated is Generated.IDENTITY
    return column if stays else replace(column, generated=None, generated_as=None)


def _alter_constraint(catalog: Catalog, table: Table, detail: str) -> Catalog:
    """ENFORCED and NOT ENFORCED, INHERIT and NO INHERIT; whether it is deferrable is not kept."""
    name, _, marks = detail.partition(" ")
    words = marks.lower().split()
    found = table.constraint(name)
    if found is None:
        return catalog
    now = found
    if "enforced" in words:
        enforced = words[words.index("enforced") - 1] != "not"
        now = replace(now, enforced=enforced, validated=enforced)
    if "inherit" in words:
        now = replace(now, no_inherit=words[words.index("inherit") - 1] == "no")
    catalog = catalog.with_table(
        replace(
            table,
            constraints=tuple(now if c is found else c for c in table.constraints),
            not_nulls=tuple(now if c is found else c for c in table.not_nulls),
        )
    )
    if now.kind is ConstraintKind.NOT_NULL and found.no_inherit and not now.no_inherit:
        for child in catalog.children(table.name):
            catalog = set_not_null(catalog, child.name, now.columns[0], constraint=now.name, inherited=True)
    return catalog
