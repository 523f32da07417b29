"""What a domain demands: PostgreSQL proves it only by reading every table that uses it, while writes wait.

VALIDATE CONSTRAINT and SET NOT NULL take SHARE on each of them (18 and before), so a plan never does it.
https://www.postgresql.org/docs/current/sql-alterdomain.html
"""

from collections.abc import Iterator

from migsafe.catalog.model import Catalog, Column, Domain, Table
from migsafe.catalog.types import find_domain
from migsafe.effects.domains import columns_of_domain, domains_behind
from migsafe.errors import PlanError
from migsafe.plan.draft import EITHER, Draft, Scene
from migsafe.plan.gentle import proof_of_rows
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, DownMap, Step
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.sql.changes import AlterDomain
from migsafe.sql.names import quote_identifier
from migsafe.sql.rename import replace_column

DEMANDS = frozenset({"add", "set not null", "validate"})
RELEASES = frozenset({"drop", "drop not null"})


def alter_domain(change: AlterDomain, wanted: Wanted, scene: Scene) -> Draft | None:
    """A new demand, NOT VALID, after a proof that no row breaks it; or an old one that goes.

    Raises:
        PlanError: The domain is not known, or PostgreSQL would have to stop all writes to prove the demand.
    """
    domain = find_domain(scene.catalog, change.name)
    if domain is None:
        raise parts.refuse_unknown(f"domain {change.name}", scene.catalog, if_exists=False)
    if change.action in RELEASES:
        return _release(change, wanted, domain)
    users = list(_columns(domain, scene.catalog))
    if not users or change.action not in DEMANDS:
        return None
    constraint = change.constraint
    if change.action != "add" or constraint is None or not constraint.not_valid or not constraint.expression:
        tables = ", ".join(sorted({str(table.name) for table, _ in users}))
        raise PlanError(
            f"PostgreSQL proves what {domain.name} demands by reading {tables}, while all writes there wait",
            advice="Add it as CHECK (...) NOT VALID: new values are checked at once, and the plan proves "
            "that no row breaks it. There is no way to have it marked as valid without that wait.",
        )
    if constraint.name is None:
        raise PlanError(
            f"the new constraint of {domain.name} has no name by which it could be taken back",
            advice="Give it one: ADD CONSTRAINT name CHECK (...) NOT VALID.",
        )
    return Draft(
        change=Change(
            kind="add_domain_constraint",
            summary=f"Demand {constraint.name} of {domain.name}, after a proof that no row breaks it",
            subject=domain.name,
        ),
        compatibility=EITHER,
        steps=(
            *_proofs(users, constraint.expression.text),
            DdlStep(
                id=f"verify.{domain.name.name}.{constraint.name}",
                stage=Stage.VERIFIED,
                title=f"Demand {constraint.name} of every new value of {domain.name}",
                sql=(wanted.sql,),
                undo=(
                    f"ALTER DOMAIN {domain.name.sql} DROP CONSTRAINT IF EXISTS "
                    f"{quote_identifier(constraint.name)}",
                ),
            ),
        ),
        warnings=(
            f"From that step on, a statement that gives {domain.name} another value fails: make sure that "
            "the version that runs today keeps to it.",
        ),
    )


def is_used(domain: Domain, catalog: Catalog) -> bool:
    """Whether a table has a column of it."""
    return next(_columns(domain, catalog), None) is not None


def _proofs(users: list[tuple[Table, Column]], condition: str) -> Iterator[Step]:
    for table, column in users:
        asked = replace_column(condition, "value", column.name)
        yield proof_of_rows(
            table,
            id=f"verify.{table.name.name}.{column.name}.rows",
            title=f"Prove that every {column.name} of {table.name} satisfies {condition}",
            mismatch=f"({asked}) IS FALSE",
        )


def _columns(domain: Domain, catalog: Catalog) -> Iterator[tuple[Table, Column]]:
    """The columns that hold values of it; those of a partitioned table stand for its partitions'."""
    for name in columns_of_domain(catalog, domain.name):
        table = catalog.tables[name]
        if table.partition_of is None:
            for column in table.columns:
                if any(each.name == domain.name for each in domains_behind(catalog, column.type)):
                    yield table, column


def _release(change: AlterDomain, wanted: Wanted, domain: Domain) -> Draft:
    name = change.constraint_name
    found = next((each for each in domain.constraints if each.name == name), None)
    if found is not None and found.definition:
        undo: tuple[str, ...] = (
            f"ALTER DOMAIN {domain.name.sql} ADD CONSTRAINT {quote_identifier(found.name)} "
            f"{found.definition} NOT VALID",
        )
        told = (
            f"That {found.name} was valid is not taken back by a revert: it comes back NOT VALID, and checks "
            "new values only."
        )
    else:
        undo = ()
        told = f"What {domain.name} demanded is not taken back by a revert: writes would wait for the proof."
    return Draft(
        change=Change(
            kind="drop_domain_constraint",
            summary=f"Let {domain.name} hold what {name or 'NOT NULL'} refused",
            subject=domain.name,
            down_map=DownMap.LOSSY,
        ),
        compatibility=parts.LOOSENED,
        steps=(
            DdlStep(
                id=f"expand.{domain.name.name}.{name or 'null'}",
                stage=Stage.EXPANDED,
                title=f"Let {domain.name} hold what {name or 'NOT NULL'} refused",
                sql=(wanted.sql,),
                undo=undo,
            ),
        ),
        warnings=(
            told,
            f"The version that runs today may read values of {domain.name} that it does not expect.",
        ),
    )
