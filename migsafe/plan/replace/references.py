"""Foreign keys of other tables to a column that makes way: made again onto the new one, and always proven.

The new one is added NOT VALID and validated while the old one still holds; only then is the old one dropped,
table by table, each in a short transaction of its own, before the columns are exchanged. So the exchange
locks one table, and no moment passes without a valid foreign key. The way back goes the same way.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT
"""

from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Constraint, Table
from migsafe.errors import PlanError
from migsafe.plan.gentle import constraint_steps, strong
from migsafe.plan.model import DdlStep, Step
from migsafe.plan.replace.exchange import Exchange
from migsafe.plan.replace.replacement import Replacement
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind
from migsafe.sql.rename import replace_column

_PARTITIONED_NOT_VALID = 180000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One foreign key of `table` to the column."""

    table: Name
    key: Constraint
    change: Replacement

    @property
    def called(self) -> str:
        """Its name for people, and for the names of steps."""
        return f"{self.table.name}.{self.key.name}"

    @property
    def onto_new(self) -> str:
        """Its name while it refers to the new column and the old one still exists."""
        return self.change.spare(self.key.name)

    @property
    def back(self) -> str:
        """The name of its replacement on the way back."""
        return self.change.grave(self.key.name)

    def definition(self, column: str) -> str:
        """The foreign key, but to this column."""
        head, found, tail = self.key.definition.partition(" REFERENCES ")
        target, bracket, rest = tail.partition(")")
        if not found or not bracket:
            raise PlanError(
                f"the exact definition of foreign key {self.key.name} of {self.table} is not known",
                advice="Give the live database with --database, so that nothing about it is guessed.",
            )
        return f"{head} REFERENCES {replace_column(target, self.change.old.name, column)}){rest}"


def references_to(change: Replacement) -> tuple[Reference, ...]:
    """The foreign keys that refer to the old column, those of its own table included.

    Raises:
        PlanError: One of them cannot be made again without blocking; says why.
    """
    found: list[Reference] = []
    for name in sorted({*change.table.referenced_by, change.name}):
        child = change.catalog.table(name)
        if child is None:
            raise PlanError(
                f"{name} refers to {change.name}, but is not known",
                advice="Give the live database with --database, or its schema with --schema FILE.sql.",
            )
        for key in child.constraints:
            if _refers(change, key):
                _refuse(change, child, key)
                found.append(Reference(table=child.name, key=key, change=change))
    return tuple(found)


def _refers(change: Replacement, key: Constraint) -> bool:
    return (
        key.kind is ConstraintKind.FOREIGN_KEY
        and key.references == change.name
        and change.old.name in key.referenced_columns
        and key.parent is None
    )


def _refuse(change: Replacement, child: Table, key: Constraint) -> None:
    what = f"foreign key {key.name} of {child.name}"
    if change.table.partitioned:
        raise PlanError(
            f"{what} refers to the partitioned table {change.name}; there is no recipe for that yet",
            advice="Drop the foreign key first, and add it again after.",
        )
    if child.partitioned and change.server_version < _PARTITIONED_NOT_VALID:
        raise PlanError(
            f"{what} cannot be made again: before PostgreSQL 18 a foreign key of a partitioned table is "
            "never NOT VALID, so adding it would block the table for as long as it is read",
            advice="Drop it first, and give each partition its own, NOT VALID, then validated.",
        )
    if child.name == change.name and change.old.name in key.columns:
        raise PlanError(f"{what} has {change.old.name} on both of its sides; there is no recipe for that")
    if not key.enforced or " PERIOD " in key.definition:
        raise PlanError(f"{what} is NOT ENFORCED or has a PERIOD; there is no recipe for that yet")


def made_again(references: tuple[Reference, ...]) -> Iterator[Step]:
    """Before the exchange: the foreign keys onto the new column, added and proven."""
    for each in references:
        yield from constraint_steps(
            each.table,
            each.onto_new,
            each.definition(each.change.working),
            called=each.called,
            references=each.change.name,
            validate=each.key.validated,
        )


def let_go(references: tuple[Reference, ...]) -> Iterator[Step]:
    """Right before the exchange: the old foreign keys go, each by itself; the new ones hold already."""
    for each in references:
        name, old = quote_identifier(each.key.name), each.change.old.name
        yield DdlStep(
            id=f"{_PHASE[each.change.swap]}.{each.called}.let_go",
            stage=each.change.stage,
            title=f"Drop {each.called}: the one onto {each.change.working} has taken over",
            sql=(f"ALTER TABLE {each.table.sql} DROP CONSTRAINT {name}",),
            undo=(
                *_proven(each, each.key.name, old),
                _dropped(each, each.back),
            ),
            undo_apart=True,
            locks=strong(*_both(each)),
        )


def named_back(references: tuple[Reference, ...]) -> Iterator[Step]:
    """Right after the exchange: the new foreign keys take the names of the old ones."""
    for each in references:
        names = f"{quote_identifier(each.onto_new)} TO {quote_identifier(each.key.name)}"
        yield DdlStep(
            id=f"{_PHASE[each.change.swap]}.{each.called}.name",
            stage=each.change.stage,
            title=f"Give {each.called} its name again",
            sql=(f"ALTER TABLE {each.table.sql} RENAME CONSTRAINT {names}",),
            undo=(
                *_proven(each, each.back, each.change.tombstone),
                _dropped(each, each.key.name),
                _dropped(each, each.onto_new),
            ),
            undo_apart=True,
            locks=strong(*_both(each)),
        )


def released(references: tuple[Reference, ...]) -> Exchange:
    """A foreign key onto the new column would keep the way back from taking its index away."""
    return Exchange(undo_before=tuple(_dropped(each, each.onto_new) for each in references))


_PHASE = {True: "verify", False: "contract"}


def _proven(each: Reference, name: str, column: str) -> tuple[str, ...]:
    quoted = quote_identifier(name)
    validation = (f"ALTER TABLE {each.table.sql} VALIDATE CONSTRAINT {quoted}",)
    return (
        _dropped(each, name),
        f"ALTER TABLE {each.table.sql} ADD CONSTRAINT {quoted} {each.definition(column)} NOT VALID",
        *(validation if each.key.validated else ()),
    )


def _dropped(each: Reference, name: str) -> str:
    return f"ALTER TABLE {each.table.sql} DROP CONSTRAINT IF EXISTS {quote_identifier(name)}"


def _both(each: Reference) -> tuple[Name, ...]:
    return tuple(sorted({each.table, each.change.name}, key=str))
