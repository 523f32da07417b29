"""RENAME COLUMN: both names live side by side until the old version of the application is gone."""

from migsafe.plan.conversion.conversions import IDENTITY
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ColumnChange
from migsafe.plan.recipes import common
from migsafe.plan.replace.column import TWO_NAMES, build_steps
from migsafe.plan.replace.replacement import Replacement
from migsafe.plan.sync.pair import OnMisfit
from migsafe.sql.operations import RenameColumn


def rename_column(operation: RenameColumn, _wanted: Wanted, scene: Scene) -> Draft:
    """The rollout of a column's new name.

    Raises:
        PlanError: The column is not known, the new name is taken, or something cannot be carried over.
    """
    table, old = common.replaceable_column(scene.catalog, operation.table, operation.column)
    common.refuse_taken(table, operation.new_name)
    sync = common.make_sync(
        rollout=scene.rollout,
        table=table,
        old=old,
        new_column=operation.new_name,
        new_type=old.type,
        conversion=IDENTITY,
        on_misfit=OnMisfit.FAIL,
    )
    change = Replacement(
        table=table,
        old=old,
        sync=sync,
        swap=False,
        catalog=scene.catalog,
        server_version=scene.server_version,
    )
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Rename {old.name} of {table.name} to {operation.new_name} while both names are in use",
            subject=table.name,
            down_map=IDENTITY.down_map,
            application_change=True,
            column=ColumnChange(
                old=old.name, new=operation.new_name, old_type=str(old.type), new_type=str(old.type)
            ),
        ),
        compatibility=TWO_NAMES,
        steps=build_steps(change),
        warnings=common.warnings(change),
    )
