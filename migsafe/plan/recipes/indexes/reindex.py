"""REINDEX: index by index, CONCURRENTLY; what an attempt that was broken off left is cleared away.

https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY
"""

from collections.abc import Iterator

from migsafe.catalog.find import family
from migsafe.catalog.model import Catalog, Index, Table, View
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ConcurrentStep
from migsafe.plan.recipes import common
from migsafe.plan.recipes.indexes.drop_index import known_index, parts_of
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.sql.names import MAX_IDENTIFIER_BYTES, Name, quote_literal
from migsafe.sql.operations import ConstraintKind, Reindex

_BOTH = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.DROPPED),
    green=Window(first=Stage.PLANNED, last=Stage.DROPPED),
)
_Found = tuple[Table | View, Index]


def reindex(operation: Reindex, _wanted: Wanted, scene: Scene) -> Draft:
    """Indexes that are built anew while reads and writes go on.

    Raises:
        PlanError: They are not known, or are an exclusion constraint's, or the system's.
    """
    target = operation.target
    if target is None or operation.object_kind in {"database", "system"}:
        raise PlanError(
            f"REINDEX {operation.object_kind.upper()} builds the indexes of the system's catalogs too, which "
            "is not possible CONCURRENTLY",
            advice="Write REINDEX SCHEMA name, or REINDEX TABLE name.",
        )
    found, excluded = _indexes(operation, target, scene.catalog)
    if not found:
        raise PlanError(f"{target} has no index that can be built again while reads and writes go on")
    warnings = [
        f"Indexes that are too big to be there twice: the disk must hold a second {target}'s biggest."
    ]
    if operation.object_kind != "index":
        warnings.append("The indexes of TOAST tables stay as they are: REINDEX TABLE CONCURRENTLY does them.")
    warnings += [f"{name} is an exclusion constraint's: it is never built CONCURRENTLY." for name in excluded]
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Build the indexes of {target} again while reads and writes go on"
            if operation.object_kind != "index"
            else f"Build index {target} again while reads and writes go on",
            subject=found[0][0].name,
        ),
        compatibility=_BOTH,
        steps=tuple(step for each in found for step in _steps(*each)),
        warnings=tuple(warnings),
    )


def _indexes(operation: Reindex, target: Name, catalog: Catalog) -> tuple[list[_Found], list[str]]:
    """The indexes that have storage, and the names of those that cannot be built CONCURRENTLY."""
    found: list[_Found] = []
    match operation.object_kind:
        case "index":
            relation, index = known_index(target, catalog)
            below = parts_of(Name(index.name, relation.name.schema), catalog)
            found = [(relation, index), *below]
        case "table":
            relation = catalog.view(target) or common.known_table(catalog, target)
            whole = isinstance(relation, Table) and relation.partitioned
            tables = [*family(catalog, relation.name)] if whole else [relation]
            found = [(each, index) for each in tables for index in each.indexes]
        case _:
            relations: tuple[Table | View, ...] = (*catalog.tables.values(), *catalog.views.values())
            here = sorted(
                (each for each in relations if each.name.schema == target.name), key=lambda e: e.name
            )
            found = [(each, index) for each in here for index in each.indexes]
    stored = [each for each in found if not (isinstance(each[0], Table) and each[0].partitioned)]
    excluded = [index.name for relation, index in stored if _excludes(relation, index)]
    if excluded and operation.object_kind == "index":
        raise PlanError(
            f"{target} is the index of an exclusion constraint, which is never built CONCURRENTLY",
            advice="REINDEX it in a maintenance window, with a lock_timeout: reads and writes wait for it.",
        )
    return [each for each in stored if each[1].name not in excluded], excluded


def _excludes(relation: Table | View, index: Index) -> bool:
    constraints = relation.constraints if isinstance(relation, Table) else ()
    return any(each.index == index.name and each.kind is ConstraintKind.EXCLUDE for each in constraints)


def _steps(relation: Table | View, index: Index) -> Iterator[ConcurrentStep]:
    name = Name(index.name, relation.name.schema)
    new, old = _left(name, "ccnew"), _left(name, "ccold")
    yield ConcurrentStep(
        id=f"verify.reindex.{index.name}",
        stage=Stage.VERIFIED,
        title=f"Build index {index.name} of {relation.name} again, while reads and writes go on",
        table=relation.name,
        sql=f"REINDEX INDEX CONCURRENTLY {name.sql}",
        broken=_is_invalid(new),
        mend=f"DROP INDEX CONCURRENTLY IF EXISTS {new.sql}",
    )
    yield ConcurrentStep(
        id=f"verify.reindex.{index.name}.old",
        stage=Stage.VERIFIED,
        title=f"Clear away what an attempt that was broken off left of the old {index.name}",
        table=relation.name,
        sql=f"DROP INDEX CONCURRENTLY IF EXISTS {old.sql}",
        done=f"NOT ({_is_invalid(old)})",
    )


def _left(index: Name, ending: str) -> Name:
    """What PostgreSQL calls the index beside it: the name is cut, the ending stays."""
    room = MAX_IDENTIFIER_BYTES - len(ending) - 1
    return Name(f"{index.name.encode()[:room].decode(errors='ignore')}_{ending}", index.schema)


def _is_invalid(index: Name) -> str:
    return (
        "EXISTS (SELECT FROM pg_catalog.pg_index WHERE NOT indisvalid AND indexrelid = "
        f"to_regclass({quote_literal(index.sql)}))"
    )
