"""An operation that nobody feels and that every version works with: it runs as it was written."""

from migsafe.catalog.model import Catalog
from migsafe.effects.compatibility import compatibility_of
from migsafe.effects.model import Effects, Phase
from migsafe.effects.phase import phase_of
from migsafe.effects.predict import effects_of
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.no_way import why_not
from migsafe.plan.recipes import common
from migsafe.plan.recipes.objects.objects import recipe_of
from migsafe.plan.stages import Stage
from migsafe.plan.undo import undo_of
from migsafe.sql.changes import AddLabel, CreateFunction, CreateView, RenameObject, SchemaChange
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    OPAQUE_TAGS,
    AddColumn,
    AlterColumnType,
    CreateTable,
    Delete,
    DropConstraint,
    DropNotNull,
    Insert,
    Operation,
    OtherStatement,
    Query,
    TableOperation,
    Update,
)

_DATA = (Insert, Update, Delete, Query)
# Statements about objects that nobody feels; all others but CREATE change what somebody may be using.
_UNFELT = frozenset(
    {"ALTER DEFAULT PRIVILEGES", "ALTER SEQUENCE", "ANALYZE", "COMMENT", "GRANT", "NOTIFY", "SECURITY LABEL"}
)


def as_it_is(wanted: Wanted, scene: Scene) -> Draft | None:
    """The one step that runs the operation as written; None when it is not harmless."""
    operation, catalog = wanted.operation, scene.catalog
    effects = effects_of(operation, catalog, scene.server_version)
    if not _is_harmless(operation, wanted.sql, catalog, effects):
        return None
    subject = _subject(operation, catalog)
    back = undo_of(operation, catalog)
    warnings = _stale(operation, catalog)
    if back is None:
        warnings += (f"`{_short(wanted.sql)}` is not taken back by a revert.",)
    stage = _stage(operation, catalog)
    place = "expand" if stage is Stage.EXPANDED else "verify"
    return Draft(
        change=Change(kind=operation.kind, summary=_short(wanted.sql), subject=subject),
        steps=(
            DdlStep(
                id=f"{place}.{operation.kind}.{subject.name}",
                stage=stage,
                title=_short(wanted.sql),
                sql=(wanted.sql,),
                undo=back or (),
                locks=effects.locks,
            ),
        ),
        warnings=warnings,
    )


def _stage(operation: Operation, catalog: Catalog) -> Stage:
    """Views come, and are changed, when all that they may read is there and filled."""
    if isinstance(operation, TableOperation):
        return Stage.VERIFIED if catalog.view(operation.table) else Stage.EXPANDED
    if not isinstance(operation, OtherStatement):
        return Stage.EXPANDED
    views = operation.tag.startswith(("CREATE VIEW", "ALTER VIEW", "ALTER MATERIALIZED VIEW"))
    about = operation.target is not None and catalog.view(operation.target) is not None
    return Stage.VERIFIED if views or about else Stage.EXPANDED


def _stale(operation: Operation, catalog: Catalog) -> tuple[str, ...]:
    """What clients that keep prepared statements get from it, although the statements stay right."""
    table = catalog.table(operation.table) if isinstance(operation, TableOperation) else None
    if table is None or catalog.created_now(table):
        return ()
    match operation:
        case AddColumn():
            return (common.stale_star(table.name),)
        case AlterColumnType(column=column):
            return (common.stale_column(column),)
        case _:
            return ()


def _is_harmless(operation: Operation, sql: str, catalog: Catalog, effects: Effects) -> bool:
    if isinstance(operation, _DATA):
        return False
    if _is_seen_by_nobody(operation, catalog):
        return not effects.needs_no_transaction
    if why_not(operation, sql, catalog) is not None:
        return False
    if isinstance(operation, OtherStatement) and not _adds_only(operation, catalog):
        return False
    if phase_of(operation, catalog) not in (Phase.EXPAND, Phase.NEUTRAL):
        return False  # what takes something away waits for its stage
    if isinstance(operation, DropConstraint | DropNotNull):
        return False  # instant, but what the running version may need, and how to go back, takes a recipe
    if recipe_of(operation, catalog) is not None:
        return False
    works = compatibility_of(operation, catalog)
    quiet = not (effects.rewrites or effects.scans or effects.builds_index or effects.may_scan)
    alone = effects.needs_no_transaction or effects.waits_for_others or effects.fails
    return effects.certain and quiet and not alone and works.old and works.new


def _is_seen_by_nobody(operation: Operation, catalog: Catalog) -> bool:
    """Whether it is about a table that the migration itself makes."""
    match operation:
        case TableOperation(table=name):
            table = catalog.table(name)
        case OtherStatement(tag=tag, target=Name() as name) if tag not in OPAQUE_TAGS:
            table = catalog.table(name)
        case _:
            return False
    return table is not None and catalog.created_now(table)


def _adds_only(operation: OtherStatement, catalog: Catalog) -> bool:
    """Whether what is there stays as it is: not renamed, moved, replaced or dropped."""
    if operation.tag.startswith("CREATE "):
        return not any(_replaces(change, catalog) for change in operation.changes)
    if operation.changes and all(_is_unfelt(change) for change in operation.changes):
        return True
    return operation.tag in _UNFELT


def _is_unfelt(change: SchemaChange) -> bool:
    """Whether it adds a value, or gives another name to what no statement of an application names."""
    return isinstance(change, AddLabel) or (isinstance(change, RenameObject) and change.kind == "POLICY")


def _replaces(change: SchemaChange, catalog: Catalog) -> bool:
    match change:
        case CreateView(name=name, replaces=True):
            return not catalog.complete or catalog.view(name) is not None
        case CreateFunction(name=name, replaces=True):
            return not catalog.complete or any(each.name == name.name for each in catalog.functions)
        case _:
            return False


def _subject(operation: Operation, catalog: Catalog) -> Name:
    match operation:
        case TableOperation(table=table) | CreateTable(table=table):
            return catalog.resolve(table)
        case OtherStatement(target=Name() as target):
            return target
        case _:
            return Name(operation.kind)


def _short(sql: str) -> str:
    """The statement on one line, at most 100 characters."""
    line = " ".join(sql.split())
    return line if len(line) <= 100 else f"{line[:97]}..."
