"""Views in an order in which they can be made, and the statement that makes one again."""

from collections.abc import Iterable

from migsafe.catalog.model import Catalog, View
from migsafe.errors import PlanError
from migsafe.sql.names import Name


def readers(views: Iterable[View], catalog: Catalog, also: Iterable[Name] = ()) -> tuple[View, ...]:
    """These views and all that read them, each after those that it reads.

    Raises:
        PlanError: They read each other in a circle.
    """
    names = {view.name for view in views} | {*also}
    while more := {
        view.name for view in catalog.views.values() if view.name not in names and names & {*view.reads}
    }:
        names |= more
    ordered: list[View] = []
    while names:
        ready = sorted(name for name in names if not names & {*catalog.views[name].reads})
        if not ready:
            raise PlanError(f"the views {', '.join(sorted(map(str, names)))} read each other in a circle")
        ordered += [catalog.views[name] for name in ready]
        names -= {*ready}
    return tuple(ordered)


def create_view(view: View, *, replace: bool) -> str:
    """CREATE VIEW with its options and its query."""
    verb = "CREATE OR REPLACE VIEW" if replace else "CREATE VIEW"
    options = f" WITH ({', '.join(view.options)})" if view.options else ""
    return f"{verb} {view.name.sql}{options} AS {view.definition}"
