"""ADD COLUMN that would rewrite the table: added empty, then filled in batches.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from migsafe.catalog.model import Table
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import not_null_steps, strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import BackfillStep, Change, DdlStep, Step, VerifyStep
from migsafe.plan.recipes import common
from migsafe.plan.replace_column import primary_key
from migsafe.plan.stages import Stage
from migsafe.plan.sync import bounded, make_tag
from migsafe.sql.names import quote_identifier
from migsafe.sql.operations import AddColumn, ColumnDefinition, ConstraintKind

_HARMLESS = frozenset({ConstraintKind.NOT_NULL})


def add_column(operation: AddColumn, _wanted: Wanted, scene: Scene) -> Draft:
    """A column whose default is another value for each row.

    Raises:
        PlanError: There is no way for this column, or nobody has said what its rows should hold.
    """
    table, column = common.known_table(scene.catalog, operation.table), operation.column
    common.refuse_taken(table, column.name)
    _refuse(table, column)
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Add {column.name} to {table.name} and fill it in batches",
            subject=table.name,
        ),
        steps=_steps(table, column),
        warnings=(common.stale_star(table.name),),
    )


def _refuse(table: Table, column: ColumnDefinition) -> None:
    what = f"column {column.name} of {table.name}"
    if table.partitioned or table.partition_of:
        raise PlanError(f"{table.name} is partitioned; there is no recipe for {what} yet")
    if column.is_serial or column.generated:
        kind = column.generated.value if column.generated else "serial"
        raise PlanError(f"{what} is {kind}; there is no recipe for that yet")
    if column.default is None:
        raise PlanError(
            f"nobody says what {what} should hold in the rows that are there",
            advice="Give it a DEFAULT; the plan keeps it, and a later migration may drop it.",
        )
    others = [each for each in column.constraints if each.kind not in _HARMLESS]
    if others:
        raise PlanError(
            f"{what} comes with the constraint {others[0].text}",
            advice="Add the constraint in a statement of its own, behind this one.",
        )


def _steps(table: Table, column: ColumnDefinition) -> tuple[Step, ...]:
    name, quoted = table.name, quote_identifier(column.name)
    assert column.default is not None  # noqa: S101 -- _refuse has seen to it
    collation = f" COLLATE {column.collation.sql}" if column.collation else ""
    is_null = f"{quoted} IS NULL"
    steps: list[Step] = [
        DdlStep(
            id=f"expand.{column.name}",
            stage=Stage.EXPANDED,
            title=f"Add {column.name}; only new rows get its default",
            sql=(
                f"ALTER TABLE {name.sql} ADD COLUMN {quoted} {column.type}{collation}",
                f"ALTER TABLE {name.sql} ALTER COLUMN {quoted} SET DEFAULT {column.default.text}",
            ),
            undo=(f"ALTER TABLE {name.sql} DROP COLUMN IF EXISTS {quoted}",),
            locks=strong(name),
        ),
        BackfillStep(
            id=f"backfill.{column.name}",
            stage=Stage.BACKFILLED,
            title=f"Give every row that was there before its {column.name}",
            table=name,
            assignments=f"{quoted} = {column.default.text}",
            pending=is_null,
        ),
        VerifyStep(
            id=f"verify.{column.name}.rows",
            stage=Stage.VERIFIED,
            title=f"Prove that every row has its {column.name}",
            table=name,
            key=primary_key(table),
            mismatch=is_null,
        ),
    ]
    if column.not_null:
        tag = make_tag(str(name), column.name, "new")
        steps += not_null_steps(name, column.name, bounded("migsafe_not_null", column.name, tag))
    return tuple(steps)
