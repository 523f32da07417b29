"""Ways to find tables by what belongs to them, kept beside the tables so that nothing is searched for."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from migsafe.catalog.objects import Constraint, Index, Table, View
from migsafe.catalog.persistent import NameMap
from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Which relation an index belongs to, which tables stand below another, which views read a relation.

    `constraint_names` counts the constraints of each name: PostgreSQL makes up none that its schema has.

    `tables` and `views` are the mappings it was made for: it holds for no others.
    """

    tables: Mapping[Name, Table]
    views: Mapping[Name, View]
    index_owner: NameMap[Name] = field(default_factory=NameMap)
    children: NameMap[tuple[Name, ...]] = field(default_factory=NameMap)
    readers: NameMap[tuple[Name, ...]] = field(default_factory=NameMap)
    constraint_names: NameMap[int] = field(default_factory=NameMap)

    @classmethod
    def of(cls, tables: Mapping[Name, Table], views: Mapping[Name, View]) -> "Lookup":
        """The lookup for these tables and views."""
        owners: dict[Name, Name] = {}
        below: dict[Name, list[Name]] = {}
        readers: dict[Name, list[Name]] = {}
        names = Counter(_constraint_name(table, each) for table in tables.values() for each in _all(table))
        relations: list[Table | View] = [*tables.values(), *views.values()]
        for relation in relations:
            owners.update(
                (Name(index.name, relation.name.schema), relation.name) for index in relation.indexes
            )
        for table in tables.values():
            for parent in table.parents:
                below.setdefault(parent, []).append(table.name)
        for view in views.values():
            for read in view.reads:
                readers.setdefault(read, []).append(view.name)
        return cls(
            tables=tables,
            views=views,
            index_owner=NameMap(owners),
            children=NameMap({name: tuple(found) for name, found in below.items()}),
            readers=NameMap({name: tuple(found) for name, found in readers.items()}),
            constraint_names=NameMap(names),
        )

    def moved(self, old: Table | None, new: Table | None, tables: Mapping[Name, Table]) -> "Lookup":
        """The lookup after one table became another, came (old None) or went (new None)."""
        was, now = (old.parents if old else ()), (new.parents if new else ())
        return replace(
            self,
            tables=tables,
            index_owner=_owners(self.index_owner, old, new),
            children=_links(self.children, old, new, was, now),
            constraint_names=_counted(self.constraint_names, old, new),
        )

    def moved_view(self, old: View | None, new: View | None, views: Mapping[Name, View]) -> "Lookup":
        """The same for a view."""
        was, now = (old.reads if old else ()), (new.reads if new else ())
        return replace(
            self,
            views=views,
            index_owner=_owners(self.index_owner, old, new),
            readers=_links(self.readers, old, new, was, now),
        )


def _owners(owners: NameMap[Name], old: Table | View | None, new: Table | View | None) -> NameMap[Name]:
    was: tuple[Index, ...] = old.indexes if old else ()
    now: tuple[Index, ...] = new.indexes if new else ()
    if was is now and old and new and old.name == new.name:
        return owners
    kept = {index.name for index in now} if new and old and old.name == new.name else set()
    for index in was:
        if old and index.name not in kept:
            owners = owners.drop(Name(index.name, old.name.schema))
    before = {index.name for index in was} if new and old and old.name == new.name else set()
    for index in now:
        if new and index.name not in before:
            owners = owners.put(Name(index.name, new.name.schema), new.name)
    return owners


def _links(
    links: NameMap[tuple[Name, ...]],
    old: Table | View | None,
    new: Table | View | None,
    was: Iterable[Name],
    now: Iterable[Name],
) -> NameMap[tuple[Name, ...]]:
    if was == now and old and new and old.name == new.name:
        return links
    for name in dict.fromkeys(was):
        left = tuple(each for each in links.get(name, ()) if old and each != old.name)
        links = links.put(name, left) if left else links.drop(name)
    for name in dict.fromkeys(now):
        if new:
            links = links.put(name, (*links.get(name, ()), new.name))
    return links


def _counted(names: NameMap[int], old: Table | None, new: Table | None) -> NameMap[int]:
    if old and new and old.name == new.name and _all(old) == _all(new):
        return names
    change = Counter(_constraint_name(new, each) for each in _all(new)) if new else Counter[Name]()
    change.subtract(Counter(_constraint_name(old, each) for each in _all(old)) if old else ())
    for name, by in change.items():
        if by:
            count = names.get(name, 0) + by
            names = names.put(name, count) if count > 0 else names.drop(name)
    return names


def _all(table: Table) -> tuple[Constraint, ...]:
    return (*table.constraints, *table.not_nulls)


def _constraint_name(table: Table, constraint: Constraint) -> Name:
    return Name(constraint.name, table.name.schema)
