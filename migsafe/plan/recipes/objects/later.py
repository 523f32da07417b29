"""What takes something away and cannot be made again from the catalog: it waits for the last stage."""

from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name
from migsafe.sql.operations import OtherStatement

# Their definitions are not in the catalog, so that nothing brings them back.
TAGS = frozenset(
    {"DROP RULE", "DROP STATISTICS", "DROP CAST", "DROP OPERATOR", "DROP COLLATION", "DROP CONVERSION"}
)


def at_the_end(operation: OtherStatement, wanted: Wanted, scene: Scene) -> Draft:
    """A statement that runs when the old version is gone and the keep time is over.

    Raises:
        PlanError: CASCADE would take more with it.
    """
    what = operation.tag.lower()
    target = operation.target
    name = scene.catalog.resolve(target) if target and scene.catalog.table(target) else target
    if operation.cascade:
        raise PlanError(
            f"{operation.tag} ... CASCADE takes along whatever uses it, and nobody says what that is",
            advice="Drop what uses it in statements of their own, then this without CASCADE.",
        )
    return Draft(
        change=Change(
            kind=what.replace(" ", "_"),
            summary=" ".join(wanted.sql.split())[:100],
            subject=name or Name(what.replace(" ", "_")),
        ),
        compatibility=parts.LEAVING,
        steps=(
            DdlStep(
                id=f"contract.{what.replace(' ', '_')}.{wanted.line}",
                stage=Stage.DROPPED,
                title=" ".join(wanted.sql.split())[:100],
                sql=(wanted.sql,),
                locks=strong(name) if name and scene.catalog.table(name) else (),
            ),
        ),
        warnings=(
            f"`{' '.join(wanted.sql.split())[:80]}` is the point of no return: nothing here knows how to "
            "bring back what it takes.",
        ),
    )
