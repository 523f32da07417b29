"""UPDATE of many rows at once: the same rows in small batches, each with locks of its own and soon over."""

from migsafe.catalog.model import Catalog, Table
from migsafe.effects.volatility import volatility_of
from migsafe.errors import PlanError
from migsafe.plan.conversions import differs
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import BackfillStep, Change, VerifyStep
from migsafe.plan.recipes import common
from migsafe.plan.replace_column import primary_key
from migsafe.plan.stages import Stage
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import Expression, Update
from migsafe.sql.update import PlainUpdate, plain_update

# Not volatile, but another value in every batch.
_OF_THE_MOMENT = frozenset(
    {"now", "current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"}
    | {"transaction_timestamp", "statement_timestamp"}
)


def update_rows(operation: Update, wanted: Wanted, scene: Scene) -> Draft:
    """A backfill that sets the same columns of the same rows.

    Repeating a batch must do no harm, so it must be told of a row whether it is done: either WHERE asks for
    NULL in a column that is set, or the new values can be computed again and compared.

    Raises:
        PlanError: That cannot be told, or the statement is more than an UPDATE of one table by its own rows.
    """
    table = common.known_table(scene.catalog, operation.table)
    update = plain_update(wanted.sql)
    if update is None:
        raise PlanError(
            f"the UPDATE of {table.name} is not one of a table by its own columns alone",
            advice="Write UPDATE table SET column = expression WHERE condition, without FROM, RETURNING, an "
            "alias or a subquery; or carry it out in batches of your own.",
        )
    pending = _pending(table, update, scene.catalog)
    named = ", ".join(column for column, _ in update.assignments)
    tag = "_".join(column for column, _ in update.assignments)
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Set {named} of {table.name} in batches",
            subject=table.name,
        ),
        steps=(
            BackfillStep(
                id=f"backfill.{table.name.name}.{tag}",
                stage=Stage.BACKFILLED,
                title=f"Set {named} of {table.name} in batches",
                table=table.name,
                assignments=", ".join(
                    f"{quote_identifier(column)} = {value.text}" for column, value in update.assignments
                ),
                pending=pending,
            ),
            VerifyStep(
                id=f"verify.{table.name.name}.{tag}",
                stage=Stage.VERIFIED,
                title=f"Prove that no row of {table.name} is left to be set",
                table=table.name,
                key=primary_key(table),
                mismatch=pending,
                passes=1,
            ),
        ),
        warnings=(
            f"What {named} of {table.name} held before is not kept: a revert does not bring it back.",
            *common.fired_by_backfill(table),
        ),
    )


def _pending(table: Table, update: PlainUpdate, catalog: Catalog) -> str:
    """True exactly for the rows that are still to be set."""
    where = update.where.text if update.where else "true"
    if any(column in update.emptied for column, _ in update.assignments):
        return where
    different: list[str] = []
    for name, value in update.assignments:
        column = table.column(name)
        if column is None:
            raise PlanError(f"table {table.name} has no column {name}")
        _refuse_restless(table, update, name, value, catalog)
        typed = f"({value.text})::{column.type}"
        different.append(differs(quote_identifier(name), typed, column.type, collation=column.collation))
    return f"({where}) AND ({' OR '.join(different)})"


def _refuse_restless(
    table: Table, update: PlainUpdate, name: str, value: Expression, catalog: Catalog
) -> None:
    """A value that would be another one the next time never says that its row is done."""
    what = f"{name} of {table.name} = {value.text}"
    advice = (
        f"Let WHERE ask for rows without a value, such as WHERE {name} IS NULL, or set the value in a new "
        "column; then a row that is done can be told from one that is not."
    )
    own = {column for column, _ in update.assignments} & {*value.columns}
    if own:
        raise PlanError(f"{what} reads {', '.join(sorted(own))}, which it changes", advice=advice)
    if volatility_of(value, catalog).volatile or _OF_THE_MOMENT & {*value.functions}:
        raise PlanError(f"{what} is another value every time it is computed", advice=advice)
