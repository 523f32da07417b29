"""What hangs on the old column and must hang on the new one too, each without a long strong lock.

Indexes are built CONCURRENTLY; constraints are added NOT VALID (instant) and validated under a weak lock
(as long as the table is big, while reads and writes go on).
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Constraint, Index
from migsafe.errors import PlanError
from migsafe.plan.exchange import Exchange
from migsafe.plan.gentle import constraint_steps, not_null_steps, strong
from migsafe.plan.model import DdlStep, IndexStep, Step
from migsafe.plan.replacement import Replacement
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import ConstraintKind
from migsafe.sql.rename import replace_column


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """An index or constraint of the old column (`original`) and its copy on the new one."""

    original: str
    copy: str
    constraint: bool  # else a plain index
    index: Index | None = None  # the original's
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The steps that make all copies, and which copy belongs to which original."""

    steps: tuple[Step, ...]
    twins: tuple[Twin, ...]


def carry_over(change: Replacement) -> Carried:
    """Copies of everything on the old column but the primary key: indexes, constraints, NOT NULL.

    Raises:
        PlanError: Something hangs on the column that cannot be carried over; says what.
    """
    steps: list[Step] = []
    twins: list[Twin] = []
    table, old = change.table, change.old
    by_constraint = {constraint.index for constraint in table.constraints if constraint.index}
    for index in table.indexes:
        if index.name in by_constraint:
            continue
        if not index.definition:  # its expressions and predicate could read the column
            raise inexact(f"index {index.name} on {table.name}")
        if old.name in index.columns:
            copy = change.spare(index.name)
            steps.append(index_step(change, index, copy, change.working))
            twins.append(
                Twin(original=index.name, copy=copy, constraint=False, index=index, comment=index.comment)
            )
    for constraint in table.constraints:
        if old.name in constraint.columns and constraint.kind is not ConstraintKind.PRIMARY_KEY:
            copy = change.spare(constraint.name)
            steps.extend(_constraint_steps(change, constraint, copy))
            behind = index_of(change, constraint) if constraint.kind is ConstraintKind.UNIQUE else None
            twins.append(
                Twin(
                    original=constraint.name,
                    copy=copy,
                    constraint=True,
                    index=behind,
                    comment=constraint.comment,
                )
            )
    if old.not_null:
        named = next((each for each in table.not_nulls if old.name in each.columns), None)
        if named is None:
            check = change.grave(f"{change.working}_not_null")
            steps.extend(not_null_steps(table.name, change.working, check))
        else:  # from PostgreSQL 18 on it is a constraint with a name
            copy = change.spare(named.name)
            body = f"NOT NULL {quote_identifier(change.working)}"
            steps.extend(constraint_steps(table.name, copy, body, called=named.name))
            twins.append(Twin(original=named.name, copy=copy, constraint=True, comment=named.comment))
    return Carried(steps=tuple(steps), twins=tuple(twins))


def twins_exchange(change: Replacement, twins: tuple[Twin, ...]) -> Exchange:
    """The copies take the names of the originals: in a swap at once, else when the originals are gone."""
    graves = [(twin, change.grave(twin.original)) for twin in twins]
    there = [*(sql for twin in twins for sql in _marks(change, twin, there=True))]
    back = [*(sql for twin in twins for sql in _marks(change, twin, there=False))]
    if not change.swap:
        return Exchange(after=tuple(there), undo_after=tuple(back))
    return Exchange(
        after=(
            *(rename(change.name, twin, twin.original, grave) for twin, grave in graves),
            *(rename(change.name, twin, twin.copy, twin.original) for twin in twins),
            *there,
        ),
        undo_after=(
            *(rename(change.name, twin, twin.original, twin.copy) for twin in twins),
            *(rename(change.name, twin, grave, twin.original) for twin, grave in graves),
            *back,
        ),
    )


def _marks(change: Replacement, twin: Twin, *, there: bool) -> Iterator[str]:
    """What only one index of a table may have, and the comment."""
    name = twin.original if change.swap or not there else twin.copy
    if twin.comment and there:
        quoted = quote_identifier(name)
        what = (
            f"CONSTRAINT {quoted} ON {change.name.sql}"
            if twin.constraint
            else f"INDEX {Name(name, change.name.schema).sql}"
        )
        yield f"COMMENT ON {what} IS {quote_literal(twin.comment)}"
    if twin.index is not None:
        yield from again(change, twin.index, name)


def again(change: Replacement, index: Index, name: str) -> Iterator[str]:
    """The replica identity and the order of CLUSTER, if they were this index's."""
    if index.identifies:
        yield f"ALTER TABLE {change.name.sql} REPLICA IDENTITY USING INDEX {quote_identifier(name)}"
    if index.clustered:
        yield f"ALTER TABLE {change.name.sql} CLUSTER ON {quote_identifier(name)}"


def rename(table: Name, twin: Twin, old_name: str, new_name: str) -> str:
    """Give an index or a constraint another name."""
    if twin.constraint:
        target = f"{quote_identifier(old_name)} TO {quote_identifier(new_name)}"
        return f"ALTER TABLE {table.sql} RENAME CONSTRAINT {target}"
    return f"ALTER INDEX {Name(old_name, table.schema).sql} RENAME TO {quote_identifier(new_name)}"


def index_of(change: Replacement, constraint: Constraint) -> Index:
    """The index behind a constraint.

    Raises:
        PlanError: It is not known exactly.
    """
    index = next((each for each in change.table.indexes if each.name == constraint.index), None)
    if index is None or not constraint.definition or not index.definition:
        raise inexact(f"the index behind constraint {constraint.name} of {change.name}")
    return index


def index_step(change: Replacement, index: Index, copy: str, column: str, *, title: str = "") -> IndexStep:
    """An index like this one, but on another column, under the name `copy`.

    Raises:
        PlanError: It is invalid, or its definition is not known.
    """
    table = change.name
    name = Name(copy, table.schema)
    if not index.valid:
        raise PlanError(
            f"index {index.name} on {table} is invalid (a CREATE INDEX CONCURRENTLY failed)",
            advice=f"Repair it first: REINDEX INDEX CONCURRENTLY {index.name}; or drop it.",
        )
    unique = "UNIQUE " if index.unique else ""
    sql = (
        f"CREATE {unique}INDEX CONCURRENTLY {quote_identifier(copy)} ON {table.sql} "
        f"{replace_column(_tail(change, index), change.old.name, column)}"
    )
    return IndexStep(
        id=f"verify.index.{copy if title else index.name}",
        stage=Stage.VERIFIED,
        title=f"Build index {index.name} again on {column}{f', {title}' if title else ''}, while reads and "
        "writes go on",
        index=name,
        table=table,
        sql=sql,
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {name.sql}",),
    )


def _tail(change: Replacement, index: Index) -> str:
    """What follows the table's name; pg_get_indexdef() leaves the tablespace out."""
    _, using, tail = index.definition.partition(" USING ")
    if not using:
        raise inexact(f"index {index.name} on {change.name}")
    if index.tablespace is None:
        return f"USING {tail}"
    head, where, predicate = tail.partition(" WHERE ")
    return f"USING {head} TABLESPACE {quote_identifier(index.tablespace)}{where}{predicate}"


def inexact(what: str) -> PlanError:
    """What must be known exactly is not."""
    return PlanError(
        f"the exact definition of {what} is not known",
        advice="Give the live database with --database, so that nothing about it is guessed.",
    )


def _constraint_steps(change: Replacement, constraint: Constraint, copy: str) -> Iterator[Step]:
    old, new = change.old.name, change.working
    match constraint.kind:
        case ConstraintKind.CHECK:
            yield from _copied(change, constraint, copy, replace_column(constraint.definition, old, new))
        case ConstraintKind.FOREIGN_KEY:
            columns, references, target = constraint.definition.partition(" REFERENCES ")
            if not references:
                raise inexact(f"foreign key {constraint.name} of {change.name}")
            definition = replace_column(columns, old, new) + references + target
            yield from _copied(change, constraint, copy, definition)
        case ConstraintKind.UNIQUE:
            yield from _unique_steps(change, constraint, copy)
        case _:
            raise PlanError(
                f"column {old} of {change.name} is part of the exclusion constraint {constraint.name}: "
                "PostgreSQL can only build its index under a lock that blocks the table",
                advice="Drop the constraint first and add it again after, at a quiet time; or move the rows "
                "to a new table that has it.",
            )


def _copied(change: Replacement, constraint: Constraint, copy: str, definition: str) -> Iterator[Step]:
    return constraint_steps(
        change.name,
        copy,
        definition,
        called=constraint.name,
        references=constraint.references,
        validate=constraint.validated,
    )


def _unique_steps(change: Replacement, constraint: Constraint, copy: str) -> Iterator[Step]:
    yield index_step(change, index_of(change, constraint), copy, change.working)
    _, deferrable, suffix = constraint.definition.partition(" DEFERRABLE")
    yield DdlStep(
        id=f"verify.{constraint.name}.add",
        stage=Stage.VERIFIED,
        title=f"Make the new index the constraint {constraint.name}",
        sql=(
            f"ALTER TABLE {change.name.sql} ADD CONSTRAINT {quote_identifier(copy)} "
            f"UNIQUE USING INDEX {quote_identifier(copy)}{deferrable}{suffix}",
        ),
        undo=(f"ALTER TABLE {change.name.sql} DROP CONSTRAINT IF EXISTS {quote_identifier(copy)}",),
        locks=strong(change.name),
    )
