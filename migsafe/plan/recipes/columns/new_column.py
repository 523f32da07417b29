"""What recipes for new columns share: the column added, filled in batches, proven, and NOT NULL at last."""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Table
from migsafe.errors import PlanError
from migsafe.plan.draft import Scene
from migsafe.plan.gentle import not_null_steps, strong
from migsafe.plan.model import BackfillStep, DdlStep, Step, VerifyStep
from migsafe.plan.recipes import common
from migsafe.plan.replace.column import primary_key
from migsafe.plan.stages import Stage
from migsafe.plan.sync.derived import full_type, type_sql
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import ColumnDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How the rows that are there get their value: `value` while `pending` holds."""

    value: str
    pending: str


def refuse_table(table: Table, column: ColumnDefinition) -> None:
    """Check that a column can be added to the table and filled.

    Raises:
        PlanError: The name is taken, or the table's rows cannot be filled.
    """
    common.refuse_taken(table, column.name)
    if table.partition_of or table.inherits:
        raise PlanError(f"{table.name} has its columns from its parent: add {column.name} there")
    if table.foreign:
        raise PlanError(f"{table.name} is a foreign table: nothing here can fill its rows")


def add_sql(table: Table, column: ColumnDefinition, scene: Scene) -> str:
    """ADD COLUMN with the type and the collation alone: instant, and NULL in every row."""
    collation = f" COLLATE {column.collation.sql}" if column.collation else ""
    kind = type_sql(full_type(column.type, scene.catalog))
    return f"ALTER TABLE {table.name.sql} ADD COLUMN {quote_identifier(column.name)} {kind}{collation}"


def drop_sql(table: Table, column: str) -> str:
    """The way back from `add_sql`."""
    return f"ALTER TABLE {table.name.sql} DROP COLUMN IF EXISTS {quote_identifier(column)}"


def expand_step(
    table: Table, column: str, title: str, sql: tuple[str, ...], undo: tuple[str, ...]
) -> DdlStep:
    """The transaction that makes the column."""
    return DdlStep(
        id=f"expand.{column}",
        stage=Stage.EXPANDED,
        title=title,
        sql=sql,
        undo=undo,
        locks=strong(table.name),
    )


def filling_steps(table: Table, column: str, filling: Filling, *, not_null: bool) -> Iterator[Step]:
    """The batches, the proof that every row has its value, and NOT NULL where it is wanted."""
    quoted = quote_identifier(column)
    yield BackfillStep(
        id=f"backfill.{column}",
        stage=Stage.BACKFILLED,
        title=f"Give every row that was there before its {column}",
        table=table.name,
        assignments=f"{quoted} = {filling.value}",
        pending=filling.pending,
    )
    yield VerifyStep(
        id=f"verify.{column}.rows",
        stage=Stage.VERIFIED,
        title=f"Prove that every row has its {column}",
        table=table.name,
        key=primary_key(table),
        mismatch=f"{quoted} IS NULL" if not_null else filling.pending,
    )
    if not_null:
        tag = make_tag(str(table.name), column, "new")
        yield from not_null_steps(table.name, column, bounded("migsafe_not_null", column, tag))


def told_of_new_column(table: Table) -> tuple[str, ...]:
    """What a person must know of a column that comes and is filled."""
    return (
        common.stale_star(table.name),
        *common.fired_by_backfill(table),
    )
