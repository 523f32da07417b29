"""Indexes and keys of a partitioned table, made again partition by partition and joined in one instant.

https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Catalog, Constraint, Index, Table
from migsafe.errors import PlanError
from migsafe.plan.replace.replacement import Replacement
from migsafe.sql.names import Name, quote_identifier, quote_literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """An index of a partitioned table, or of a partition, and the parts below it."""

    table: Table
    index: Index
    below: tuple["Branch", ...] = ()

    def all(self) -> Iterator["Branch"]:
        """This and everything below, parents first."""
        yield self
        for each in self.below:
            yield from each.all()

    def leaves(self) -> Iterator["Branch"]:
        """Those that hold rows."""
        return (each for each in self.all() if not each.table.partitioned)


def family(catalog: Catalog, table: Table) -> Iterator[Table]:
    """The table and all its partitions, parents first."""
    yield table
    for child in catalog.children(table.name):
        yield from family(catalog, child)


def branch_of(catalog: Catalog, table: Table, index: Index) -> Branch:
    """The index with its parts.

    Raises:
        PlanError: A partition has none, or is stored elsewhere.
    """
    if not table.partitioned:
        return Branch(table=table, index=index)
    below = []
    for child in catalog.children(table.name):
        parent = Name(index.name, table.name.schema)
        part = next((each for each in child.indexes if each.parent == parent), None)
        if part is None:
            raise PlanError(
                f"partition {child.name} has no part of index {index.name}",
                advice="Create it there and attach it, or drop the index, then plan again.",
            )
        below.append(branch_of(catalog, child, part))
    return Branch(table=table, index=index, below=tuple(below))


def joined(branch: Branch, names: dict[Name, str], make: str, tail: str) -> Iterator[str]:
    """CREATE INDEX on the parents alone, then ATTACH what was built below. `names` are by index."""
    name = names[_named(branch)]
    yield f"{make} {quote_identifier(name)} ON ONLY {branch.table.name.sql} {tail}"
    for each in branch.below:
        if each.table.partitioned:
            yield from joined(each, names, make, tail)
        yield _attach(branch, each, names)


def joined_key(branch: Branch, names: dict[Name, str], built: dict[Name, str], body: str) -> Iterator[str]:
    """The same for a constraint: `body` is its definition, `built` the unique indexes of the partitions."""
    kind = "PRIMARY KEY" if body.startswith("PRIMARY KEY") else "UNIQUE"
    _, deferrable, suffix = body.partition(" DEFERRABLE")
    name = quote_identifier(names[_named(branch)])
    if not branch.table.partitioned:
        index = quote_identifier(built[_named(branch)])
        using = f"{kind} USING INDEX {index}{deferrable}{suffix}"
        yield f"ALTER TABLE {branch.table.name.sql} ADD CONSTRAINT {name} {using}"
        return
    yield f"ALTER TABLE ONLY {branch.table.name.sql} ADD CONSTRAINT {name} {body}"
    for each in branch.below:
        yield from joined_key(each, names, built, body)
        yield _attach(branch, each, names)


def _attach(branch: Branch, part: Branch, names: dict[Name, str]) -> str:
    parent = Name(names[_named(branch)], branch.table.name.schema)
    below = Name(names[_named(part)], part.table.name.schema)
    return f"ALTER INDEX {parent.sql} ATTACH PARTITION {below.sql}"


def _named(branch: Branch) -> Name:
    return Name(branch.index.name, branch.table.name.schema)


def spares(change: Replacement, branch: Branch) -> dict[Name, str]:
    """The names of the copies."""
    return {_named(each): change.spare(each.index.name) for each in branch.all()}


def graves(change: Replacement, branch: Branch) -> dict[Name, str]:
    """Other names, for the copies of the way back."""
    return {_named(each): change.grave(each.index.name) for each in branch.all()}


def originals(branch: Branch) -> dict[Name, str]:
    """The names as they are."""
    return {_named(each): each.index.name for each in branch.all()}


def whole(branch: Branch, name: str) -> str:
    """Fails, and takes all of the step back, when a partition came in the meantime and has no part of it."""
    index = Name(name, branch.table.name.schema)
    return (
        "DO $$ BEGIN IF NOT (SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = "
        f"{quote_literal(index.sql)}::regclass) THEN RAISE EXCEPTION 'a partition that came in the meantime "
        "has no such index: build it there CONCURRENTLY, then run again'; END IF; END $$"
    )


def refuse_partitions(catalog: Catalog, table: Table, column: str) -> None:
    """Check that no partition has something of its own that would have to be carried over.

    Raises:
        PlanError: One has; says what.
    """
    root = table.column(column)
    clones = {trigger.name for trigger in table.triggers}
    for part in family(catalog, table):
        if part is table:
            continue
        own = part.column(column)
        if part.foreign:
            raise PlanError(
                f"partition {part.name} is a foreign table: its rows cannot be filled in batches",
                advice="Detach it first, and attach it again after.",
            )
        if root and own and own.default != root.default:
            raise PlanError(
                f"partition {part.name} has a default of its own for {column}",
                advice=f"Set it to that of {table.name} first.",
            )
        for each in part.dependents:
            clone = each.kind == "trigger" and each.name and each.name.name in clones
            if each.column == column and not clone:
                raise PlanError(
                    f"{column} of partition {part.name} is used by: {each.description}",
                    advice="Drop it first, and make it again after; or let it use the partitioned table.",
                )
        for constraint in part.constraints:
            if column in constraint.columns and not _of_parent(constraint, part):
                raise PlanError(
                    f"partition {part.name} has a constraint {constraint.name} of its own on {column}",
                    advice=f"Give it to {table.name} as a whole, or drop it first and add it again after.",
                )


def _of_parent(constraint: Constraint, part: Table) -> bool:
    index = next((each for each in part.indexes if each.name == constraint.index), None)
    return constraint.inherited or constraint.parent is not None or bool(index and index.parent)
