"""What the recipes share: finding the column, the pair that is kept equal, and the warnings."""

import re

from migsafe.catalog.model import Catalog, Column, Table, Trigger
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import Conversion
from migsafe.plan.replace.column import refuse_unsupported
from migsafe.plan.replace.replacement import Replacement, primary_key
from migsafe.plan.sync.pair import OnMisfit, Side, Sync, is_sync_trigger, make_tag
from migsafe.sql.names import MAX_IDENTIFIER_BYTES, Name, quote_identifier
from migsafe.sql.operations import TypeName

_DELETE = re.compile(r"^CREATE .*?TRIGGER .*? (?:BEFORE|AFTER) [A-Z ]*?DELETE ")
_ANY_UPDATE = re.compile(r"^CREATE .*?TRIGGER .*? (?:BEFORE|AFTER) [A-Z ]*?UPDATE(?! OF) ")


def known_table(catalog: Catalog, name: Name) -> Table:
    """The table that a plan is about.

    Raises:
        PlanError: It is not known.
    """
    table = catalog.table(name)
    if table is None:
        known = ", ".join(sorted(str(each) for each in catalog.tables)[:8]) or "none"
        raise PlanError(
            f"table {name} is not known (known tables: {known})",
            advice="Give the live database with --database URL, or its schema with --schema FILE.sql.",
        )
    return table


def known_column(catalog: Catalog, table_name: Name, column_name: str) -> tuple[Table, Column]:
    """The table and the column that a plan is about.

    Raises:
        PlanError: One of them is not known.
    """
    table = known_table(catalog, table_name)
    column = table.column(column_name)
    if column is None:
        names = ", ".join(each.name for each in table.columns)
        raise PlanError(f"table {table.name} has no column {column_name}; it has: {names}")
    return table, column


def replaceable_column(catalog: Catalog, table_name: Name, column_name: str) -> tuple[Table, Column]:
    """The table and a column of it that can make way for another one.

    Raises:
        PlanError: One of them is not known, or the column cannot be replaced.
    """
    table, column = known_column(catalog, table_name, column_name)
    refuse_unsupported(table, column)
    return table, column


def refuse_taken(table: Table, name: str) -> None:
    """Check that the new name is free and short enough.

    Raises:
        PlanError: It is not.
    """
    if table.column(name) is not None:
        raise PlanError(f"table {table.name} already has a column {name}")
    if len(name.encode()) > MAX_IDENTIFIER_BYTES:
        raise PlanError(
            f"the name {name} is longer than {MAX_IDENTIFIER_BYTES} bytes; PostgreSQL would cut it"
        )


def make_sync(
    *,
    rollout: str,
    table: Table,
    old: Column,
    new_column: str,
    new_type: TypeName,
    conversion: Conversion,
    on_misfit: OnMisfit,
) -> Sync:
    """The pair of columns and how values pass between them."""
    same_type = new_type == old.type
    has_default = old.default is not None or old.generated is not None
    return Sync(
        rollout=rollout,
        tag=make_tag(str(table.name), old.name, new_column, str(new_type)),
        table=table.name,
        key=primary_key(table),
        old=Side(column=old.name, type=old.type, collation=_collation(old), has_default=has_default),
        new=Side(column=new_column, type=new_type, collation=_collation(old) if same_type else None),
        conversion=conversion,
        on_misfit=on_misfit,
    )


def _collation(column: Column) -> str | None:
    """The column's own collation as SQL; with its schema where that is known."""
    if column.collation is None:
        return None
    return (column.extras.collation if column.extras else None) or quote_identifier(column.collation)


def warnings(change: Replacement) -> tuple[str, ...]:
    """What a person must know before the first step, most urgent first."""
    table, old = change.table.name, change.old.name
    told = [
        f"Clients that prepare `SELECT * FROM {table}` get 'cached plan must not change result type' after "
        "expand and after drop, until they prepare it again: name the columns, or reconnect.",
        f"The new column stands last in {table}: INSERT and COPY without a column list, and code that reads "
        "columns by position, must name their columns.",
    ]
    if change.swap:
        told.insert(
            0,
            f"Clients that prepare statements which return {old} (pgbench -M prepared; JDBC, psycopg after "
            "five executions, most ORMs) get 'cached plan must not change result type' at the swap. Before "
            "it starts, set prepareThreshold=0 / prepare_threshold=None or see to it that they reconnect on "
            "that error; or plan with --new-column NAME, which needs no swap.",
        )
    if change.old.default is not None and not change.old.not_null:
        told.append(
            f"An INSERT of the new version that gives NULL for the column explicitly gets the default "
            f"{change.old.default}, until {old} is gone: to a trigger the two look alike.",
        )
    told += fired_by_backfill(change.table)
    if not primary_key(change.table):
        told.append(f"{table} has no primary key: rows in reports are named by their position (ctid).")
    told.append(f"Functions whose bodies mention {old} are not known to the catalog: look for them.")
    return tuple(told)


def stale_star(table: Name) -> str:
    """What a person must know of a table that gets a column more."""
    return (
        f"Clients that prepare `SELECT * FROM {table}` get 'cached plan must not change result type' once, "
        "until they prepare it again."
    )


def stale_column(column: str) -> str:
    """What a person must know of a column whose type changes where it stands, be it only in its length."""
    return (
        f"Clients that prepare statements which return {column} (psycopg after five executions, JDBC, most "
        "ORMs) get 'cached plan must not change result type' once, until they prepare them again. Before it "
        "starts, set prepareThreshold=0 / prepare_threshold=None or see to it that they reconnect on that "
        "error."
    )


def fired_by_backfill(table: Table) -> tuple[str, ...]:
    """What a person must know of the triggers that a backfill sets off."""
    fired = [each.name for each in table.triggers if _fires_on_backfill(each)]
    if not fired:
        return ()
    return (
        f"The backfill changes every row, and these triggers fire each time: {', '.join(fired)}. See to "
        "it that they can bear that (updated_at becomes now, an audit trail gets a line for each row).",
    )


def fired_by_delete(table: Table) -> tuple[str, ...]:
    """What a person must know of the triggers that deleting rows sets off."""
    fired = [each.name for each in table.triggers if _DELETE.search(each.definition)]
    if not fired:
        return ()
    return (f"These triggers fire for each deleted row of {table.name}: {', '.join(fired)}.",)


def _fires_on_backfill(trigger: Trigger) -> bool:
    """Whether it fires when the new column is set; UPDATE OF other columns does not."""
    return _ANY_UPDATE.search(trigger.definition) is not None and not is_sync_trigger(trigger.name)
