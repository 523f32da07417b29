"""Which recipe is for a statement about views, types, functions, triggers and their like."""

from collections.abc import Callable
from functools import partial

from migsafe.catalog.model import Catalog
from migsafe.catalog.types import find_domain, find_type
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.recipes.objects import (
    domains,
    enums,
    functions,
    later,
    materialized,
    triggers,
    type_names,
    views,
)
from migsafe.plan.sync.pair import fires_after_sync
from migsafe.sql.changes import (
    AddLabel,
    AlterDomain,
    CreateFunction,
    CreateOnTable,
    CreateTrigger,
    CreateView,
    DropObject,
    MoveObject,
    RenameObject,
    SchemaChange,
)
from migsafe.sql.operations import Operation, OtherStatement

Recipe = Callable[[Wanted, Scene], Draft | None]
_VIEWS = frozenset({"VIEW", "MATERIALIZED VIEW"})
_CALLED = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE", "ROUTINE"})
_TYPES = frozenset({"TYPE", "DOMAIN"})


def object_recipe(operation: OtherStatement, wanted: Wanted, scene: Scene) -> Draft | None:
    """The draft for a statement that has a recipe; None for one that has none.

    Raises:
        PlanError: There is no safe way: why, and what to do.
    """
    recipe = recipe_of(operation, scene.catalog)
    return recipe(wanted, scene) if recipe else None


def recipe_of(operation: Operation, catalog: Catalog) -> Recipe | None:
    """The recipe for this statement on this schema; None where it runs as written, or has none."""
    if not isinstance(operation, OtherStatement):
        return None
    if operation.tag.startswith("REFRESH MATERIALIZED VIEW"):
        return partial(materialized.refresh, operation)
    for change in operation.changes[:1]:
        found = _of_change(change, catalog)
        if found is not None:
            return found
    if operation.tag in later.TAGS:
        return partial(later.at_the_end, operation)
    return None


def _of_change(change: SchemaChange, catalog: Catalog) -> Recipe | None:
    match change:
        case CreateView():
            return _of_view(change, catalog)
        case CreateFunction(replaces=True) if functions.existing(change, catalog):
            return partial(functions.replace_function, change)
        case CreateTrigger() if _has_trigger(change, catalog):
            return partial(triggers.create_trigger, change)
        case CreateOnTable(kind="POLICY"):
            return None
        case AddLabel():
            return None if _is_new(change, catalog) else partial(enums.add_value, change)
        case AlterDomain(action=action) if action in domains.DEMANDS | domains.RELEASES:
            return partial(domains.alter_domain, change) if _is_used(change, catalog) else None
        case DropObject():
            return _of_drop(change)
        case RenameObject() | MoveObject():
            return _of_rename(change)
        case _:
            return None


def _of_view(change: CreateView, catalog: Catalog) -> Recipe | None:
    old = catalog.view(change.name)
    if change.temporary or (old is not None and catalog.created_now(old)):
        return None
    if old is not None:
        return partial(views.replace_view, change) if change.replaces else None
    return partial(materialized.create_materialized, change) if change.materialized else None


def _has_trigger(change: CreateTrigger, catalog: Catalog) -> bool:
    relation = catalog.table(change.table) or catalog.view(change.table)
    there = relation is not None and any(each.name == change.name for each in relation.triggers)
    return there or (change.before and change.row and fires_after_sync(change.name))


def _is_new(change: AddLabel, catalog: Catalog) -> bool:
    """Whether this very migration makes the type."""
    found = find_type(catalog, change.type)
    return found is not None and found.created_by is not None and found.created_by == catalog.transaction


def _is_used(change: AlterDomain, catalog: Catalog) -> bool:
    found = find_domain(catalog, change.name)
    return found is None or change.action in domains.RELEASES or domains.is_used(found, catalog)


def _of_drop(change: DropObject) -> Recipe | None:
    match change.kind:
        case kind if kind in _VIEWS:
            return partial(views.drop_view, change)
        case kind if kind in _CALLED:
            return partial(functions.drop_function, change)
        case "TRIGGER":
            return partial(triggers.drop_trigger, change)
        case "TYPE" | "DOMAIN" | "SEQUENCE":
            return partial(type_names.drop_type, change)
        case _:
            return None


def _of_rename(change: RenameObject | MoveObject) -> Recipe | None:
    part = change.part_kind if isinstance(change, RenameObject) else None
    match change.kind:
        case kind if kind in _VIEWS:
            return partial(views.rename_view, change)
        case kind if kind in _CALLED:
            return partial(functions.rename_function, change)
        case "SEQUENCE":
            return partial(type_names.rename_sequence, change)
        case kind if kind in _TYPES and part == "constraint":
            return None
        case kind if kind in _TYPES and part == "value" and isinstance(change, RenameObject):
            return partial(enums.rename_value, change)
        case kind if kind in _TYPES:
            return partial(type_names.rename_type, change)
        case "SCHEMA":
            return partial(_schema, change)
        case _:
            return None


def _schema(change: RenameObject | MoveObject, _wanted: Wanted, _scene: Scene) -> Draft:
    raise PlanError(
        f"the schema {change.name} has one name at a time, and everything in it is named by it",
        advice="Make the new schema, and move what is in it in migrations of their own (SET SCHEMA).",
    )
