"""A new type together with what PostgreSQL wants to be out of its way: a default, and views.

ALTER TABLE t ALTER c DROP DEFAULT, ALTER c TYPE mood USING c::mood, ALTER c SET DEFAULT 'fine';
DROP VIEW v; ALTER TABLE t ALTER c TYPE bigint; CREATE VIEW v AS ...; GRANT SELECT ON v TO reader;
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from migsafe.catalog.model import Catalog
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.recipes.as_it_is import as_it_is
from migsafe.plan.recipes.columns.change_type import change_type
from migsafe.plan.replace.replacement import Around
from migsafe.sql.changes import CreateView, DropObject, SchemaChange
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AlterColumnType,
    DropDefault,
    Operation,
    OtherStatement,
    SetDefault,
)

Kind = TypeVar("Kind", bound=Operation)


def retype(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """A change of type with the statements that belong to it; None when nothing stands around it.

    Raises:
        PlanError: There is no way to change the type.
    """
    reader = _Reader(wanted=wanted, catalog=scene.catalog)
    dropped = reader.dropped_views()
    had_default = reader.at(DropDefault)
    if had_default is not None:
        reader.place += 1
    operation = reader.at(AlterColumnType)
    if operation is None or (had_default and not _same(had_default, operation)):
        return None
    changed = wanted[reader.place]
    reader.place += 1
    default = reader.at(SetDefault)
    if default is not None and _same(default, operation):
        reader.place += 1
    else:
        default = None
    if had_default is not None and default is None:
        return None
    made = reader.made_views(dropped)
    if (default is None and not dropped) or len(made) < len(dropped) or as_it_is(changed, scene) is not None:
        return None
    around = Around(
        default=default.default.text if default else None,
        dropped=dropped,
        made=tuple(each.sql for each in made),
        names=tuple(name for each in made for name in _creates(each.operation, scene.catalog)),
    )
    return change_type(operation, changed, scene, around=around), reader.place


def _same(one: DropDefault | SetDefault, other: AlterColumnType) -> bool:
    return (one.table, one.column) == (other.table, other.column)


def _change(operation: Operation) -> SchemaChange | None:
    if isinstance(operation, OtherStatement) and len(operation.changes) == 1:
        return operation.changes[0]
    return None


def _creates(operation: Operation, catalog: Catalog) -> list[Name]:
    change = _change(operation)
    return [catalog.resolve(change.name)] if isinstance(change, CreateView) else []


@dataclass(slots=True, kw_only=True)
class _Reader:
    """A place in the operations of the migration."""

    wanted: Sequence[Wanted]
    catalog: Catalog
    place: int = 0

    def at(self, kind: type[Kind]) -> Kind | None:
        """The operation there, if it is of this kind."""
        if self.place >= len(self.wanted):
            return None
        found = self.wanted[self.place].operation
        return found if isinstance(found, kind) else None

    def dropped_views(self) -> tuple[Name, ...]:
        """The views that are dropped first."""
        found: list[Name] = []
        while (statement := self.at(OtherStatement)) is not None:
            change = _change(statement)
            if not isinstance(change, DropObject) or change.kind != "VIEW" or change.cascade:
                break
            view = self.catalog.view(change.name)
            if view is None or view.materialized or self.catalog.created_now(view):
                break
            found.append(view.name)
            self.place += 1
        return tuple(found)

    def made_views(self, dropped: tuple[Name, ...]) -> tuple[Wanted, ...]:
        """The same views made again, and what is said about them."""
        found: list[Wanted] = []
        while (statement := self.at(OtherStatement)) is not None:
            change = _change(statement)
            named = change.name if isinstance(change, CreateView) else statement.target
            makes = isinstance(change, CreateView) and not change.materialized and not change.temporary
            says = statement.tag in {"GRANT", "COMMENT"}
            if not (makes or says) or named is None or self.catalog.resolve(named) not in dropped:
                break
            found.append(self.wanted[self.place])
            self.place += 1
        return tuple(found)
