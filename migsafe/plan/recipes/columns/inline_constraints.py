"""The constraints that ADD COLUMN brings along: added once the column is there and filled."""

from dataclasses import replace

from migsafe.catalog.model import Table
from migsafe.catalog.replay import apply
from migsafe.errors import PlanError
from migsafe.plan.draft import Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Step
from migsafe.plan.recipes.constraints.add_constraint import add_constraint
from migsafe.sql.lex import lex
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import AddColumn, AddConstraint, ConstraintDefinition, ConstraintKind

_KEYS = {ConstraintKind.UNIQUE: "UNIQUE", ConstraintKind.PRIMARY_KEY: "PRIMARY KEY"}


def without_constraints(operation: AddColumn) -> AddColumn:
    """The column alone, with NOT NULL where a primary key wants it."""
    column = operation.column
    key = any(each.kind is ConstraintKind.PRIMARY_KEY for each in column.constraints)
    bare = replace(column, constraints=(), not_null=column.not_null or key)
    return replace(operation, column=bare, if_not_exists=False)


def constraints_of(
    operation: AddColumn, wanted: Wanted, scene: Scene
) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The steps that add them to the filled column, and what must be told about them.

    Raises:
        PlanError: One of them cannot be added without blocking.
    """
    steps: list[Step] = []
    warnings: list[str] = []
    scene = replace(scene, catalog=apply(scene.catalog, without_constraints(operation)))
    for constraint in operation.column.constraints:
        if constraint.kind is ConstraintKind.NOT_NULL:
            continue
        of_table = _of_table(operation, constraint, scene.catalog.table(operation.table))
        added = AddConstraint(table=operation.table, constraint=of_table)
        draft = add_constraint(added, replace(wanted, operation=added), scene)
        steps += draft.steps
        warnings += draft.warnings
        scene = replace(scene, catalog=apply(scene.catalog, added))
    return tuple(steps), tuple(warnings)


def _of_table(
    operation: AddColumn, constraint: ConstraintDefinition, table: Table | None
) -> ConstraintDefinition:
    """The constraint as ADD CONSTRAINT would say it."""
    column = operation.column.name
    tokens = tuple(lex(constraint.text))
    named = 2 if tokens[0].value == "constraint" else 0
    body = constraint.text[tokens[named].start :]
    quoted = quote_identifier(column)
    match constraint.kind:
        case ConstraintKind.FOREIGN_KEY:
            text = f"FOREIGN KEY ({quoted}) {body}"
        case ConstraintKind.UNIQUE | ConstraintKind.PRIMARY_KEY:
            key = _KEYS[constraint.kind]
            text = f"{key} ({quoted}) {body[len(key) :].strip()}".strip()
        case _:
            text = body
    words = {token.value for token in tokens}
    if "nulls" in words or "using" in words or "with" in words:
        raise PlanError(
            f"column {column} of {table.name if table else operation.table} comes with {constraint.text}",
            advice="Add that constraint in a statement of its own, behind this one.",
        )
    columns: tuple[str, ...] = (column,)
    if constraint.kind is ConstraintKind.CHECK and constraint.expression is not None:
        columns = constraint.expression.columns  # PostgreSQL names it after them
    return replace(constraint, columns=columns, text=text)
