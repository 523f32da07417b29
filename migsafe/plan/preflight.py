"""Finds out before the first step whether a plan still fits the database it is about to change.

A plan may be days old, or made from a schema file that knows no views, triggers or privileges.
"""

from collections.abc import Iterator

from migsafe.catalog.model import Catalog, Column, Table
from migsafe.errors import PlanError
from migsafe.plan.model import Plan
from migsafe.plan.replace_column import refuse_unsupported


def preflight(plan: Plan, catalog: Catalog) -> tuple[str, ...]:
    """What a person should know about the database as it is now; empty when the plan fits it exactly.

    Raises:
        PlanError: The plan cannot be carried out on this database: why, and what to do.
    """
    change = plan.change
    table = catalog.table(change.table)
    column = table.column(change.old_column) if table else None
    again = "Is it the right database? If so, make the plan again from it: migsafe plan ... --database URL"
    if table is None:
        raise PlanError(f"the database has no table {change.table}, which the plan changes", advice=again)
    if column is None:
        raise PlanError(
            f"{change.table} has no column {change.old_column}, which the plan changes", advice=again
        )
    if str(column.type) != change.old_type:
        raise PlanError(
            f"{change.old_column} of {change.table} is {column.type}, but the plan was made for "
            f"{change.old_type}",
            advice=again,
        )
    if change.new_column != change.old_column and table.column(change.new_column):
        raise PlanError(f"{change.table} already has a column {change.new_column}", advice=again)
    refuse_unsupported(table, column)
    return tuple(_left_behind(plan, table, column))


def _left_behind(plan: Plan, table: Table, column: Column) -> Iterator[str]:
    ids = {step.id for step in plan.steps}
    keys = {constraint.index for constraint in table.constraints if constraint.index}
    for index in table.indexes:
        if (
            column.name in index.columns
            and index.name not in keys
            and f"verify.index.{index.name}" not in ids
        ):
            yield f"index {index.name} is not in the plan: it will be gone with the old column"
    for constraint in table.constraints:
        if column.name in constraint.columns and f"verify.{constraint.name}.add" not in ids:
            yield f"constraint {constraint.name} is not in the plan: it will be gone with the old column"
    if column.not_null and "verify.not_null.add" not in ids:
        yield f"{column.name} is NOT NULL, but the plan lets the new column be NULL"
