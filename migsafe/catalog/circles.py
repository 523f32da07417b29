"""No relation stands above itself: the server refuses it, and who follows a circle never arrives."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from migsafe.catalog.objects import Table, View
from migsafe.sql.names import Name


def without_circle(table: Table, tables: Mapping[Name, Table]) -> Table:
    """The table without those of its parents that stand below it."""

    def parents(name: Name) -> tuple[Name, ...]:
        found = tables.get(name)
        return found.parents if found else ()

    wrong = {name for name in table.parents if leads_to(name, table.name, parents)}
    if not wrong:
        return table
    return replace(
        table,
        partition_of=None if table.partition_of in wrong else table.partition_of,
        inherits=tuple(name for name in table.inherits if name not in wrong),
    )


def without_itself(view: View, views: Mapping[Name, View]) -> View:
    """The view without those of the relations it reads that read it themselves."""

    def reads(name: Name) -> tuple[Name, ...]:
        found = views.get(name)
        return found.reads if found else ()

    wrong = {name for name in view.reads if leads_to(name, view.name, reads)}
    return replace(view, reads=tuple(name for name in view.reads if name not in wrong)) if wrong else view


def leads_to(start: Name, goal: Name, above: Callable[[Name], Iterable[Name]]) -> bool:
    """Whether going up from one relation, itself included, comes to another."""
    seen: set[Name] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here == goal:
            return True
        if here not in seen:
            seen.add(here)
            waiting += above(here)
    return False
