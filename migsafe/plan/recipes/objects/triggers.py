"""Triggers replaced, dropped, and switched on and off: a short lock, and the old one known by its definition.

https://www.postgresql.org/docs/current/sql-createtrigger.html
"""

from collections.abc import Sequence

from migsafe.catalog.find import family
from migsafe.catalog.model import Catalog, Table, Trigger, View
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes import common
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import TRIGGER_PREFIX, fires_after_sync
from migsafe.sql.changes import CreateTrigger, DropObject
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import OtherStatement


def drop_trigger(change: DropObject, _wanted: Wanted, scene: Scene) -> Draft:
    """A trigger that fires for as long as the old version runs, which may count on it.

    Raises:
        PlanError: It is not known exactly.
    """
    assert change.table is not None  # noqa: S101 -- DROP TRIGGER names its table
    relation = relation_of(change.table, scene.catalog)
    old = next((each for each in relation.triggers if each.name == change.name.name), None)
    if old is None:
        what = f"trigger {change.name} of {relation.name}"
        raise parts.refuse_unknown(what, scene.catalog, if_exists=change.if_exists)
    return Draft(
        change=Change(
            kind="drop_trigger", summary=f"Drop trigger {old.name} of {relation.name}", subject=relation.name
        ),
        compatibility=parts.LEAVING,
        steps=(
            DdlStep(
                id=f"contract.trigger.{old.name}",
                stage=Stage.TOMBSTONED,
                title=f"Drop trigger {old.name} of {relation.name}",
                sql=(_drop(relation, old.name),),
                undo=again(relation, old),
                locks=strong(*_names(relation, scene.catalog)),
            ),
        ),
        warnings=(
            f"{old.name} of {relation.name} fires for both versions until 'tombstoned': the new version must "
            "bear what it does.",
        ),
    )


def create_trigger(change: CreateTrigger, wanted: Wanted, scene: Scene) -> Draft | None:
    """CREATE OR REPLACE of a trigger that is there; None for a new one, which runs as written.

    Raises:
        PlanError: It would fire after the triggers that keep two columns equal, or the old one is not known.
    """
    if change.before and change.row and fires_after_sync(change.name):
        raise PlanError(
            f"trigger {change.name} on {change.table} would fire after the sync triggers of a rollout and "
            "could undo their work",
            advice=f"Give it a name before {TRIGGER_PREFIX}, such as a_{change.name}.",
        )
    relation = scene.catalog.table(change.table) or scene.catalog.view(change.table)
    old = next((each for each in relation.triggers if each.name == change.name), None) if relation else None
    if relation is None or old is None:
        return None
    return _replaced(relation, old, (wanted.sql,), scene)


def remake_trigger(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """DROP TRIGGER a, then CREATE TRIGGER a: in one transaction, so that no row is written without.

    Raises:
        PlanError: The old one is not known exactly.
    """
    if len(wanted) < 2:
        return None
    drop, create = (_only_change(each) for each in wanted[:2])
    if not isinstance(drop, DropObject) or not isinstance(create, CreateTrigger) or drop.kind != "TRIGGER":
        return None
    catalog = scene.catalog
    if drop.table is None or drop.name.name != create.name:
        return None
    if catalog.resolve(drop.table) != catalog.resolve(create.table):
        return None
    relation = relation_of(create.table, catalog)
    old = next((each for each in relation.triggers if each.name == create.name), None)
    if old is None:
        return None
    create_trigger(create, wanted[1], scene)  # refuses a name that comes too late
    return _replaced(relation, old, (_drop(relation, old.name), wanted[1].sql), scene), 2


def _replaced(relation: Table | View, old: Trigger, sql: tuple[str, ...], scene: Scene) -> Draft:
    return Draft(
        change=Change(
            kind="replace_trigger",
            summary=f"Replace trigger {old.name} of {relation.name}",
            subject=relation.name,
        ),
        compatibility=parts.LOOSENED,
        steps=(
            DdlStep(
                id=f"expand.trigger.{old.name}",
                stage=Stage.EXPANDED,
                title=f"Replace trigger {old.name} of {relation.name}, in one transaction",
                sql=sql,
                undo=(_drop(relation, old.name), *again(relation, old)),
                locks=strong(*_names(relation, scene.catalog)),
            ),
        ),
        warnings=(
            f"The new {old.name} fires for both versions from the first stage on: it must do for the old one "
            "what that expects.",
        ),
    )


def again(relation: Table | View, old: Trigger) -> tuple[str, ...]:
    """The statements that make a trigger as it was.

    Raises:
        PlanError: Its exact definition is not known.
    """
    if not old.definition:
        raise parts.inexact(f"trigger {old.name} of {relation.name}")
    off = f"ALTER TABLE {relation.name.sql} DISABLE TRIGGER {quote_identifier(old.name)}"
    return (old.definition,) if old.enabled else (old.definition, off)


def relation_of(name: Name, catalog: Catalog) -> Table | View:
    """The table or view of a trigger.

    Raises:
        PlanError: It is not known.
    """
    return catalog.view(name) or common.known_table(catalog, name)


def _names(relation: Table | View, catalog: Catalog) -> list[Name]:
    if isinstance(relation, View):
        return [relation.name]
    return sorted(each.name for each in family(catalog, relation.name))


def _drop(relation: Table | View, name: str) -> str:
    return f"DROP TRIGGER IF EXISTS {quote_identifier(name)} ON {relation.name.sql}"


def _only_change(wanted: Wanted) -> object:
    operation = wanted.operation
    if isinstance(operation, OtherStatement) and len(operation.changes) == 1:
        return operation.changes[0]
    return None
