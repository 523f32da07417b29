"""DELETE of many rows at once: the same rows in small batches."""

from migsafe.catalog.model import Catalog, Table
from migsafe.effects.volatility import volatility_of
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import proof_of_rows
from migsafe.plan.migration import Wanted
from migsafe.plan.model import BackfillStep, Change
from migsafe.plan.recipes import common
from migsafe.plan.recipes.data import rows
from migsafe.plan.stages import Stage
from migsafe.sql.aliases import NotPlain
from migsafe.sql.operations import Delete
from migsafe.sql.update import PlainDelete, plain_delete


def delete_rows(operation: Delete, wanted: Wanted, scene: Scene) -> Draft:
    """A backfill that takes away the rows which satisfy the condition. USING becomes an EXISTS.

    Raises:
        PlanError: All rows would go, those that are written meanwhile too; or the rows that are meant change
            from one moment to the next; or the statement cannot be taken apart.
    """
    table = common.known_table(scene.catalog, operation.table)
    if scene.catalog.created_now(table):
        return rows.as_written(operation, wanted, table, patient=True)
    try:
        delete = plain_delete(wanted.sql, table.name)
    except NotPlain as error:
        raise PlanError(
            f"the DELETE from {table.name} cannot be taken apart: {error}",
            advice="Write DELETE FROM table USING other tables WHERE condition; or carry it out in batches "
            "of your own.",
        ) from error
    rows.refuse_only(operation, table, scene.catalog)
    pending = _pending(table, delete, scene.catalog)
    title = f"Delete rows of {table.name} in batches"
    down_map, not_kept = rows.lost(f"The deleted rows of {table.name} are gone")
    return Draft(
        change=Change(kind=operation.kind, summary=title, subject=table.name, down_map=down_map),
        steps=(
            BackfillStep(
                id=f"backfill.{table.name.name}.delete.{wanted.line}",
                stage=Stage.BACKFILLED,
                title=title,
                table=table.name,
                pending=pending,
                delete=True,
            ),
            proof_of_rows(
                table,
                id=f"verify.{table.name.name}.delete.{wanted.line}",
                title=f"Prove that no row of {table.name} is left to be deleted",
                mismatch=pending,
            ),
        ),
        warnings=rows.batched(
            (
                (
                    not_kept,
                    f"Rows of {table.name} that are written meanwhile and satisfy the condition are deleted "
                    "too, until the rollout has left stage verified behind. If the application goes on "
                    "writing such rows, there is no end to it: bound the condition, by a key or a time.",
                ),
                rows.deleted_along(table, scene.catalog),
                rows.needs_index(scene.catalog, delete.sources, delete.where),
                common.fired_by_delete(table),
            )
        ),
    )


def _pending(table: Table, delete: PlainDelete, catalog: Catalog) -> str:
    if delete.where is None:
        raise PlanError(
            f"a DELETE of all rows of {table.name} in batches would also delete what the application writes "
            "meanwhile",
            advice="Say in WHERE which rows are meant (such as those older than a date), or TRUNCATE the "
            "table while nobody uses it, or make a new table and rename the two.",
        )
    if volatility_of(delete.where, catalog).volatile:
        raise PlanError(
            f"which rows of {table.name} are meant is another question every time: {delete.where.text}",
            advice="Choose them first, into a table, and delete those.",
        )
    if delete.sources:
        return f"EXISTS (SELECT FROM {delete.sources} WHERE {delete.where.text})"
    return delete.where.text
