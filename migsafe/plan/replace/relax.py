"""NOT NULL and CHECKs of a column that only the old version knows: taken away at once, given back gently."""

from migsafe.catalog.model import Constraint, Table
from migsafe.plan.gentle import strong
from migsafe.plan.model import DdlStep
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import quote_identifier


def relax_not_null(table: Table, column: str) -> DdlStep:
    """The column may hold NULL from expand on; going back proves first that it does not."""
    quoted = quote_identifier(column)
    return DdlStep(
        id=f"expand.{column}.nullable",
        stage=Stage.EXPANDED,
        title=f"Let {column} be NULL: the new version gives it no value",
        sql=(f"ALTER TABLE {table.name.sql} ALTER COLUMN {quoted} DROP NOT NULL",),
        undo=not_null_again(table, column),
        undo_apart=True,
        locks=strong(table.name),
    )


def not_null_again(table: Table, column: str) -> tuple[str, ...]:
    """SET NOT NULL without a long strong lock, each statement by itself, repeatable from the first."""
    quoted = quote_identifier(column)
    tag = make_tag(str(table.name), column, "not null again")
    check = quote_identifier(bounded("migsafe_not_null", column, tag))
    alter = f"ALTER TABLE {table.name.sql}"
    # From PostgreSQL 18 on NOT NULL has a name, which SET NOT NULL would make up anew.
    named = next((each.name for each in table.not_nulls if each.columns == (column,)), None)
    back = f"ALTER COLUMN {quoted} SET NOT NULL"
    if named is not None and named != f"{table.name.name}_{column}_not_null":
        back = f"ADD CONSTRAINT {quote_identifier(named)} NOT NULL {quoted}"
    return (
        f"{alter} DROP CONSTRAINT IF EXISTS {check}",
        f"{alter} ADD CONSTRAINT {check} CHECK ({quoted} IS NOT NULL) NOT VALID",
        f"{alter} VALIDATE CONSTRAINT {check}",
        f"{alter} {back}",
        f"{alter} DROP CONSTRAINT IF EXISTS {check}",
    )


def drop_check(table: Table, constraint: Constraint) -> DdlStep:
    """A CHECK that could refuse the new version's rows; going back proves it again."""
    quoted = quote_identifier(constraint.name)
    alter = f"ALTER TABLE {table.name.sql}"
    back = [
        f"{alter} DROP CONSTRAINT IF EXISTS {quoted}",
        f"{alter} ADD CONSTRAINT {quoted} {constraint.definition} NOT VALID",
    ]
    if constraint.validated:
        back.append(f"{alter} VALIDATE CONSTRAINT {quoted}")
    return DdlStep(
        id=f"expand.{constraint.name}.drop",
        stage=Stage.EXPANDED,
        title=f"Drop constraint {constraint.name}, which rows of the new version may not satisfy",
        sql=(f"{alter} DROP CONSTRAINT {quoted}",),
        undo=tuple(back),
        undo_apart=True,
        locks=strong(table.name),
    )
