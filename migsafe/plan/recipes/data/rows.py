"""What the recipes share that change many rows: what they refuse, and what a person must know."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from migsafe.catalog.model import Catalog, Constraint, Table
from migsafe.effects.model import Lock, LockMode
from migsafe.effects.volatility import volatility_of
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, DownMap
from migsafe.plan.stages import Stage
from migsafe.sql.aliases import relations_of
from migsafe.sql.insert import MANY_OR_NONE
from migsafe.sql.operations import ConstraintKind, Expression, TableOperation

_ON_DELETE = re.compile(r"ON DELETE (CASCADE|SET NULL|SET DEFAULT)")
# Not volatile, but another value in every batch.
OF_THE_MOMENT = frozenset(
    {"now", "current_timestamp", "current_time", "current_date", "localtime", "localtimestamp"}
    | {"transaction_timestamp", "statement_timestamp"}
)


def is_steady(expression: Expression, catalog: Catalog) -> bool:
    """Whether computing it again for the same rows gives the same value."""
    functions = tuple(name for name in expression.functions if name not in MANY_OR_NONE)
    if OF_THE_MOMENT & {*functions}:
        return False
    return not volatility_of(replace(expression, functions=functions), catalog).volatile


def as_written(
    operation: TableOperation,
    wanted: Wanted,
    table: Table,
    *,
    patient: bool,
    down_map: DownMap = DownMap.TOTAL,
    warnings: tuple[str, ...] = (),
) -> Draft:
    """The statement in one transaction, for a table that nobody else sees yet, or for a few rows."""
    line = " ".join(wanted.sql.split())
    title = line if len(line) <= 100 else f"{line[:97]}..."
    return Draft(
        change=Change(kind=operation.kind, summary=title, subject=table.name, down_map=down_map),
        warnings=warnings,
        steps=(
            DdlStep(
                id=f"backfill.{operation.kind}.{table.name.name}.{wanted.line}",
                stage=Stage.BACKFILLED,
                title=title,
                sql=(wanted.sql,),
                locks=(Lock(table.name, LockMode.ROW_EXCLUSIVE),),
                patient=patient,
            ),
        ),
    )


def refuse_only(operation: TableOperation, table: Table, catalog: Catalog) -> None:
    """A step goes through the children of a table too.

    Raises:
        PlanError: The statement leaves them out.
    """
    if operation.only and next(catalog.children(table.name), None):
        raise PlanError(
            f"ONLY leaves out the tables that inherit from {table.name}, which a backfill goes through too",
            advice="Add a condition on a column that only the rows of one table satisfy.",
        )


def lost(summary: str) -> tuple[DownMap, str]:
    """The down-map of what a revert does not bring back, and the warning that says so."""
    return DownMap.NONE, (
        f"{summary}: a revert does not bring this back. The point of no return of these rows is the first "
        "batch, in stage backfilled, long before anything is dropped: keep a copy of what you may need again."
    )


def needs_index(catalog: Catalog, sources: str, where: Expression | None) -> Iterator[str]:
    """Tables that every batch would read from end to end."""
    compared = {*where.columns} if where else set()
    for name, _ in relations_of(sources):
        table = catalog.table(name)
        if table is None or any(index.keys and index.keys[0] in compared for index in table.indexes):
            continue
        yield (
            f"No index of {table.name} begins with a column of the condition: each batch reads all of it. "
            "If it is big, create one first."
        )


def references(table: Table, catalog: Catalog) -> Iterator[tuple[Table, Constraint]]:
    """The foreign keys that point at the table, with the tables that have them."""
    for name in table.referenced_by:
        other = catalog.table(name)
        if other is None:
            continue
        for constraint in other.constraints:
            if constraint.kind is ConstraintKind.FOREIGN_KEY and constraint.references == table.name:
                yield other, constraint


def deleted_along(table: Table, catalog: Catalog) -> Iterator[str]:
    """What deleting rows does to the tables that point at them."""
    for other, key in references(table, catalog):
        found = _ON_DELETE.search(key.definition)
        columns = ", ".join(key.columns)
        match found[1] if found else "":
            case "CASCADE":
                yield (
                    f"Rows of {other.name} that point at a deleted row of {table.name} are deleted with it "
                    f"({key.name} says ON DELETE CASCADE), and are not brought back either."
                )
            case "":
                yield f"A row of {table.name} that {other.name} still points at ({key.name}) stops the step."
            case action:
                yield (
                    f"{columns} of {other.name} loses its value where it points at a deleted row of "
                    f"{table.name} ({key.name} says ON DELETE {action})."
                )
        if not any(index.keys[: len(key.columns)] == key.columns for index in other.indexes):
            yield (
                f"No index of {other.name} begins with {columns}: for each deleted row of {table.name} all "
                f"of {other.name} is read. Create that index first."
            )


def batched(parts: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """All warnings, each once, in order."""
    return tuple(dict.fromkeys(warning for part in parts for warning in part))
