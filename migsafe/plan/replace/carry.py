"""What hangs on the old column and must hang on the new one too, each without a long strong lock.

Indexes are built CONCURRENTLY; constraints are added NOT VALID (instant) and validated under a weak lock
(as long as the table is big, while reads and writes go on).
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Constraint, Index
from migsafe.effects.model import Lock, LockMode
from migsafe.errors import PlanError
from migsafe.plan.gentle import constraint_steps, not_null_steps, strong
from migsafe.plan.model import DdlStep, IndexStep, Step
from migsafe.plan.replace.exchange import Exchange
from migsafe.plan.replace.partitioned import Branch, branch_of, family, joined, joined_key, spares, whole
from migsafe.plan.replace.replacement import Replacement
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
    table: Name
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
    for owner in family(change.catalog, table) if table.partitioned else (table,):
        for index in owner.indexes:
            of_key = owner is table and index.name in by_constraint
            if of_key or index.parent is not None:
                continue
            if not index.definition:  # its expressions and predicate could read the column
                raise inexact(f"index {index.name} on {owner.name}")
            if old.name in index.columns:
                branch = branch_of(change.catalog, owner, index)
                steps.extend(_index_steps(change, branch))
                twins.extend(_index_twins(change, branch))
    for constraint in table.constraints:
        if old.name in constraint.columns and constraint.kind is not ConstraintKind.PRIMARY_KEY:
            steps.extend(_constraint_steps(change, constraint, change.spare(constraint.name)))
            twins.extend(_constraint_twins(change, constraint))
    if old.not_null:
        named = next((each for each in table.not_nulls if old.name in each.columns), None)
        if named is None:
            check = change.grave(f"{change.working}_not_null")
            steps.extend(not_null_steps(table.name, change.working, check))
        else:  # from PostgreSQL 18 on it is a constraint with a name
            copy = change.spare(named.name)
            body = f"NOT NULL {quote_identifier(change.working)}"
            steps.extend(constraint_steps(table.name, copy, body, called=named.name))
            twins.append(
                Twin(
                    original=named.name,
                    copy=copy,
                    constraint=True,
                    table=table.name,
                    comment=named.comment,
                )
            )
    return Carried(steps=tuple(steps), twins=tuple(twins))


def _index_steps(change: Replacement, branch: Branch) -> Iterator[Step]:
    copies = spares(change, branch)
    for leaf in branch.leaves():
        name = change.spare(leaf.index.name)
        yield index_step(change, leaf.index, name, change.working, table=leaf.table.name)
    if not branch.table.partitioned:
        return
    index, table = branch.index, branch.table.name
    make = "CREATE UNIQUE INDEX" if index.unique else "CREATE INDEX"
    copy = Name(change.spare(index.name), table.schema)
    moved = replace_column(_tail(change, index), change.old.name, change.working)
    yield DdlStep(
        id=f"verify.index.{index.name}",
        stage=Stage.VERIFIED,
        title=f"Join the indexes of the partitions of {table} to one like {index.name}",
        sql=(*joined(branch, copies, make, moved), whole(branch, copy.name)),
        undo=(f"DROP INDEX IF EXISTS {copy.sql}",),
        locks=tuple(Lock(each.table.name, LockMode.SHARE) for each in branch.all() if each.table.partitioned),
    )


def _index_twins(change: Replacement, branch: Branch) -> Iterator[Twin]:
    for each in branch.all():
        yield Twin(
            original=each.index.name,
            copy=change.spare(each.index.name),
            constraint=False,
            table=each.table.name,
            index=each.index,
            comment=each.index.comment,
        )


def _constraint_twins(change: Replacement, constraint: Constraint) -> Iterator[Twin]:
    if constraint.kind is not ConstraintKind.UNIQUE:
        copy = change.spare(constraint.name)
        yield Twin(
            original=constraint.name,
            copy=copy,
            constraint=True,
            table=change.name,
            comment=constraint.comment,
        )
        return
    for each in branch_of(change.catalog, change.table, index_of(change, constraint)).all():
        yield Twin(
            original=each.index.name,  # that of the constraint too
            copy=change.spare(each.index.name),
            constraint=True,
            table=each.table.name,
            index=each.index,
            comment=constraint.comment if each.table is change.table else None,
        )


def twins_exchange(change: Replacement, twins: tuple[Twin, ...]) -> Exchange:
    """The copies take the names of the originals: in a swap at once, else when the originals are gone."""
    graves = [(twin, change.grave(twin.original)) for twin in twins]
    there = [*(sql for twin in twins for sql in _marks(change, twin, there=True))]
    back = [*(sql for twin in twins for sql in _marks(change, twin, there=False))]
    if not change.swap:
        return Exchange(after=tuple(there), undo_after=tuple(back))
    return Exchange(
        after=(
            *(rename(twin, twin.original, grave) for twin, grave in graves),
            *(rename(twin, twin.copy, twin.original) for twin in twins),
            *there,
        ),
        undo_after=(
            *(rename(twin, twin.original, twin.copy) for twin in twins),
            *(rename(twin, grave, twin.original) for twin, grave in graves),
            *back,
        ),
    )


def _marks(change: Replacement, twin: Twin, *, there: bool) -> Iterator[str]:
    """What only one index of a table may have, and the comment."""
    name = twin.original if change.swap or not there else twin.copy
    if twin.comment and there:
        quoted = quote_identifier(name)
        what = (
            f"CONSTRAINT {quoted} ON {twin.table.sql}"
            if twin.constraint
            else f"INDEX {Name(name, twin.table.schema).sql}"
        )
        yield f"COMMENT ON {what} IS {quote_literal(twin.comment)}"
    if twin.index is not None:
        yield from again(twin.table, twin.index, name)


def again(table: Name, index: Index, name: str) -> Iterator[str]:
    """The replica identity and the order of CLUSTER, if they were this index's."""
    if index.identifies:
        yield f"ALTER TABLE {table.sql} REPLICA IDENTITY USING INDEX {quote_identifier(name)}"
    if index.clustered:
        yield f"ALTER TABLE {table.sql} CLUSTER ON {quote_identifier(name)}"


def rename(twin: Twin, old_name: str, new_name: str) -> str:
    """Give an index or a constraint another name."""
    table = twin.table
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


def index_step(
    change: Replacement, index: Index, copy: str, column: str, *, table: Name | None = None, title: str = ""
) -> IndexStep:
    """An index like this one, but on another column, under the name `copy`; `table` is its partition.

    Raises:
        PlanError: It is invalid, or its definition is not known.
    """
    table = table or change.name
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
    called = f"{index.name} again on {column}{f', {title}' if title else ''}"
    return IndexStep(
        id=f"verify.index.{copy if title else index.name}",
        stage=Stage.VERIFIED,
        title=f"Build index {called}, while reads and writes go on",
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
    if change.table.partitioned and constraint.kind is ConstraintKind.FOREIGN_KEY:
        raise PlanError(
            f"{old} of the partitioned table {change.name} is part of the foreign key {constraint.name}: it "
            "would get parts with names of their own, or be added without NOT VALID",
            advice="Drop the foreign key first; afterwards give each partition its own, NOT VALID, validate "
            "them, and add that of the whole table.",
        )
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
    branch = branch_of(change.catalog, change.table, index_of(change, constraint))
    for leaf in branch.leaves():
        name = change.spare(leaf.index.name)
        yield index_step(change, leaf.index, name, change.working, table=leaf.table.name)
    body = replace_column(constraint.definition, change.old.name, change.working)
    copies = spares(change, branch)
    check = (whole(branch, copy),) if change.table.partitioned else ()
    yield DdlStep(
        id=f"verify.{constraint.name}.add",
        stage=Stage.VERIFIED,
        title=f"Make the new index the constraint {constraint.name}",
        sql=(*joined_key(branch, copies, copies, body), *check),
        undo=(f"ALTER TABLE {change.name.sql} DROP CONSTRAINT IF EXISTS {quote_identifier(copy)}",),
        locks=strong(*(each.table.name for each in branch.all())),
    )
