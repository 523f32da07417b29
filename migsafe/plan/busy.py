"""Operations of one migration that would get into each other's way."""

from collections.abc import Iterator, Sequence

from migsafe.catalog.model import Catalog
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft
from migsafe.plan.migration import Wanted
from migsafe.plan.stages import Phase
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AlterColumnType,
    CreateTable,
    DropTable,
    Operation,
    OtherStatement,
    RenameColumn,
    RenameTable,
    SetSchema,
    TableOperation,
)

_ADVICE = "Plan the two one after the other, each from a migration of its own."


def refuse_busy(before: Sequence[Draft], wanted: Wanted, catalog: Catalog, *, file: str) -> None:
    """Check that the operation leaves alone what earlier ones keep in two forms for a while.

    Raises:
        PlanError: It does not.
    """
    names = set(_touched(wanted.operation, catalog))
    for draft in before:
        for name in draft.busy:
            if name in names:
                raise PlanError(
                    f"{file}:{wanted.line}: {name} is touched again while '{draft.change.summary}' goes on",
                    advice=_ADVICE,
                )
        moves = isinstance(wanted.operation, RenameTable | SetSchema | DropTable)
        late = any(step.stage.phase is Phase.CONTRACT for step in draft.steps)
        if moves and late and draft.change.subject in names:
            raise PlanError(
                f"{file}:{wanted.line}: {draft.change.subject} goes away, or gets another name, while "
                f"'{draft.change.summary}' goes on",
                advice=_ADVICE,
            )


def _touched(operation: Operation, catalog: Catalog) -> Iterator[Name]:
    match operation:
        case CreateTable(table=table):
            yield catalog.resolve(table)
            yield from (catalog.resolve(parent) for parent in (*operation.inherits, *operation.like))
        case TableOperation(table=table):
            yield catalog.resolve(table)
        case OtherStatement(target=Name() as target):
            yield catalog.resolve(target)
    match operation:
        case RenameTable(table=table, new_name=new):
            yield Name(new, catalog.resolve(table).schema)
        case SetSchema(table=table, new_schema=schema):
            yield Name(table.name, schema)


def refuse_referenced(
    draft: Draft, operation: AlterColumnType | RenameColumn, catalog: Catalog, *, file: str, line: int
) -> None:
    """Check that an earlier draft does not keep a foreign key to the column that is now to make way.

    Raises:
        PlanError: It does: the old column's foreign key waits with it to be dropped.
    """
    column, child = draft.change.column, catalog.table(draft.change.subject)
    table = catalog.resolve(operation.table)
    if child is None or column is None:
        return
    names = {column.old, column.new}
    for key in child.constraints:
        refers = key.references == table and operation.column in key.referenced_columns
        if refers and names & {*key.columns}:
            raise PlanError(
                f"{file}:{line}: {operation.column} of {table} is referenced by {column.old} of "
                f"{draft.change.subject}, which is on its way already",
                advice="Put the referenced column first in the migration, then those that refer to it.",
            )
