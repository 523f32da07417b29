"""Values of an enum: added at once, for good; no value can have two names.

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


def rename_value(change: RenameObject, _wanted: Wanted, scene: Scene) -> Draft:
    """Refused where a column holds values: one of the two versions would not know its own.

    Raises:
        PlanError: Always: why, and what to do instead.
    """
    name = known_type(change.name, scene.catalog).name
    raise PlanError(
        f"a value of {name} has one name at a time: with {change.part} gone the version that runs today "
        f"fails, and before {change.new_name} is there the new one does",
        advice=f"Add {change.new_name} (ALTER TYPE ... ADD VALUE), let the new version read both and write "
        f"the new one, and UPDATE the rows that hold {change.part} in a later migration. The old value stays "
        "in the type unused; to be rid of it, change the columns to a new type.",
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
