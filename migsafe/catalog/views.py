"""Views and materialized views, and what goes away with what they read."""

from dataclasses import replace

from migsafe.catalog.model import TEMPORARY_SCHEMA, Catalog, View
from migsafe.sql.changes import CreateView
from migsafe.sql.names import Name


def create_view(catalog: Catalog, change: CreateView, *, script: str | None) -> Catalog:
    """The catalog with a new view, or with another query behind an old one."""
    reads = tuple(dict.fromkeys(catalog.resolve(name) for name in change.reads))
    temporary = change.temporary or any(name.schema == TEMPORARY_SCHEMA for name in reads)
    schema = TEMPORARY_SCHEMA if temporary else change.name.schema or catalog.creation_schema
    name = Name(change.name.name, schema)
    if change.if_not_exists and catalog.has_relation(name):
        return catalog
    old = catalog.views.get(name)
    view = View(
        name=name,
        materialized=change.materialized,
        columns=change.columns,
        columns_complete=bool(change.columns),
        reads=tuple(sorted(_known_or_certain(catalog, reads))),
        triggers=old.triggers if old else (),
        temporary=temporary,
        created_in=old.created_in if old else script,
        created_by=old.created_by if old else catalog.transaction,
        assumed=change.if_not_exists and not catalog.complete,
    )
    return catalog.with_view(view)


def drop_view(catalog: Catalog, name: Name, *, cascade: bool) -> Catalog:
    """The catalog without a view, and with CASCADE without the views that read it."""
    view = catalog.view(name)
    if view is None:
        return catalog
    if cascade:
        catalog = drop_readers(catalog, view.name)
    return catalog.without_view(view.name)


def drop_readers(catalog: Catalog, name: Name) -> Catalog:
    """The catalog without the views that read a relation."""
    for reader in catalog.lookup.readers.get(name, ()):
        catalog = drop_view(catalog, reader, cascade=True)
    return catalog


def drop_users(catalog: Catalog, name: Name, column: str) -> Catalog:
    """The catalog without the views that need a column, which went with CASCADE.

    Where only the relations are known that a view reads, it may be gone.
    """
    for reader in catalog.lookup.readers.get(name, ()):
        view = catalog.views.get(reader)
        needs = view.needs(name, column) if view else False
        if view and needs:
            catalog = drop_view(catalog, view.name, cascade=True)
        elif view and needs is None and not view.assumed:
            catalog = doubt_readers(catalog.with_view(replace(view, assumed=True)), reader)
    return catalog


def doubt_readers(catalog: Catalog, name: Name) -> Catalog:
    """The catalog in which the views that read a relation may be gone."""
    for reader in catalog.lookup.readers.get(name, ()):
        view = catalog.views.get(reader)
        if view and not view.assumed:
            catalog = doubt_readers(catalog.with_view(replace(view, assumed=True)), reader)
    return catalog


def move_readers(catalog: Catalog, was: Name, name: Name) -> Catalog:
    """The catalog in which views read a relation by its new name."""
    for reader in catalog.lookup.readers.get(was, ()):
        view = catalog.views.get(reader)
        if view and was != reader:
            reads = tuple(sorted(name if each == was else each for each in view.reads))
            uses = view.uses and frozenset((name if rel == was else rel, column) for rel, column in view.uses)
            catalog = catalog.with_view(replace(view, reads=reads, uses=uses))
    return catalog


def rename_used(catalog: Catalog, name: Name, old: str, new: str) -> Catalog:
    """The catalog in which views need a column by its new name."""
    for reader in catalog.lookup.readers.get(name, ()):
        view = catalog.views.get(reader)
        if view and view.uses and (name, old) in view.uses:
            uses = view.uses - {(name, old)} | {(name, new)}
            catalog = catalog.with_view(replace(view, uses=uses))
    return catalog


def _known_or_certain(catalog: Catalog, reads: tuple[Name, ...]) -> tuple[Name, ...]:
    """What is really a relation of the user's; system catalogs are no part of the schema."""
    system = {"pg_catalog", "information_schema"}
    kept = (name for name in reads if name.schema not in system)
    return tuple(n for n in kept if catalog.has_relation(n) or not (catalog.complete or _is_system(n)))


def _is_system(name: Name) -> bool:
    return name.name.startswith("pg_")
