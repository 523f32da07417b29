"""What belongs to a table by its name and must follow it to another one: views and statistics.

Each of them knows the table by its number. In the transaction in which the names change, it is said again by
its own text and then finds the other table. Views go first: who reads a view holds it, and then the table.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Catalog, Table, View
from migsafe.errors import PlanError
from migsafe.plan.replace.views import create_view, readers
from migsafe.sql.names import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class Followers:
    """All that follows one table in the change of names itself; `views` are in the order of their making."""

    table: Table
    views: tuple[View, ...] = ()

    @property
    def locks(self) -> tuple[Name, ...]:
        """What the change of names locks besides the two tables."""
        return tuple(view.name for view in self.views)

    def away(self) -> Iterator[str]:
        """Before the names change."""
        for view in reversed(self.views):
            yield f"DROP VIEW {view.name.sql}"
        for name, _ in self._statistics():
            yield f"DROP STATISTICS {name.sql}"

    def again(self) -> Iterator[str]:
        """They are bound to whatever has the table's name now."""
        for view in self.views:
            yield create_view(view, replace=False)
            yield from view.adorned
        for _, definition in self._statistics():
            yield definition

    def _statistics(self) -> Iterator[tuple[Name, str]]:
        seen = set()
        for each in self.table.dependents:
            if each.kind == "statistics" and each.name and each.definition and each.name not in seen:
                seen.add(each.name)
                yield each.name, each.definition


def views_of(old: Table, catalog: Catalog) -> tuple[View, ...]:
    """The views that follow, each after those that it reads.

    Raises:
        PlanError: One of them cannot be said again in an instant.
    """
    found = readers([view for view in catalog.views.values() if old.name in view.reads], catalog)
    for view in found:
        if view.materialized:
            raise PlanError(
                f"{old.name}: materialized view {view.name} reads it, and would have to be filled again "
                "while nobody can read or write the table",
                advice="Drop it first, and create it again after.",
            )
        if not view.definition:
            raise PlanError(
                f"the exact definition of view {view.name} is not known",
                advice="Give the live database with --database, so that nothing about it is guessed.",
            )
    return found
