"""VALIDATE CONSTRAINT: in a transaction of its own, so that the migration holds no stronger lock meanwhile.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
"""

from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import validation
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change
from migsafe.plan.recipes import common
from migsafe.sql.operations import ValidateConstraint


def validate_constraint(operation: ValidateConstraint, _wanted: Wanted, scene: Scene) -> Draft:
    """The proof of a constraint for the rows that are there, while reads and writes go on.

    Raises:
        PlanError: The table or the constraint is not known.
    """
    table = common.known_table(scene.catalog, operation.table)
    name = operation.constraint
    found = table.constraint(name) or next((each for each in table.not_nulls if each.name == name), None)
    if found is None:
        raise PlanError(f"table {table.name} has no constraint {name}")
    step = validation(table.name, name, name, f"constraint {name} for all rows", found.references)
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Prove the constraint {name} of {table.name} for the rows that are there",
            subject=table.name,
        ),
        steps=(step,),
        warnings=(f"That {name} is proven is not taken back by a revert: what is true may stay.",),
    )
