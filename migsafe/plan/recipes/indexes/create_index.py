"""CREATE INDEX: built CONCURRENTLY; on a partitioned table partition by partition, then attached.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from migsafe.catalog.model import Catalog, Table
from migsafe.catalog.replay import apply
from migsafe.effects.model import Lock, LockMode
from migsafe.errors import PlanError
from migsafe.plan.draft import Draft, Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import Change, DdlStep, IndexStep, Step
from migsafe.plan.recipes import common
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import CreateIndex
from migsafe.sql.script import read_script
from migsafe.sql.written import words_of


def create_index(operation: CreateIndex, wanted: Wanted, scene: Scene) -> Draft:
    """An index that is built while reads and writes go on.

    Raises:
        PlanError: The table is not known, or its partitions are not all known.
    """
    table = scene.catalog.view(operation.table) or common.known_table(scene.catalog, operation.table)
    after = apply(scene.catalog, replace(operation, concurrently=False))
    name = operation.name or _made(scene.catalog, after, table.name)
    if operation.name in {index.name for index in table.indexes}:
        raise PlanError(f"{table.name} already has an index {name}")
    recipe = _Recipe(
        make="CREATE UNIQUE INDEX" if operation.unique else "CREATE INDEX",
        tail=tail_of(wanted.sql),
        before=scene.catalog,
        after=after,
    )
    if isinstance(table, Table) and table.partitioned and not operation.only:
        steps = tuple(recipe.on_partitioned(table, name))
    else:
        steps = (concurrent_index(table.name, name, recipe.make, recipe.tail),)
    return Draft(
        change=Change(
            kind=operation.kind,
            summary=f"Create index {name} on {table.name} while reads and writes go on",
            subject=table.name,
        ),
        steps=steps,
    )


def concurrent_index(table: Name, name: str, make: str, tail: str) -> IndexStep:
    """One CREATE INDEX CONCURRENTLY; `make` and `tail` are what stands around its name and its table."""
    index = Name(name, table.schema)
    return IndexStep(
        id=f"verify.index.{name}",
        stage=Stage.VERIFIED,
        title=f"Build index {name} on {table}, while reads and writes go on",
        index=index,
        table=table,
        sql=f"{make} CONCURRENTLY {quote_identifier(name)} ON {table.sql} {tail}",
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {index.sql}",),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """An index on a partitioned table: its text, and the schema without it and with it."""

    make: str
    tail: str
    before: Catalog
    after: Catalog

    def on_partitioned(self, table: Table, name: str) -> Iterator[Step]:
        """First an index on each partition; then, in one transaction, the parent's that joins them."""
        yield from self._on_partitions(table)
        index = Name(name, table.name.schema)
        family = [table.name, *(child.name for child in self._below(table))]
        yield DdlStep(
            id=f"verify.index.{name}",
            stage=Stage.VERIFIED,
            title=f"Create index {name} on {table.name} from those of its partitions",
            sql=(*self._join(table, name), _whole(index)),
            undo=(f"DROP INDEX IF EXISTS {index.sql}",),
            locks=tuple(Lock(each, LockMode.SHARE) for each in family),
        )

    def _below(self, table: Table) -> Iterator[Table]:
        for child in self.before.children(table.name):
            if child.partitioned:
                yield child
                yield from self._below(child)

    def _on_partitions(self, table: Table) -> Iterator[Step]:
        for child in self.before.children(table.name):
            if child.foreign:
                raise PlanError(
                    f"{child.name} is a foreign table, so no index of {table.name} can be complete",
                    advice="Create the index on each of the other partitions by itself.",
                )
            if child.partitioned:
                yield from self._on_partitions(child)
            else:
                part = _made(self.before, self.after, child.name)
                yield concurrent_index(child.name, part, self.make, self.tail)

    def _join(self, table: Table, name: str) -> Iterator[str]:
        yield f"{self.make} {quote_identifier(name)} ON ONLY {table.name.sql} {self.tail}"
        for child in self.before.children(table.name):
            part = _made(self.before, self.after, child.name)
            if child.partitioned:
                yield from self._join(child, part)
            parent, below = Name(name, table.name.schema), Name(part, child.name.schema)
            yield f"ALTER INDEX {parent.sql} ATTACH PARTITION {below.sql}"


def _whole(index: Name) -> str:
    """Fails, and takes all of the step back, when a partition came in the meantime and has no part of it."""
    return (
        "DO $$ BEGIN IF NOT (SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = "
        f"{quote_literal(index.sql)}::regclass) THEN RAISE EXCEPTION 'a partition that came in the meantime "
        "has no such index: build it there CONCURRENTLY, then run again'; END IF; END $$"
    )


def _made(before: Catalog, after: Catalog, table: Name) -> str:
    """The name of the index that the migration's own statement would make on this table."""
    old, new = before.table(table) or before.view(table), after.table(table) or after.view(table)
    names = {index.name for index in old.indexes} if old else set()
    made = [index.name for index in new.indexes if index.name not in names] if new else []
    if len(made) != 1:
        raise PlanError(f"the name of the new index on {table} cannot be told", advice="Give it one.")
    return made[0]


def tail_of(sql: str) -> str:
    """What follows the table's name in a CREATE INDEX."""
    (statement,) = read_script(sql).statements
    words = words_of(statement)
    at = words.find("on", 0, len(words.tokens))
    if at is None:
        raise PlanError("the index cannot be taken apart", advice="Write CREATE INDEX name ON table (...).")
    at += 1 + words.at(at + 1, "only")
    at += 1
    while words.at(at, "."):
        at += 2
    at += words.at(at, "*")
    return words.slice(at, len(words.tokens) - 1)
