"""RENAME COLUMN: both names live side by side until the old version of the application is gone."""

from migsafe.catalog.model import Catalog
from migsafe.plan.conversions import IDENTITY
from migsafe.plan.model import Change, Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.recipes import common
from migsafe.plan.replace_column import Replacement, build_steps
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync import OnMisfit
from migsafe.sql.operations import RenameColumn

COMPATIBILITY = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)


def plan_rename_column(operation: RenameColumn, catalog: Catalog, options: PlanOptions) -> Plan:
    """The rollout of a column's new name.

    Raises:
        PlanError: The column is not known, the new name is taken, or something cannot be carried over.
    """
    table, old = common.find_column(catalog, operation.table, operation.column)
    common.refuse_taken(table, operation.new_name)
    name = options.name or f"rename_{table.name.name}_{old.name}_to_{operation.new_name}"
    sync = common.make_sync(
        rollout=name,
        table=table,
        old=old,
        new_column=operation.new_name,
        new_type=old.type,
        conversion=IDENTITY,
        on_misfit=OnMisfit.FAIL,
    )
    change = Replacement(table=table, old=old, sync=sync, swap=False)
    return Plan(
        name=name,
        summary=f"Rename {old.name} of {table.name} to {operation.new_name} while both names are in use",
        change=Change(
            kind="rename_column",
            table=table.name,
            old_column=old.name,
            new_column=operation.new_name,
            old_type=str(old.type),
            new_type=str(old.type),
            down_map=IDENTITY.down_map,
            application_change=True,
        ),
        compatibility=COMPATIBILITY,
        steps=build_steps(change),
        warnings=common.warnings(change),
        traffic=options.traffic,
        contract=options.contract,
        server_version=catalog.server_version,
    )
