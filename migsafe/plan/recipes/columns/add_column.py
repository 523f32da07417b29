"""ADD COLUMN that would rewrite, scan or block: added empty, then filled in batches, then constrained.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from collections.abc import Iterator

from migsafe.catalog.model import Table
from migsafe.effects.predict import effects_of
from migsafe.errors import PlanError
from migsafe.plan.draft import EITHER, Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, Step
from migsafe.plan.recipes import common
from migsafe.plan.recipes.columns.computed_column import computed_steps, told_of_computed
from migsafe.plan.recipes.columns.inline_constraints import constraints_of, without_constraints
from migsafe.plan.recipes.columns.new_column import (
    Filling,
    add_sql,
    drop_sql,
    expand_step,
    filling_steps,
    refuse_table,
    told_of_new_column,
)
from migsafe.plan.recipes.columns.numbered_column import identity_steps, serial_steps, told_of_numbers
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import AddColumn, ColumnDefinition, Generated


def add_column(operation: AddColumn, wanted: Wanted, scene: Scene) -> Draft:
    """A column that every version works with: the server gives its value to rows that come without.

    Raises:
        PlanError: There is no way for this column, or nobody has said what its rows should hold.
    """
    table, column = common.known_table(scene.catalog, operation.table), operation.column
    refuse_table(table, column)
    constraints, told = constraints_of(operation, wanted, scene)
    bare = without_constraints(operation)
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Add {column.name} to {table.name} without work that blocks",
            subject=table.name,
        ),
        compatibility=EITHER,
        steps=(*_steps(table, bare, wanted, scene), *constraints),
        warnings=(*_told(table, column, scene), *told),
    )


def _steps(table: Table, operation: AddColumn, wanted: Wanted, scene: Scene) -> Iterator[Step]:
    column = operation.column
    if column.generated is Generated.STORED:
        return computed_steps(table, column, scene)
    if column.generated is Generated.IDENTITY:
        return identity_steps(table, column, wanted, scene)
    if column.is_serial:
        return serial_steps(table, operation, scene)
    effects = effects_of(operation, scene.catalog, scene.server_version)
    if effects.certain and not (effects.rewrites or effects.scans or effects.fails):
        return iter(_at_once(table, column, scene))
    return _with_default(table, column, scene)


def _at_once(table: Table, column: ColumnDefinition, scene: Scene) -> tuple[Step, ...]:
    """The column with its default as it is: only what comes with it needs time."""
    if column.not_null and column.default is None:
        raise _no_value(table, column)
    default = f" DEFAULT {column.default.text}" if column.default is not None else ""
    if column.generated_as is not None:
        default = f" GENERATED ALWAYS AS ({column.generated_as.text}) VIRTUAL"
    not_null = " NOT NULL" if column.not_null else ""
    return (
        expand_step(
            table,
            column.name,
            f"Add {column.name}",
            (f"{add_sql(table, column, scene)}{default}{not_null}",),
            (drop_sql(table, column.name),),
        ),
    )


def _with_default(table: Table, column: ColumnDefinition, scene: Scene) -> Iterator[Step]:
    if column.default is None:
        raise _no_value(table, column)
    quoted = quote_identifier(column.name)
    yield expand_step(
        table,
        column.name,
        f"Add {column.name}; only new rows get its default",
        (
            add_sql(table, column, scene),
            f"ALTER TABLE {table.name.sql} ALTER COLUMN {quoted} SET DEFAULT {column.default.text}",
        ),
        (drop_sql(table, column.name),),
    )
    filling = Filling(value=column.default.text, pending=f"{quoted} IS NULL")
    yield from filling_steps(table, column.name, filling, not_null=column.not_null)


def _no_value(table: Table, column: ColumnDefinition) -> PlanError:
    return PlanError(
        f"nobody says what column {column.name} of {table.name} should hold in the rows that are there, and "
        "in those of the version that does not know it",
        advice="Say it in a comment before the statement, over the other columns: `-- migsafe: up "
        "EXPRESSION`; or UPDATE the new column in the same migration; or give it a DEFAULT.",
    )


def _told(table: Table, column: ColumnDefinition, scene: Scene) -> Iterator[str]:
    if column.generated is Generated.STORED:
        yield from told_of_computed(table, column, scene)
    if column.is_serial or column.generated is Generated.IDENTITY:
        yield from told_of_numbers(table, column)
    yield from told_of_new_column(table)
