"""DROP INDEX: CONCURRENTLY, once the old version of the application is gone that may need it to be fast.

https://www.postgresql.org/docs/current/sql-dropindex.html
"""

from collections.abc import Iterator

from migsafe.catalog.find import family, relation_of_index
from migsafe.catalog.model import Catalog, Index, Table, View
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.gentle import strong
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, ConcurrentStep, DdlStep, DownMap, Step
from migsafe.plan.recipes.objects import parts
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name
from migsafe.sql.operations import DropIndex


def drop_index(operation: DropIndex, _wanted: Wanted, scene: Scene) -> Draft:
    """An index that is kept while blue runs, and can be built again while reads and writes go on.

    Raises:
        PlanError: It is not known, or a constraint, a foreign key or the index of a parent needs it.
    """
    relation, index = known_index(operation.index, scene.catalog, if_exists=operation.if_exists)
    refuse_needed(relation, index, scene.catalog)
    name = Name(index.name, relation.name.schema)
    told = [
        f"{name} is missed by nobody before it is gone: watch slow queries while the plan stands in "
        "'tombstoned'. Going back from there builds it again, which takes as long as the table is big."
    ]
    if index.unique:
        told.append(
            f"{name} refuses duplicates until it is dropped; once there are some, going back fails until "
            "they are gone."
        )
    partitioned = isinstance(relation, Table) and relation.partitioned
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Drop index {index.name} of {relation.name} when the old version is gone",
            subject=relation.name,
            down_map=DownMap.LOSSY if index.unique else DownMap.TOTAL,
        ),
        compatibility=parts.LEAVING,
        steps=(
            _of_partitioned(relation, index, scene.catalog) if partitioned else drop_step(relation, index),
        ),
        warnings=tuple(told),
    )


def known_index(name: Name, catalog: Catalog, *, if_exists: bool = False) -> tuple[Table | View, Index]:
    """The index, and the table or materialized view that it belongs to.

    Raises:
        PlanError: It is not known.
    """
    found = relation_of_index(catalog, name)
    if found is None:
        raise parts.refuse_unknown(f"index {name}", catalog, if_exists=if_exists)
    return found


def refuse_needed(relation: Table | View, index: Index, catalog: Catalog) -> None:
    """Check that nothing else stands on the index.

    Raises:
        PlanError: Something does, and what to do about it.
    """
    if index.parent is not None:
        raise PlanError(
            f"{index.name} is part of the index {index.parent}, and goes when that goes",
            advice=f"Drop {index.parent}.",
        )
    if not isinstance(relation, Table):
        return
    behind = next((each for each in relation.constraints if each.index == index.name), None)
    if behind is not None:
        raise PlanError(
            f"{index.name} is the index of the {behind.kind.value.replace('_', ' ')} {behind.name} of "
            f"{relation.name}",
            advice=f"Drop the constraint: ALTER TABLE {relation.name} DROP CONSTRAINT {behind.name};",
        )
    for name in relation.referenced_by:
        other = catalog.table(name)
        for each in other.constraints if other else ():
            if each.references == relation.name and each.referenced_index == index.name:
                raise PlanError(
                    f"the foreign key {each.name} of {name} needs {index.name}",
                    advice="Drop the foreign key first.",
                )


def drop_step(relation: Table | View, index: Index, stage: Stage = Stage.TOMBSTONED) -> ConcurrentStep:
    """DROP INDEX CONCURRENTLY, and how the index is built again."""
    name = Name(index.name, relation.name.schema)
    dropped = f"DROP INDEX CONCURRENTLY IF EXISTS {name.sql}"
    again = parts.concurrently(index, f"index {name}") if stage is not Stage.DROPPED else ""
    return ConcurrentStep(
        id=f"contract.index.{index.name}",
        stage=stage,
        title=f"Drop index {index.name} of {relation.name}, while reads and writes go on",
        table=relation.name,
        sql=dropped,
        done=parts.is_gone(name),
        undo=(dropped, again) if again else (),  # what an attempt left invalid goes first
        undo_apart=bool(again),
    )


def _of_partitioned(relation: Table | View, index: Index, catalog: Catalog) -> Step:
    """PostgreSQL cannot drop it CONCURRENTLY: one short lock on all partitions."""
    name = Name(index.name, relation.name.schema)
    return DdlStep(
        id=f"contract.index.{index.name}",
        stage=Stage.TOMBSTONED,
        title=f"Drop index {index.name} of {relation.name} and of all its partitions, with one short lock",
        sql=(f"DROP INDEX {name.sql}",),
        undo=(f"DROP INDEX IF EXISTS {name.sql}", *again_on_partitions(relation.name, index, catalog)),
        undo_apart=True,
        locks=strong(*sorted(table.name for table in family(catalog, relation.name))),
    )


def again_on_partitions(table: Name, index: Index, catalog: Catalog) -> Iterator[str]:
    """The statements that make the index of a partitioned table again: its parts first, CONCURRENTLY."""
    below = list(parts_of(Name(index.name, table.schema), catalog))
    for relation, part in below:
        if not relation.partitioned:
            yield f"DROP INDEX CONCURRENTLY IF EXISTS {Name(part.name, relation.name.schema).sql}"
            yield parts.concurrently(part, f"index {part.name}")
    yield index.definition
    for relation, part in below:
        if relation.partitioned:
            yield part.definition
    for relation, part in reversed(below):  # from below, so that each becomes valid with its last part
        if part.parent is not None:
            name = Name(part.name, relation.name.schema)
            yield f"ALTER INDEX {part.parent.sql} ATTACH PARTITION {name.sql}"


def parts_of(parent: Name, catalog: Catalog) -> Iterator[tuple[Table, Index]]:
    """The indexes of partitions that an index is made of, parents before their parts."""
    for table in catalog.tables.values():
        for index in table.indexes:
            if index.parent == parent:
                yield table, index
                yield from parts_of(Name(index.name, table.name.schema), catalog)
