"""What hangs on the old column and must hang on the new one too, each without a long strong lock.

Indexes are built CONCURRENTLY; constraints are added NOT VALID (instant) and validated under a weak lock
(as long as the table is big, while reads and writes go on).
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Column, Constraint, Index, Table
from migsafe.errors import PlanError
from migsafe.plan.gentle import constraint_steps, not_null_steps, strong
from migsafe.plan.model import DdlStep, IndexStep, Step
from migsafe.plan.stages import Stage
from migsafe.plan.sync import bounded
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind
from migsafe.sql.rename import replace_column


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """An index or constraint of the old column (`original`) and its copy on the new one."""

    original: str
    copy: str
    constraint: bool  # else a plain index


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The steps that make all copies, and which copy belongs to which original."""

    steps: tuple[Step, ...]
    twins: tuple[Twin, ...]


def carry_over(table: Table, old: Column, new_column: str, tag: str) -> Carried:
    """Copies of everything on the old column, in the order: indexes, constraints, NOT NULL.

    Raises:
        PlanError: Something hangs on the column that cannot be carried over; says what.
    """
    steps: list[Step] = []
    twins: list[Twin] = []
    by_constraint = {constraint.index for constraint in table.constraints if constraint.index}
    for index in table.indexes:
        if index.name in by_constraint:
            continue
        if not index.definition:  # its expressions and predicate could read the column
            raise _inexact(f"index {index.name} on {table.name}")
        if old.name in index.columns:
            copy = bounded("migsafe", index.name, tag)
            steps.append(_index_step(table, index, copy, old.name, new_column))
            twins.append(Twin(original=index.name, copy=copy, constraint=False))
    for constraint in table.constraints:
        if old.name in constraint.columns:
            copy = bounded("migsafe", constraint.name, tag)
            steps.extend(_constraint_steps(table, constraint, copy, old.name, new_column))
            twins.append(Twin(original=constraint.name, copy=copy, constraint=True))
    if old.not_null:
        steps.extend(not_null_steps(table.name, new_column, bounded("migsafe_not_null", new_column, tag)))
    return Carried(steps=tuple(steps), twins=tuple(twins))


def rename(table: Name, twin: Twin, old_name: str, new_name: str) -> str:
    """Give an index or a constraint another name."""
    if twin.constraint:
        target = f"{quote_identifier(old_name)} TO {quote_identifier(new_name)}"
        return f"ALTER TABLE {table.sql} RENAME CONSTRAINT {target}"
    return f"ALTER INDEX {Name(old_name, table.schema).sql} RENAME TO {quote_identifier(new_name)}"


def _index_step(table: Table, index: Index, copy: str, old: str, new: str) -> IndexStep:
    name = Name(copy, table.name.schema)
    if not index.valid:
        raise PlanError(
            f"index {index.name} on {table.name} is invalid (a CREATE INDEX CONCURRENTLY failed)",
            advice=f"Repair it first: REINDEX INDEX CONCURRENTLY {index.name}; or drop it.",
        )
    unique = "UNIQUE " if index.unique else ""
    tail = _index_tail(table, index)
    sql = (
        f"CREATE {unique}INDEX CONCURRENTLY {quote_identifier(copy)} ON {table.name.sql} "
        f"{replace_column(tail, old, new)}"
    )
    return IndexStep(
        id=f"verify.index.{index.name}",
        stage=Stage.VERIFIED,
        title=f"Build index {index.name} again on {new}, while reads and writes go on",
        index=name,
        table=table.name,
        sql=sql,
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {name.sql}",),
    )


def _index_tail(table: Table, index: Index) -> str:
    _, using, tail = index.definition.partition(" USING ")
    if not using:
        raise _inexact(f"index {index.name} on {table.name}")
    return f"USING {tail}"


def _inexact(what: str) -> PlanError:
    return PlanError(
        f"the exact definition of {what} is not known",
        advice="Give the live database with --database, so that nothing about it is guessed.",
    )


def _constraint_steps(table: Table, constraint: Constraint, copy: str, old: str, new: str) -> Iterator[Step]:
    match constraint.kind:
        case ConstraintKind.CHECK:
            definition = replace_column(constraint.definition, old, new)
            yield from _copied(table, constraint, copy, definition)
        case ConstraintKind.FOREIGN_KEY:
            columns, references, target = constraint.definition.partition(" REFERENCES ")
            if not references:
                raise _inexact(f"foreign key {constraint.name} of {table.name}")
            definition = replace_column(columns, old, new) + references + target
            yield from _copied(table, constraint, copy, definition)
        case ConstraintKind.UNIQUE:
            yield from _unique_steps(table, constraint, copy, old, new)
        case _:
            raise PlanError(
                f"column {old} of {table.name} is part of the {_words(constraint.kind)} {constraint.name}",
                advice="There is no recipe for that yet; change the column together with its key by hand.",
            )


def _copied(table: Table, constraint: Constraint, copy: str, definition: str) -> Iterator[Step]:
    return constraint_steps(
        table.name,
        copy,
        definition,
        called=constraint.name,
        references=constraint.references,
        validate=constraint.validated,
    )


def _unique_steps(table: Table, constraint: Constraint, copy: str, old: str, new: str) -> Iterator[Step]:
    index = next((index for index in table.indexes if index.name == constraint.index), None)
    if index is None or not constraint.definition:
        raise _inexact(f"the index behind constraint {constraint.name} of {table.name}")
    yield _index_step(table, index, copy, old, new)
    _, deferrable, suffix = constraint.definition.partition(" DEFERRABLE")
    yield DdlStep(
        id=f"verify.{constraint.name}.add",
        stage=Stage.VERIFIED,
        title=f"Make the new index the constraint {constraint.name}",
        sql=(
            f"ALTER TABLE {table.name.sql} ADD CONSTRAINT {quote_identifier(copy)} "
            f"UNIQUE USING INDEX {quote_identifier(copy)}{deferrable}{suffix}",
        ),
        undo=(f"ALTER TABLE {table.name.sql} DROP CONSTRAINT IF EXISTS {quote_identifier(copy)}",),
        locks=strong(table.name),
    )


def _words(kind: ConstraintKind) -> str:
    return kind.value.replace("_", " ")
