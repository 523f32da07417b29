"""Views, policies, triggers and statistics that read the column: bound to the new one in the exchange.

Each of them knows the column by its number, not by its name. Said again by its own text, it finds whatever
has the name then. All of it is instant; what would not be (a materialized view) is refused.
"""

from collections.abc import Iterator

from migsafe.catalog.model import Dependent, View
from migsafe.errors import PlanError
from migsafe.plan.replace.exchange import Exchange, rename_column
from migsafe.plan.replace.replacement import Replacement
from migsafe.plan.replace.view_twins import ViewTwins
from migsafe.plan.replace.views import create_view, readers
from migsafe.plan.sync.pair import is_sync_trigger
from migsafe.sql.names import quote_identifier

CARRIED = frozenset({"view", "policy", "trigger", "statistics", "foreign key", "privileges"})


def refuse_dependants(change: Replacement) -> None:
    """Check that everything that reads the column can be bound to another one.

    Raises:
        PlanError: Something cannot: what, and what to do about it.
    """
    what = f"column {change.old.name} of {change.name}"
    for each in _dependants(change):
        if each.kind not in CARRIED and not (each.kind == "materialized view" and _has_twins(change)):
            raise PlanError(
                f"{what} is used by: {each.description}{_reason(each)}",
                advice=f"Drop the {each.description} first, and make it again after.",
            )
        if each.kind == "trigger" and each.name and is_sync_trigger(each.name.name):
            raise PlanError(
                f"{what} is used by: {each.description}, of another rollout of that column",
                advice="Let that rollout come to its end first.",
            )
        if each.kind == "trigger" and not change.swap:
            raise PlanError(
                f"{what} is used by: {each.description}, which would not fire for what the new version "
                "writes while the column has two names",
                advice="Drop the trigger first, or let it fire on every UPDATE and look at both columns.",
            )
    for view in _views(change):
        if change.around.dropped and view.name not in change.around.dropped:
            raise PlanError(
                f"{what} is used by: view {view.name}, which the migration does not drop and make again",
                advice="Drop it and make it again in the migration as well, or none of the views: then they "
                "are carried over.",
            )
        if view.materialized and not _has_twins(change):
            raise PlanError(
                f"{what} is used by: materialized view {view.name}, which would be filled again while nobody "
                "can read or write the table",
                advice="Change its type without --new-column and leave the views alone: they are carried "
                "over. For a new name drop it first, and create it again after the rollout.",
            )
        if not view.definition:
            raise PlanError(
                f"{what} is used by: view {view.name}, whose exact definition is not known",
                advice="Give the live database with --database, so that nothing about it is guessed.",
            )


def _has_twins(change: Replacement) -> bool:
    """Whether materialized views can be carried over: under one name, and by nobody else's wish."""
    return change.swap and not change.around.dropped


def view_twins(change: Replacement) -> ViewTwins:
    """The views that cannot be said again in an instant, and all that belong to them."""
    views = _views(change)
    return ViewTwins(change=change, views=views if any(view.materialized for view in views) else ())


def _reason(each: Dependent) -> str:
    if each.kind == "materialized view":
        return ", which would be filled again while nobody can read or write the table"
    if each.description.startswith("generated column"):
        return ", which PostgreSQL computes again only with a rewrite of the whole table"
    return ", which cannot be bound to another column in one instant"


def dependants_exchange(change: Replacement) -> Exchange:
    """All of them are said again, once the column's name means the new one."""
    views = () if view_twins(change).views else _views(change)
    before: list[str] = []
    after: list[str] = []
    back: list[str] = []  # the views as they were
    undrop: list[str] = []  # the views as the migration makes them
    if change.alike:
        after += [create_view(view, replace=True) for view in views]
    else:
        before += [f"DROP VIEW {view.name.sql}" for view in reversed(views)]
        for view in views:
            back += [create_view(view, replace=False), *view.adorned]
        after += change.around.made or back
        undrop += [f"DROP VIEW {name.sql}" for name in reversed(change.around.names)]
    locks = [view.name for view in views]
    away: list[str] = []
    again: list[str] = []
    for each in _dependants(change):
        match each.kind:
            case "policy" if each.name and each.table:
                policy = quote_identifier(each.name.name)
                again.append(f"ALTER POLICY {policy} ON {each.table.sql}{each.definition}")
                locks.append(each.table)
            case "trigger" if each.name:
                away.append(f"DROP TRIGGER {quote_identifier(each.name.name)} ON {change.name.sql}")
                again += _trigger(change, each.name.name)
            case "statistics" if each.name and each.definition:
                away.append(f"DROP STATISTICS {each.name.sql}")
                again.append(each.definition)
            case _:
                pass
    if not (after or again):
        return Exchange()
    return Exchange(
        before=(*before, *away),
        after=_under_old_name(change, (*after, *again)),
        undo_before=(*(undrop or before), *away),
        undo_after=(*(back or after), *again),
        locks=tuple(locks),
    )


def _under_old_name(change: Replacement, statements: tuple[str, ...]) -> tuple[str, ...]:
    """Their texts say the old name: so the new column has it for as long as they are read."""
    if change.swap:
        return statements
    old, new = change.old.name, change.working
    return (
        rename_column(change.name, new, old),
        *statements,
        rename_column(change.name, old, new),
    )


def _dependants(change: Replacement) -> Iterator[Dependent]:
    seen = set()
    for each in change.table.dependents:
        key = (each.kind, each.name, each.table, each.description)
        if each.column == change.old.name and key not in seen:
            seen.add(key)
            yield each


def _views(change: Replacement) -> tuple[View, ...]:
    """The views to be said again, each after those that it reads."""
    catalog = change.catalog
    found = [
        catalog.views[each.name]
        for each in _dependants(change)
        if each.kind in {"view", "materialized view"} and each.name is not None and each.name in catalog.views
    ]
    if change.alike:
        return tuple(found)
    return readers(found, catalog, change.around.dropped)


def _trigger(change: Replacement, name: str) -> Iterator[str]:
    found = next(each for each in change.table.triggers if each.name == name)
    yield found.definition
    if not found.enabled:
        yield f"ALTER TABLE {change.name.sql} DISABLE TRIGGER {quote_identifier(name)}"


def needs_mending(change: Replacement) -> bool:
    """Whether PostgreSQL would refuse to change the type because of what is said again here."""
    return any(
        each.kind in {"view", "materialized view", "policy", "trigger"} for each in _dependants(change)
    )
