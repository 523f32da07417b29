"""Views and materialized views dropped, renamed, or given another query.

A view has no rows of its own: to rename it is instant, and nothing but a name changes.
https://www.postgresql.org/docs/current/sql-createview.html
"""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.model import Catalog, View
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, Step
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.sql.changes import CreateView, DropObject, MoveObject, RenameObject
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.outputs import output_names

# Both versions see the new query from the stage on in which all that it reads is there and filled.
_SHARED = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.DROPPED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)
_SECURITY = ("security_barrier=", "security_invoker=")


def drop_view(change: DropObject, _wanted: Wanted, scene: Scene) -> Draft:
    """A view that is renamed when nobody should use it any more, and dropped later.

    Raises:
        PlanError: It is not known, or other views read it.
    """
    view = known_view(change.name, scene.catalog, if_exists=change.if_exists)
    readers = scene.catalog.lookup.readers.get(view.name, ())
    if readers:
        raise PlanError(
            f"{view.name} is read by {', '.join(str(each) for each in sorted(readers))}",
            advice="Drop what reads it in statements of their own, before this one.",
        )
    return Draft(
        change=Change(kind="drop_view", summary=f"Drop {called(view)}", subject=view.name),
        compatibility=parts.LEAVING,
        steps=leave(view, view.name),
    )


def leave(view: View, name: Name) -> tuple[Step, Step]:
    """The steps by which the view of this name becomes a tombstone, and goes. `view` says what it is."""
    grave = parts.tombstone(name, "view")
    return (
        DdlStep(
            id=f"contract.view.{name.name}.tombstone",
            stage=Stage.TOMBSTONED,
            title=f"Rename {name.name} to its tombstone",
            sql=(parts.renamed(kind_of(view), name, grave),),
            undo=(parts.renamed(kind_of(view), grave, name),),
            locks=strong(name),
        ),
        drop_step(view, name, grave),
    )


def drop_step(view: View, name: Name, grave: Name) -> DdlStep:
    """The end of a tombstone."""
    return DdlStep(
        id=f"contract.view.{name.name}.drop",
        stage=Stage.DROPPED,
        title=f"Drop {grave.name}: the point of no return",
        sql=(f"DROP {kind_of(view)} {grave.sql}",),
        locks=strong(grave),
    )


def rename_view(change: RenameObject | MoveObject, _wanted: Wanted, scene: Scene) -> Draft:
    """A new name or schema for a view: the old name is a view over it until blue is gone.

    Raises:
        PlanError: The view is not known, the new name is taken, or a column is to be renamed.
    """
    view = known_view(change.name, scene.catalog)
    if isinstance(change, RenameObject) and change.part is not None:
        raise PlanError(
            f"{change.part} of {view.name} cannot have two names in one view for both versions",
            advice=f"Create a view of another name with {change.new_name}, and drop {view.name} later; or "
            f"add {change.new_name} as a last column: CREATE OR REPLACE VIEW.",
        )
    old, kind = view.name, kind_of(view)
    if isinstance(change, RenameObject):
        new = Name(change.new_name, old.schema)
        forward, backward = parts.renamed(kind, old, new), parts.renamed(kind, new, old)
    else:
        new = Name(old.name, change.new_schema)
        forward = f"ALTER {kind} {old.sql} SET SCHEMA {quote_identifier(change.new_schema)}"
        backward = f"ALTER {kind} {new.sql} SET SCHEMA {quote_identifier(old.schema or '')}"
    if scene.catalog.has_relation(new):
        raise PlanError(f"there is a relation {new} already")
    twin = replace(view, materialized=False)
    told = [f"Functions whose bodies mention {old} are not known to the catalog: look for them."]
    if view.materialized:
        told.append(f"REFRESH MATERIALIZED VIEW {old} fails from the first stage on: say {new} there.")
    return Draft(
        change=Change(
            kind="rename_view",
            summary=f"Rename {called(view)} to {new} while both names are in use",
            subject=old,
            application_change=True,
        ),
        compatibility=parts.LEAVING,
        steps=(
            DdlStep(
                id=f"expand.view.{new.name}",
                stage=Stage.EXPANDED,
                title=f"Rename {old} to {new}; the old name becomes a view over it",
                sql=(forward, *_over(view, new)),
                undo=(f"DROP VIEW {old.sql}", backward),
                locks=strong(old),
            ),
            *leave(twin, old),
        ),
        warnings=tuple(told),
    )


def _over(view: View, new: Name) -> Iterator[str]:
    """The old name as a view over the new one, with the same privileges."""
    kept = [option for option in view.options if option.startswith(_SECURITY)]
    columns = ", ".join(quote_identifier(column) for column in view.columns) or "*"
    yield f"CREATE VIEW {view.name.sql}{_with(kept)} AS SELECT {columns} FROM {new.sql}"
    for statement in view.adorned:
        if " OWNER TO " in statement or statement.startswith("GRANT "):
            yield statement.replace("ALTER MATERIALIZED VIEW ", "ALTER VIEW ", 1)


def replace_view(change: CreateView, wanted: Wanted, scene: Scene) -> Draft:
    """CREATE OR REPLACE of a view that is there: as PostgreSQL allows it, its old columns stay.

    Raises:
        PlanError: It cannot be taken back, since a materialized view reads it.
    """
    view = known_view(change.name, scene.catalog)
    undo = tuple(_restore(view, change, scene.catalog))
    told = [
        f"Both versions see the new query of {view.name} from 'verified' on: what its old columns hold must "
        "be what the old version expects."
    ]
    if not undo:
        told.append(f"The old query of {view.name} is not known: it is not taken back by a revert.")
    if _columns(change) != view.columns:
        told.append(
            f"Clients that prepare `SELECT * FROM {view.name}` get 'cached plan must not change result type' "
            "when it gets more columns, until they prepare it again."
        )
    return Draft(
        change=Change(kind="replace_view", summary=f"Give {called(view)} another query", subject=view.name),
        compatibility=_SHARED,
        steps=(
            DdlStep(
                id=f"verify.view.{view.name.name}",
                stage=Stage.VERIFIED,
                title=f"Give {called(view)} its new query",
                sql=(wanted.sql,),
                undo=undo,
                locks=strong(view.name),
            ),
        ),
        warnings=tuple(told),
    )


def _restore(view: View, change: CreateView, catalog: Catalog) -> Iterator[str]:
    """The old query again; when columns came, the view must be made anew, and with it what reads it."""
    if not view.definition:
        return
    if _columns(change) == view.columns:
        yield create(view, replaces=True)
        return
    family = [view, *_readers(view, catalog)]
    if any(each.materialized or not each.definition for each in family):
        raise PlanError(
            f"{view.name} is read by a materialized view, so columns that it gets cannot be taken back",
            advice="Make a view of another name with the new columns.",
        )
    for each in reversed(family):
        yield f"DROP VIEW {each.name.sql}"
    for each in family:
        yield create(each)
        yield from each.adorned


def _readers(view: View, catalog: Catalog) -> list[View]:
    """The views that read it, and those that read them, each behind all that it reads."""
    found: dict[Name, View] = {}

    def add(name: Name) -> None:
        for reader in sorted(catalog.lookup.readers.get(name, ())):
            if reader in catalog.views:
                found.pop(reader, None)  # again, behind this one
                found[reader] = catalog.views[reader]
                add(reader)

    add(view.name)
    return list(found.values())


def _columns(change: CreateView) -> tuple[str, ...] | None:
    return change.columns or output_names(change.text)


def columns_of(change: CreateView) -> tuple[str, ...]:
    """The names of a new view's columns.

    Raises:
        PlanError: Its text does not tell them.
    """
    found = _columns(change)
    if found is None:
        raise PlanError(
            f"the columns of the new {change.name} cannot be told from its text",
            advice="Name them: CREATE VIEW name (a, b) AS ..., or SELECT a, x AS b instead of SELECT *.",
        )
    return found


def create(view: View, *, replaces: bool = False) -> str:
    """CREATE VIEW for a view that is known exactly."""
    columns = ", ".join(quote_identifier(column) for column in view.columns)
    verb = "CREATE OR REPLACE VIEW" if replaces else "CREATE VIEW"
    return f"{verb} {view.name.sql} ({columns}){_with(view.options)} AS {view.definition}"


def _with(options: tuple[str, ...] | list[str]) -> str:
    return f" WITH ({', '.join(options)})" if options else ""


def known_view(name: Name, catalog: Catalog, *, if_exists: bool = False) -> View:
    """The view that a plan is about.

    Raises:
        PlanError: It is not known.
    """
    view = catalog.view(name)
    if view is None:
        raise parts.refuse_unknown(f"view {name}", catalog, if_exists=if_exists)
    return view


def kind_of(view: View) -> str:
    """VIEW or MATERIALIZED VIEW."""
    return "MATERIALIZED VIEW" if view.materialized else "VIEW"


def called(view: View) -> str:
    """What a view is called in titles."""
    return f"{'materialized view' if view.materialized else 'view'} {view.name}"
