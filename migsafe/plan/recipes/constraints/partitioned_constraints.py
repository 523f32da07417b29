"""Keys and foreign keys of partitioned tables: every partition by itself, then the table joins them.

https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
"""

from collections.abc import Iterator
from dataclasses import replace

from migsafe.catalog.find import family
from migsafe.catalog.model import Catalog, Constraint, Table
from migsafe.effects.model import Lock, LockMode
from migsafe.errors import PlanError
from migsafe.plan.gentle import constraint_steps, strong
from migsafe.plan.model import DdlStep, Step
from migsafe.plan.recipes.indexes.create_index import concurrent_index
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name, quote_identifier, quote_literal


def partitioned_key_steps(
    table: Table, definition: str, made: Constraint, before: Catalog, after: Catalog
) -> Iterator[Step]:
    """A unique constraint or a primary key: `definition` without its name, `after` is the schema with it.

    Raises:
        PlanError: A partition is a foreign table, or what its key will be called cannot be told.
    """
    kind = definition.partition(" (")[0]
    columns = definition[definition.index("(") : definition.index(")") + 1]
    rest = definition[definition.index(")") + 1 :]
    for part in _leaves(table, before):
        name = _made_for(part, made, before, after)
        yield concurrent_index(part.name, name, "CREATE UNIQUE INDEX", columns)
        quoted = quote_identifier(name)
        yield DdlStep(
            id=f"verify.{part.name.name}.{name}.add",
            stage=Stage.VERIFIED,
            title=f"Make the new index of {part.name} its {kind.lower()} {name}",
            sql=(f"ALTER TABLE {part.name.sql} ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}{rest}",),
            undo=(f"ALTER TABLE {part.name.sql} DROP CONSTRAINT IF EXISTS {quoted}",),
            locks=strong(part.name),
        )
    yield DdlStep(
        id=f"verify.{made.name}.add",
        stage=Stage.VERIFIED,
        title=f"Give {table.name} the {kind.lower()} {made.name} that its partitions have",
        sql=(*_join(table, made.name, definition, before, after, made), _whole(table, made.name)),
        undo=(f"ALTER TABLE {table.name.sql} DROP CONSTRAINT IF EXISTS {quote_identifier(made.name)}",),
        locks=strong(*sorted(each.name for each in family(before, table.name))),
    )


def with_partitions(step: Step, table: Table, column: str, catalog: Catalog) -> Step:
    """A step whose undo drops NOT NULL of each partition too, which may have become its own meanwhile."""
    if not table.partitioned or not any(" DROP NOT NULL" in statement for statement in step.undo):
        return step
    quoted = quote_identifier(column)
    below = [
        f"ALTER TABLE {part.name.sql} ALTER COLUMN {quoted} DROP NOT NULL" for part in _leaves(table, catalog)
    ]
    return replace(step, undo=(*step.undo, *below))


def _join(
    table: Table, name: str, definition: str, before: Catalog, after: Catalog, made: Constraint
) -> Iterator[str]:
    yield f"ALTER TABLE ONLY {table.name.sql} ADD CONSTRAINT {quote_identifier(name)} {definition}"
    for child in before.children(table.name):
        own = _made_for(child, made, before, after)
        if child.partitioned:
            yield from _join(child, own, definition, before, after, made)
        parent = Name(name, table.name.schema)
        yield f"ALTER INDEX {parent.sql} ATTACH PARTITION {Name(own, child.name.schema).sql}"


def _whole(table: Table, name: str) -> str:
    """Fails, and takes all of the step back, when a partition came in the meantime and has no part of it."""
    index = Name(name, table.name.schema)
    return (
        "DO $$ BEGIN IF NOT (SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = "
        f"{quote_literal(index.sql)}::regclass) THEN RAISE EXCEPTION 'a partition that came in the meantime "
        "has no such key: give it one from an index built CONCURRENTLY, then run again'; END IF; END $$"
    )


def foreign_key_steps(
    table: Table, made: Constraint, definition: str, references: Name, catalog: Catalog
) -> Iterator[Step]:
    """Before PostgreSQL 18: a foreign key of a partitioned table takes over those that its partitions have.

    https://www.postgresql.org/docs/17/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT
    """
    for part in _leaves(table, catalog):
        called = f"{part.name.name}.{made.name}"
        yield from constraint_steps(part.name, made.name, definition, called=called, references=references)
    quoted = quote_identifier(made.name)
    both = {each.name for each in (*family(catalog, table.name), *family(catalog, references))}
    yield DdlStep(
        id=f"verify.{made.name}.add",
        stage=Stage.VERIFIED,
        title=f"Give {table.name} the foreign key {made.name} that its partitions have: nothing is scanned",
        sql=(f"ALTER TABLE {table.name.sql} ADD CONSTRAINT {quoted} {definition}",),
        undo=(f"ALTER TABLE {table.name.sql} DROP CONSTRAINT IF EXISTS {quoted}",),
        locks=tuple(Lock(each, LockMode.SHARE_ROW_EXCLUSIVE) for each in sorted(both)),
    )


def _leaves(table: Table, catalog: Catalog) -> Iterator[Table]:
    for part in family(catalog, table.name):
        if part.foreign:
            raise PlanError(
                f"{part.name} is a foreign table, so no constraint of {table.name} can be proven there",
                advice="Give each of the other partitions the constraint by itself.",
            )
        if not part.partitioned:
            yield part


def _made_for(part: Table, made: Constraint, before: Catalog, after: Catalog) -> str:
    """The name of the key that the migration's own statement would give this partition."""
    old, new = before.table(part.name), after.table(part.name)
    names = {each.name for each in old.constraints} if old else set()
    found = [each for each in new.constraints if each.name not in names] if new else []
    keys = [each.name for each in found if each.kind is made.kind]
    if len(keys) != 1:
        raise PlanError(
            f"what the key of {part.name} would be called cannot be told",
            advice="Give the partitions their keys first, each in a migration of its own.",
        )
    return keys[0]
