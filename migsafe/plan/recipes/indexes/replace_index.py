"""DROP INDEX a, then CREATE INDEX a: the new one is ready before the old one goes."""

from collections.abc import Sequence
from dataclasses import replace

from migsafe.catalog.model import Table
from migsafe.catalog.replay import apply
from migsafe.effects.model import Lock, LockMode
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ConcurrentStep, DdlStep
from migsafe.plan.recipes.indexes.create_index import concurrent_index, tail_of
from migsafe.plan.recipes.indexes.drop_index import known_index, refuse_needed
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.sql.names import Name
from migsafe.sql.operations import CreateIndex, DropIndex

# There is always one of the two.
_ALWAYS = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.DROPPED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)


def replace_index(wanted: Sequence[Wanted], scene: Scene) -> tuple[Draft, int] | None:
    """Another index under the same name: built under a working name, swapped, the old one dropped at the end.

    Raises:
        PlanError: The old one is not known, or belongs to a partitioned table or to a constraint.
    """
    if len(wanted) < 2:
        return None
    drop, create = wanted[0].operation, wanted[1].operation
    if not isinstance(drop, DropIndex) or not isinstance(create, CreateIndex):
        return None
    if create.name is None or create.name != drop.index.name:
        return None
    relation, old = known_index(drop.index, scene.catalog)
    if scene.catalog.resolve(create.table) != relation.name:
        return None
    refuse_needed(relation, old, scene.catalog)
    if isinstance(relation, Table) and relation.partitioned:
        raise PlanError(
            f"{old.name} is the index of the partitioned table {relation.name}: its parts would change names",
            advice="Give the new index a name of its own: CREATE INDEX new ...; DROP INDEX old.",
        )
    apply(apply(scene.catalog, drop), replace(create, concurrently=False))  # so that it can be followed
    return _draft(wanted[1], create, relation.name, Name(old.name, relation.name.schema)), 2


def _draft(wanted: Wanted, create: CreateIndex, table: Name, name: Name) -> Draft:
    ready, grave = parts.working(name, "index"), parts.tombstone(name, "index")
    make = "CREATE UNIQUE INDEX" if create.unique else "CREATE INDEX"
    return Draft(
        change=Change(
            kind="replace_index",
            summary=f"Replace index {name.name} of {table} while reads and writes go on",
            subject=table,
        ),
        compatibility=_ALWAYS,
        steps=(
            concurrent_index(table, ready.name, make, tail_of(wanted.sql)),
            DdlStep(
                id=f"verify.index.{name.name}.swap",
                stage=Stage.VERIFIED,
                title=f"Give the name {name.name} to the new index, in one transaction",
                sql=(parts.renamed("INDEX", name, grave), parts.renamed("INDEX", ready, name)),
                undo=(parts.renamed("INDEX", name, ready), parts.renamed("INDEX", grave, name)),
                locks=(Lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE),),
            ),
            ConcurrentStep(
                id=f"contract.index.{name.name}",
                stage=Stage.DROPPED,
                title=f"Drop the old index {name.name}, while reads and writes go on",
                table=table,
                sql=f"DROP INDEX CONCURRENTLY IF EXISTS {grave.sql}",
                done=parts.is_gone(grave),
            ),
        ),
        warnings=(
            f"Until the plan is through, {table} has the old and the new {name.name}: the disk holds both.",
        ),
    )
