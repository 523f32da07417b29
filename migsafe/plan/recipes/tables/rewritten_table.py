"""SET UNLOGGED, LOGGED, TABLESPACE and ACCESS METHOD: a copy in the new form takes the table's place.

PostgreSQL would write the table anew under its strongest lock.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-TABLESPACE
"""

from collections.abc import Sequence

from migsafe.catalog.model import Table
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.recipes import common
from migsafe.plan.recipes.tables.anew import Form, made_anew
from migsafe.plan.sync.pair import make_tag
from migsafe.sql.operations import OtherTableAction

_FORMS = frozenset({"SET LOGGED", "SET UNLOGGED", "SET TABLESPACE", "SET ACCESS METHOD"})


def rewritten_table(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """A table in another place or form.

    Raises:
        PlanError: The table is not known, or cannot be copied.
    """
    operation = wanted[0].operation
    if not isinstance(operation, OtherTableAction) or operation.action not in _FORMS:
        return None
    if (known := scene.catalog.table(operation.table)) and scene.catalog.created_now(known):
        return None
    table = common.known_table(scene.catalog, operation.table)
    if _is_so(table, operation):
        return None
    if table.partitioned:
        raise PlanError(
            f"{table.name} is partitioned: {operation.action} would say it for new partitions only",
            advice="Change its partitions one at a time.",
        )
    return made_anew(table, _form(table, operation), scene), 1


def _is_so(table: Table, operation: OtherTableAction) -> bool:
    """Whether nothing would change."""
    return (operation.action, table.unlogged) in {("SET LOGGED", False), ("SET UNLOGGED", True)}


def _form(table: Table, operation: OtherTableAction) -> Form:
    method = operation.detail if operation.action == "SET ACCESS METHOD" else table.access_method
    place = operation.detail if operation.action == "SET TABLESPACE" else table.tablespace
    ending = f" USING {method}" if method and method.upper() != "DEFAULT" else ""
    ending += f" TABLESPACE {place}" if place else ""
    return Form(
        tag=make_tag(str(table.name), operation.action),
        kind=operation.kind,
        summary=f"{operation.action} of {table.name} by a copy, while in use",
        unlogged=operation.action == "SET UNLOGGED" or (table.unlogged and operation.action != "SET LOGGED"),
        ending=ending,
    )
