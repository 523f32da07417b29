"""How a constraint that was dropped comes back without work that blocks, statement by statement.

Each list of statements may be repeated from its first one, whatever became of it before.
"""

from collections.abc import Iterator

from migsafe.catalog.find import family
from migsafe.catalog.model import Catalog, Constraint, Index, Table
from migsafe.plan.recipes.objects import parts
from migsafe.plan.sync.pair import bounded, make_tag
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind

PARTITIONED_FOREIGN_KEYS_NOT_VALID = 180000
NAMED_NOT_NULL = 180000


def checked(table: Table, constraint: Constraint) -> Iterator[str]:
    """A CHECK, a foreign key, or a NOT NULL constraint with a name."""
    if not constraint.definition:
        raise parts.inexact(f"constraint {constraint.name} of {table.name}")
    name = quote_identifier(constraint.name)
    yield drop(table.name, constraint.name)
    ending = "NOT VALID" if constraint.enforced else "NOT ENFORCED"
    yield f"ALTER TABLE {table.name.sql} ADD CONSTRAINT {name} {constraint.definition} {ending}"
    if constraint.validated:
        yield f"ALTER TABLE {table.name.sql} VALIDATE CONSTRAINT {name}"


def foreign_key_of_partitions(table: Table, constraint: Constraint, catalog: Catalog) -> Iterator[str]:
    """Before PostgreSQL 18: each partition by itself, then the table, which takes over what they have."""
    if not constraint.definition:
        raise parts.inexact(f"constraint {constraint.name} of {table.name}")
    name = quote_identifier(constraint.name)
    yield drop(table.name, constraint.name)
    for part in family(catalog, table.name):
        if part.partitioned or part.foreign:
            continue
        own = next((each for each in part.constraints if each.parent == constraint.name), constraint)
        called = quote_identifier(own.name)
        yield drop(part.name, own.name)
        yield f"ALTER TABLE {part.name.sql} ADD CONSTRAINT {called} {constraint.definition} NOT VALID"
        yield f"ALTER TABLE {part.name.sql} VALIDATE CONSTRAINT {called}"
    yield f"ALTER TABLE {table.name.sql} ADD CONSTRAINT {name} {constraint.definition}"


def not_null(table: Table, column: str, constraint: Constraint | None) -> Iterator[str]:
    """NOT NULL: proven by a CHECK, or, where it has a name of its own, validated itself."""
    if constraint is not None:
        yield from checked(table, constraint)
        return
    quoted = quote_identifier(column)
    check = bounded("migsafe_not_null", column, make_tag(str(table.name), column, "again"))
    yield drop(table.name, check)
    yield (
        f"ALTER TABLE {table.name.sql} ADD CONSTRAINT {quote_identifier(check)} "
        f"CHECK ({quoted} IS NOT NULL) NOT VALID"
    )
    yield f"ALTER TABLE {table.name.sql} VALIDATE CONSTRAINT {quote_identifier(check)}"
    yield f"ALTER TABLE {table.name.sql} ALTER COLUMN {quoted} SET NOT NULL"
    yield drop(table.name, check)


def key(table: Table, constraint: Constraint) -> Iterator[str]:
    """A unique constraint or a primary key of an ordinary table, from an index built CONCURRENTLY."""
    index = index_of(table, constraint)
    name = Name(constraint.name, table.name.schema)
    yield drop(table.name, constraint.name)
    yield f"DROP INDEX CONCURRENTLY IF EXISTS {name.sql}"
    yield parts.concurrently(index, f"the index of {constraint.name} of {table.name}")
    yield using_index(table, constraint)


def using_index(table: Table, constraint: Constraint) -> str:
    """ADD CONSTRAINT ... USING INDEX, with the index of the constraint's own name."""
    kind = "PRIMARY KEY" if constraint.kind is ConstraintKind.PRIMARY_KEY else "UNIQUE"
    _, deferrable, suffix = constraint.definition.partition(" DEFERRABLE")
    name = quote_identifier(constraint.name)
    return f"ALTER TABLE {table.name.sql} ADD CONSTRAINT {name} {kind} USING INDEX {name}{deferrable}{suffix}"


def key_of_partitions(table: Table, constraint: Constraint, catalog: Catalog) -> Iterator[str]:
    """A key of a partitioned table: that of each partition first, then the table's, which joins them."""
    yield drop(table.name, constraint.name)
    below = list(_parts_of(table, constraint, catalog))
    for part, own, _ in below:
        if not part.partitioned:
            yield from key(part, own)
    for part, own in [(table, constraint), *((part, own) for part, own, _ in below if part.partitioned)]:
        if own is not constraint:
            yield drop(part.name, own.name)
        yield f"ALTER TABLE ONLY {part.name.sql} ADD CONSTRAINT {quote_identifier(own.name)} {own.definition}"
    for part, own, above in reversed(below):
        yield f"ALTER INDEX {above.sql} ATTACH PARTITION {Name(own.name, part.name.schema).sql}"


def _parts_of(
    table: Table, constraint: Constraint, catalog: Catalog
) -> Iterator[tuple[Table, Constraint, Name]]:
    """The keys of the partitions, parents first, each with the index that it is attached to."""
    parent = Name(constraint.name, table.name.schema)
    for child in catalog.children(table.name):
        names = {index.name for index in child.indexes if index.parent == parent}
        for own in child.constraints:
            if own.index in names:
                yield child, own, parent
                yield from _parts_of(child, own, catalog)


def index_of(table: Table, constraint: Constraint) -> Index:
    """The index behind a key.

    Raises:
        PlanError: It is not known exactly.
    """
    index = next((each for each in table.indexes if each.name == constraint.index), None)
    if index is None or not index.definition or not constraint.definition:
        raise parts.inexact(f"constraint {constraint.name} of {table.name}")
    return index


def drop(table: Name, constraint: str) -> str:
    """DROP CONSTRAINT IF EXISTS."""
    return f"ALTER TABLE {table.sql} DROP CONSTRAINT IF EXISTS {quote_identifier(constraint)}"
