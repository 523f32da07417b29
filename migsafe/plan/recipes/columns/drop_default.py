"""DROP DEFAULT: once the old version is gone, which leaves the column out when it inserts."""

from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes import common
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import DropDefault


def drop_default(operation: DropDefault, _wanted: Wanted, scene: Scene) -> Draft:
    """A default that waits until nobody needs it; taken back in an instant.

    Raises:
        PlanError: The column is not known, or has no default.
    """
    table, column = common.known_column(scene.catalog, operation.table, operation.column)
    if column.default is None:
        raise PlanError(
            f"column {column.name} of {table.name} has no default",
            advice="Leave the statement out: it would do nothing.",
        )
    alter = f"ALTER TABLE {table.name.sql} ALTER COLUMN {quote_identifier(column.name)}"
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Drop the default of {column.name} of {table.name} once the old version is gone",
            subject=table.name,
            application_change=True,
        ),
        compatibility=parts.LEAVING,
        steps=(
            DdlStep(
                id=f"contract.default.{column.name}",
                stage=Stage.TOMBSTONED,
                title=f"Drop the default of {column.name}",
                sql=(f"{alter} DROP DEFAULT",),
                undo=(f"{alter} SET DEFAULT {column.default}",),
                locks=strong(table.name),
            ),
        ),
        warnings=(f"The new version must give {column.name} a value whenever it inserts into {table.name}.",),
    )
