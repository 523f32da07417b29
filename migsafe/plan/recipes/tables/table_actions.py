"""When a constraint is checked; and what ALTER TABLE says of a view.

https://www.postgresql.org/docs/current/sql-altertable.html
"""

import re
from collections.abc import Sequence

from migsafe.catalog.model import Catalog, Table
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes.objects import parts, views
from migsafe.plan.stages import Stage
from migsafe.sql.changes import MoveObject, RenameObject
from migsafe.sql.names import Name, parse_name, quote_identifier
from migsafe.sql.operations import OtherTableAction, RenameTable, SetSchema

_DEFERRABLE = re.compile(r"(NOT\s+)?DEFERRABLE", re.IGNORECASE)
_INITIALLY = re.compile(r"INITIALLY\s+(DEFERRED|IMMEDIATE)", re.IGNORECASE)


def table_action(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """The draft of such an action; None for all others.

    Raises:
        PlanError: It is about something that is not known, or has no safe way.
    """
    first = wanted[0]
    operation, catalog = first.operation, scene.catalog
    if isinstance(operation, RenameTable | SetSchema):
        return _of_view(operation, first, scene)
    if not isinstance(operation, OtherTableAction):
        return None
    table = catalog.table(operation.table)
    if table is None or catalog.created_now(table):
        return None
    if operation.action == "ALTER CONSTRAINT":
        return _constraint(operation, table, first, catalog), 1
    return None


def _of_view(operation: RenameTable | SetSchema, wanted: Wanted, scene: Scene) -> tuple[Draft, int] | None:
    """ALTER TABLE says it of views too."""
    view = scene.catalog.view(operation.table)
    if view is None or scene.catalog.created_now(view):
        return None
    kind = views.kind_of(view)
    change = (
        RenameObject(kind=kind, name=view.name, new_name=operation.new_name)
        if isinstance(operation, RenameTable)
        else MoveObject(kind=kind, name=view.name, new_schema=operation.new_schema)
    )
    return views.rename_view(change, wanted, scene), 1


def _constraint(operation: OtherTableAction, table: Table, wanted: Wanted, catalog: Catalog) -> Draft:
    """When a constraint is checked: at each statement, or at the end of the transaction."""
    word, _, rest = operation.detail.partition(" ")
    name = parse_name(word)
    found = table.constraint(name.name) if name else None
    if found is None:
        raise parts.refuse_unknown(f"constraint {word} of {table.name}", catalog, if_exists=False)
    if "enforced" in rest.lower() or "inherit" in rest.lower():
        raise PlanError(
            f"there is no gentle way to make {found.name} of {table.name} {rest}",
            advice="Drop the constraint and add it again in two migrations: each of them has a plan.",
        )
    former = _INITIALLY.search(found.definition)
    deferrable = " DEFERRABLE" in found.definition
    back = "DEFERRABLE" if deferrable else "NOT DEFERRABLE"
    back += f" {former[0]}" if former else " INITIALLY IMMEDIATE" if deferrable else ""
    wish = _DEFERRABLE.search(rest)
    takes = deferrable and wish is not None and wish[1] is not None
    told = (
        f"SET CONSTRAINTS {found.name} DEFERRED fails once it is NOT DEFERRABLE: the old version may say it."
        if takes
        else f"What breaks {found.name} is told at COMMIT from now on, also to the version that runs today."
    )
    undo = f"ALTER TABLE {table.name.sql} ALTER CONSTRAINT {quote_identifier(found.name)} {back}"
    tables = (table.name, *([found.references] if found.references else ()))
    return _draft(
        table, wanted, Stage.TOMBSTONED if takes else Stage.EXPANDED, (undo,), (told,), tables=tables
    )


def _draft(
    table: Table,
    wanted: Wanted,
    stage: Stage,
    undo: tuple[str, ...],
    told: tuple[str, ...],
    *,
    tables: tuple[Name, ...] = (),
) -> Draft:
    short = " ".join(wanted.sql.split())[:100]
    place = "expand" if stage is Stage.EXPANDED else "contract"
    kind = wanted.operation.kind
    return Draft(
        change=Change(kind=kind, summary=short, subject=table.name),
        compatibility=parts.LOOSENED if stage is Stage.EXPANDED else parts.LEAVING,
        steps=(
            DdlStep(
                id=f"{place}.{kind}.{table.name.name}.{wanted.line}",
                stage=stage,
                title=short,
                sql=(wanted.sql,),
                undo=undo,
                locks=strong(*sorted(tables or {table.name})),
            ),
        ),
        warnings=told,
    )
