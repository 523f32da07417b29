"""UPDATE of many rows at once: the same rows in small batches, each with locks of its own and soon over."""

import re
from collections.abc import Iterator

from migsafe.catalog.model import Catalog, Column, Table
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import differs
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import proof_of_rows
from migsafe.plan.migration import Wanted
from migsafe.plan.model import BackfillStep, Change
from migsafe.plan.recipes import common
from migsafe.plan.recipes.data import rows
from migsafe.plan.stages import Stage
from migsafe.sql.aliases import NotPlain
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import Update
from migsafe.sql.update import Assignment, PlainUpdate, plain_update


def update_rows(operation: Update, wanted: Wanted, scene: Scene) -> Draft:
    """A backfill that sets the same columns of the same rows.

    Repeating a batch must do no harm, so it must be told of a row whether it is done: either the new values
    can be computed again and compared, or WHERE asks for NULL in a column that is set. What UPDATE ... FROM
    reads from other tables becomes a subquery for each column.

    Raises:
        PlanError: That cannot be told, or the statement cannot be taken apart.
    """
    table = common.known_table(scene.catalog, operation.table)
    if scene.catalog.created_now(table):
        return rows.as_written(operation, wanted, table, patient=True)
    try:
        update = plain_update(wanted.sql, table.name)
    except NotPlain as error:
        raise PlanError(
            f"the UPDATE of {table.name} cannot be taken apart: {error}",
            advice="Write UPDATE table SET column = expression, ... FROM other tables WHERE condition; or "
            "carry it out in batches of your own.",
        ) from error
    rows.refuse_only(operation, table, scene.catalog)
    pending = _pending(table, update, scene.catalog)
    columns = tuple(each.column for each in update.assignments)
    named, tag = ", ".join(columns), "_".join(columns)
    title = f"Set {named} of {table.name} in batches"
    down_map, not_kept = rows.lost(f"What {named} of {table.name} held before is not kept")
    return Draft(
        change=Change(kind=operation.kind, summary=title, subject=table.name, down_map=down_map),
        steps=(
            BackfillStep(
                id=f"backfill.{table.name.name}.{tag}",
                stage=Stage.BACKFILLED,
                title=title,
                table=table.name,
                assignments=", ".join(_assigned(each, update) for each in update.assignments),
                pending=pending,
            ),
            proof_of_rows(
                table,
                id=f"verify.{table.name.name}.{tag}",
                title=f"Prove that no row of {table.name} is left to be set",
                mismatch=pending,
            ),
        ),
        warnings=rows.batched(
            (
                (
                    not_kept,
                    f"Rows of {table.name} that are written meanwhile and satisfy the condition are set too. "
                    "If the application goes on writing such rows, there is no end to it: bound the "
                    "condition, by a key or a time.",
                    f"What the application itself writes to {named} of such a row, even after its batch, is "
                    "overwritten: unlike one UPDATE, the batches come back until no row is left to be set.",
                ),
                _of_others(table, update, scene.catalog),
                common.fired_by_backfill(table),
            )
        ),
    )


def _assigned(each: Assignment, update: PlainUpdate) -> str:
    value = each.value.text
    if update.sources:
        value = f"(SELECT {value} FROM {update.sources}{_where(update)})"
    return f"{quote_identifier(each.column)} = {value}"


def _where(update: PlainUpdate) -> str:
    return f" WHERE {update.where.text}" if update.where else ""


def _of_others(table: Table, update: PlainUpdate, catalog: Catalog) -> Iterator[str]:
    if update.sources:
        yield (
            f"A row of {table.name} that meets several rows of FROM would get the values of any of them; the "
            "backfill stops there instead, and says which pages it is in."
        )
    if update.sources or any("select" in each.value.text.lower() for each in update.assignments):
        yield (
            "What changes in the other tables meanwhile makes rows pending again: they are set again, until "
            "the rollout has left stage verified behind."
        )
    yield from rows.needs_index(catalog, update.sources, update.where)


def _pending(table: Table, update: PlainUpdate, catalog: Catalog) -> str:
    """True exactly for the rows that are still to be set."""
    where = update.where.text if update.where else "true"
    known = [(each, _column(table, each.column, catalog)) for each in update.assignments]
    restless = [reason for each in update.assignments if (reason := _restless(table, update, each, catalog))]
    if restless and not any(each.column in update.emptied for each in update.assignments):
        name = update.assignments[0].column
        raise PlanError(
            restless[0],
            advice=f"Let WHERE ask for rows without a value, such as WHERE {name} IS NULL, or set the value "
            "in a new column; then a row that is done can be told from one that is not.",
        )
    if not restless:
        own = f"{quote_identifier(table.name.name)}." if update.sources else ""
        different = (
            differs(
                f"{own}{quote_identifier(column.name)}",
                f"({each.value.text})::{column.type}",
                column.type,
                collation=column.collation,
            )
            for each, column in known
        )
        where = f"({where}) AND ({' OR '.join(different)})"
    return f"EXISTS (SELECT FROM {update.sources} WHERE {where})" if update.sources else where


def _column(table: Table, name: str, catalog: Catalog) -> Column:
    column = table.column(name)
    if column is None:
        raise PlanError(f"table {table.name} has no column {name}")
    if _is_partition_key(table, name, catalog):
        raise PlanError(
            f"{name} decides in which partition a row of {table.name} belongs, and a batch works within one",
            advice="Insert the rows again under the new value and delete the old ones, or do it by hand.",
        )
    return column


def _is_partition_key(table: Table, column: str, catalog: Catalog) -> bool:
    by = table.partition_key or ""
    if re.search(rf"(?<!\w){re.escape(column)}(?!\w)", by):
        return True
    return any(_is_partition_key(child, column, catalog) for child in catalog.children(table.name))


def _restless(table: Table, update: PlainUpdate, each: Assignment, catalog: Catalog) -> str | None:
    """Why the value would be another one the next time, so that it never says that its row is done."""
    what = f"{each.column} of {table.name} = {each.value.text}"
    own = {other.column for other in update.assignments} & each.reads
    if own:
        return f"{what} reads {', '.join(sorted(own))}, which it changes"
    if not rows.is_steady(each.value, catalog):
        return f"{what} is another value every time it is computed"
    return None
