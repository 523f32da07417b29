"""From a migration to a plan: finds the one unsafe operation and hands it to its recipe."""

from migsafe.catalog.model import Catalog
from migsafe.errors import PlanError
from migsafe.plan.model import Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.recipes.change_type import plan_change_type
from migsafe.plan.recipes.rename_column import plan_rename_column
from migsafe.sql.operations import (
    AlterColumnType,
    Begin,
    Commit,
    Operation,
    RenameColumn,
    ResetSetting,
    SetSetting,
    Unread,
)

_FRAME = (Begin, Commit, SetSetting, ResetSetting)  # what may stand around a change and says nothing itself


def plan_operations(operations: tuple[Operation, ...], catalog: Catalog, options: PlanOptions) -> Plan:
    """The plan for a migration's operations.

    Raises:
        PlanError: There is nothing to plan, more than one thing, or no recipe: why, and what to do.
    """
    wanted = [operation for operation in operations if not isinstance(operation, _FRAME)]
    for operation in wanted:
        if isinstance(operation, Unread):
            raise PlanError(f"a statement could not be read: {operation.reason}")
    if not wanted:
        raise PlanError("the migration changes nothing, so there is nothing to plan")
    if len(wanted) > 1:
        kinds = ", ".join(operation.kind for operation in wanted)
        raise PlanError(
            f"the migration holds {len(wanted)} operations ({kinds}); a plan carries out one",
            advice="Put the unsafe one into a file of its own and plan that.",
        )
    match wanted[0]:
        case RenameColumn() as rename:
            return plan_rename_column(rename, catalog, options)
        case AlterColumnType() as change:
            return plan_change_type(change, catalog, options)
        case other:
            raise PlanError(
                f"there is no recipe for {other.kind} yet",
                advice="`migsafe lint` says whether it is unsafe and what to do instead.",
            )
