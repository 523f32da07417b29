"""Materialized views created and refreshed: work as long as the query takes, while everybody goes on.

https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
"""

from migsafe.catalog.model import View
from migsafe.effects.model import Lock, LockMode
from migsafe.errors import PlanError
from migsafe.plan.draft import EITHER, Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes.objects.views import known_view
from migsafe.plan.stages import Stage
from migsafe.sql.changes import CreateView
from migsafe.sql.names import Name
from migsafe.sql.operations import OtherStatement


def create_materialized(change: CreateView, wanted: Wanted, scene: Scene) -> Draft:
    """A new materialized view: nobody waits for it, but its query takes its time."""
    schema = change.name.schema or scene.catalog.creation_schema
    name = Name(change.name.name, schema)
    return Draft(
        change=Change(
            kind="create_materialized_view", summary=f"Create materialized view {name}", subject=name
        ),
        compatibility=EITHER,
        steps=(
            DdlStep(
                id=f"verify.view.{name.name}",
                stage=Stage.VERIFIED,
                title=f"Create and fill materialized view {name}, while reads and writes go on",
                sql=(wanted.sql,),
                undo=(f"DROP MATERIALIZED VIEW IF EXISTS {name.sql}",),
                locks=tuple(
                    Lock(scene.catalog.resolve(each), LockMode.ACCESS_SHARE) for each in change.reads
                ),
                patient=True,
            ),
        ),
    )


def refresh(operation: OtherStatement, wanted: Wanted, scene: Scene) -> Draft:
    """REFRESH that lets everybody read on.

    Raises:
        PlanError: The view is not known, or there is no unique index that makes it possible.
    """
    assert operation.target is not None  # noqa: S101 -- the grammar has seen to it
    view = known_view(operation.target, scene.catalog)
    if "no data" in " ".join(wanted.sql.lower().split()):
        raise PlanError(
            f"WITH NO DATA empties {view.name}: whoever reads it gets an error until it is filled again",
            advice="Refresh it with its data, or drop it.",
        )
    if not any(_fits(view, index.name) for index in view.indexes):
        raise PlanError(
            f"{view.name} has no unique index on plain columns without WHERE, so a REFRESH blocks who reads "
            "it",
            advice="Create one first: CREATE UNIQUE INDEX ON it (its key); then refresh it.",
        )
    return Draft(
        change=Change(
            kind="refresh_materialized_view",
            summary=f"Refresh {view.name} while it is read",
            subject=view.name,
        ),
        compatibility=EITHER,
        steps=(
            DdlStep(
                id=f"verify.refresh.{view.name.name}",
                stage=Stage.VERIFIED,
                title=f"Refresh {view.name}, while it is read",
                sql=(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {view.name.sql}",),
                locks=(Lock(view.name, LockMode.EXCLUSIVE),),
                patient=True,
            ),
        ),
        warnings=(f"What {view.name} held before is not kept: a revert does not bring it back.",),
    )


def _fits(view: View, name: str) -> bool:
    """Whether REFRESH CONCURRENTLY can use this index.

    https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html#id-1.9.3.164.6
    """
    index = next(each for each in view.indexes if each.name == name)
    return index.unique and index.valid and index.where is None and all(index.keys) and bool(index.keys)
