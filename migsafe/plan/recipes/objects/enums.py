"""Values of an enum: added at once, for good; a new name for one takes a new column.

https://www.postgresql.org/docs/current/sql-altertype.html
"""

import re

from migsafe.catalog.model import Catalog, UserType
from migsafe.catalog.types import find_type
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, DownMap
from migsafe.plan.recipes.objects import parts
from migsafe.plan.recipes.objects.enum_labels import label_in_two_columns
from migsafe.plan.stages import Stage
from migsafe.sql.changes import AddLabel, RenameObject
from migsafe.sql.names import Name

_ADD_VALUE = re.compile(r"(\bADD\s+VALUE)\b", re.IGNORECASE)


def add_value(change: AddLabel, wanted: Wanted, scene: Scene) -> Draft:
    """A value that is there from the first stage on, and stays after a revert.

    Raises:
        PlanError: The type is not known.
    """
    name = known_type(change.type, scene.catalog).name
    return Draft(
        change=Change(
            kind="add_enum_value",
            summary=f"Add the value {change.label} to {name}",
            subject=name,
            down_map=DownMap.LOSSY,
            application_change=True,
        ),
        compatibility=parts.LOOSENED,
        steps=(
            DdlStep(
                id=f"expand.{name.name}.{change.label}",
                stage=Stage.EXPANDED,
                title=f"Add the value {change.label} to {name}",
                sql=(_repeatable(change, wanted.sql),),
            ),
        ),
        warnings=(
            f"The value {change.label} of {name} is not taken back by a revert: no value is ever dropped.",
            f"From the first row with {change.label} on, the version that runs today may read a value that "
            "it does not know: deploy a version that can read it before the one that writes it.",
        ),
    )


def _repeatable(change: AddLabel, sql: str) -> str:
    """After a revert the value is still there, and the rollout may begin again."""
    if change.if_not_exists:
        return sql
    return _ADD_VALUE.sub(r"\1 IF NOT EXISTS", sql, count=1)


def rename_value(change: RenameObject, wanted: Wanted, scene: Scene) -> Draft:
    """With a new name for the column each version has its own; refused where both share one column.

    Raises:
        PlanError: One of the two versions would not know its own value: what to do instead.
    """
    kind = known_type(change.name, scene.catalog)
    name = kind.name
    if change.part not in kind.labels or change.new_name in kind.labels:
        raise PlanError(f"{name} has no value {change.part}, or has {change.new_name} already")
    if scene.options.new_column is not None:
        return label_in_two_columns(kind, change.part or "", change.new_name, wanted, scene)
    raise PlanError(
        f"a value of {name} has one name at a time: with {change.part} gone the version that runs today "
        f"fails, and before {change.new_name} is there the new one does",
        advice="Plan with --new-column NAME: the new version then reads and writes a column of that name, in "
        f"which the value is called {change.new_name}, and both are kept equal. Or, where the column must "
        f"keep its name: add {change.new_name} (ALTER TYPE ... ADD VALUE), let the new version read both and "
        f"write the new one, and UPDATE the rows that hold {change.part} in a later migration. The old "
        "value stays in the type unused; to be rid of it, change the columns to a new type.",
    )


def known_type(name: Name, catalog: Catalog) -> UserType:
    """The type that a plan is about.

    Raises:
        PlanError: It is not known.
    """
    found = find_type(catalog, name)
    if found is None:
        raise parts.refuse_unknown(f"type {name}", catalog, if_exists=False)
    return found
