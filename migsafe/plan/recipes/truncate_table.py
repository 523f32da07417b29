"""TRUNCATE: there is no gentle form of it while the application runs, and the plan says so."""

from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.recipes import common, rows
from migsafe.sql.operations import Truncate


def truncate_table(operation: Truncate, wanted: Wanted, scene: Scene) -> Draft:
    """As it is, for a table of the same migration.

    Raises:
        PlanError: The table is older: what is in it, and what is written meanwhile, would be gone at once.
    """
    table = common.known_table(scene.catalog, operation.table)
    if scene.catalog.created_now(table):
        return rows.as_written(operation, wanted, table, patient=False)
    raise PlanError(
        f"TRUNCATE of {table.name} takes away at once what every version of the application reads there, and "
        "nothing brings it back",
        advice="DELETE FROM ... WHERE takes rows away in batches; DROP TABLE has a plan that can be taken "
        "back for some time. Or truncate it by hand, with a short lock_timeout, when nobody needs it.",
    )
