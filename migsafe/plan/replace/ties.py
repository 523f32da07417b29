"""Foreign keys of other tables to a table that makes way for another one of the same name.

The new one is added NOT VALID onto the copy and validated while the old one still holds; then the old one
goes, each in a short transaction of its own with its two tables. So the change of names locks none of the
other tables, and no moment passes without a valid foreign key. What the new one does ON DELETE and ON UPDATE
it does through the triggers that carry every write over to the copy.

A statement may write a row and the row that it refers to in any order, and the copy gets its row at the end
of it. So the new one is deferred to COMMIT, until the copy has the table's name.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from migsafe.catalog.model import Catalog, Constraint, Table
from migsafe.errors import PlanError
from migsafe.plan.gentle import constraint_steps, strong
from migsafe.plan.model import DdlStep, Step
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import bounded
from migsafe.sql.lex import lex
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind

PARTITIONED_NOT_VALID = 180000
_WHEN = re.compile(r"(\s+NOT)?(\s+DEFERRABLE)?(\s+INITIALLY\s+(DEFERRED|IMMEDIATE))?\s*$", re.IGNORECASE)
_INITIALLY_DEFERRED = re.compile(r"INITIALLY\s+DEFERRED\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """A foreign key of another table: as it is (`old`), and as it is to be.

    `new` is its name and definition then, None where it is to go; `refers` are the columns that it needs.
    """

    table: Name
    partitioned: bool
    old: Constraint
    new: tuple[str, str] | None
    refers: tuple[str, ...]
    validated: bool

    @property
    def called(self) -> str:
        """Its name for people, and for the names of steps."""
        return f"{self.table.name}.{self.old.name}"


def foreign_keys_to(old: Table, catalog: Catalog) -> Iterator[Tie]:
    """The foreign keys of other tables to this one, each to be made again as it is.

    Raises:
        PlanError: One of the other tables is not known.
    """
    for name in old.referenced_by:
        child = catalog.table(name)
        if child is None:
            raise PlanError(
                f"{name} refers to {old.name}, but is not known",
                advice="Give the live database with --database, or its schema with --schema FILE.sql.",
            )
        for key in child.constraints if name != old.name else ():
            if key.references == old.name and key.parent is None and not key.inherited:
                yield Tie(
                    table=name,
                    partitioned=child.partitioned,
                    old=key,
                    new=(key.name, key.definition),
                    refers=key.referenced_columns,
                    validated=key.validated,
                )


def refuse_tie(tie: Tie, new: Table, server_version: int) -> None:
    """Check that the foreign key can refer to the new table, and can be added there in an instant.

    Raises:
        PlanError: It cannot.
    """
    what = f"the foreign key {tie.old.name} of {tie.table}"
    if tie.new is not None and not _is_key(new, tie.refers):
        columns = ", ".join(tie.refers)
        raise PlanError(
            f"{what} refers to ({columns}), which is no key of {new.name}: no foreign key can refer to it "
            "there",
            advice=f"Give {new.name} a primary key or unique constraint on ({columns}); a partitioned table "
            "can have one only if it is partitioned by these columns. Else drop the foreign key in the "
            "script, or let it refer to the new key.",
        )
    if tie.partitioned and server_version < PARTITIONED_NOT_VALID:
        raise PlanError(
            f"{what} cannot be made again: before PostgreSQL 18 a foreign key of a partitioned table is "
            "never NOT VALID, so adding it would block the table for as long as it is read",
            advice="Drop it first, and give each partition its own, NOT VALID, then validated.",
        )
    if not tie.old.enforced or " PERIOD " in tie.old.definition:
        raise PlanError(f"{what} is NOT ENFORCED or has a PERIOD; there is no recipe for that yet")


def _is_key(table: Table, columns: tuple[str, ...]) -> bool:
    wanted = sorted(columns)
    keys = (ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE)
    return any(each.kind in keys and sorted(each.columns) == wanted for each in table.constraints) or any(
        index.unique and index.where is None and all(index.keys) and sorted(index.keys) == wanted
        for index in table.indexes
    )


def tied_to_copy(ties: tuple[Tie, ...], old: Name, copy: Name, tag: str) -> Iterator[Step]:
    """Before the change of names: onto the copy, proven; then the old ones go."""
    for tie in ties:
        if tie.new is not None:
            yield from constraint_steps(
                tie.table,
                bounded("migsafe", tie.new[0], tag),
                _deferred(_onto(tie.new[1], copy)),
                called=tie.called,
                references=copy,
                validate=tie.validated,
            )
    for tie in ties:
        quoted = quote_identifier(tie.old.name)
        alter = f"ALTER TABLE {tie.table.sql}"
        yield DdlStep(
            id=f"verify.{tie.called}.let_go",
            stage=Stage.VERIFIED,
            title=f"Drop {tie.called}"
            + (f": the one onto {copy.name} has taken over" if tie.new else ", as the script says"),
            sql=(f"{alter} DROP CONSTRAINT {quoted}",),
            undo=(
                f"{alter} DROP CONSTRAINT IF EXISTS {quoted}",
                f"{alter} ADD CONSTRAINT {quoted} {_onto(tie.old.definition, old)} NOT VALID",
                *((f"{alter} VALIDATE CONSTRAINT {quoted}",) if tie.old.validated else ()),
            ),
            undo_apart=True,
            locks=strong(*sorted({tie.table, old}, key=str)),
        )


def tied(ties: tuple[Tie, ...], old: Name, tag: str) -> Iterator[Step]:
    """After the change of names: they get their own names, and are checked when they were before."""
    for tie in ties:
        if tie.new is None:
            continue
        name, definition = tie.new
        spare, quoted = quote_identifier(bounded("migsafe", name, tag)), quote_identifier(name)
        alter = f"ALTER TABLE {tie.table.sql}"
        there = [f"{alter} RENAME CONSTRAINT {spare} TO {quoted}"]
        back = [f"{alter} RENAME CONSTRAINT {quoted} TO {spare}"]
        if not _INITIALLY_DEFERRED.search(definition):
            may = "DEFERRABLE INITIALLY IMMEDIATE" if _is_deferrable(definition) else "NOT DEFERRABLE"
            there.append(f"{alter} ALTER CONSTRAINT {quoted} {may}")
            back.insert(0, f"{alter} ALTER CONSTRAINT {quoted} DEFERRABLE INITIALLY DEFERRED")
        yield DdlStep(
            id=f"verify.{tie.called}.name",
            stage=Stage.VERIFIED,
            title=f"Give {tie.called} its name, and let it be checked by each statement"
            if len(there) > 1
            else f"Give {tie.called} its name",
            sql=tuple(there),
            undo=tuple(back),
            locks=strong(*sorted({tie.table, old}, key=str)),
        )


def _is_deferrable(definition: str) -> bool:
    found = _WHEN.search(definition)
    return found is not None and found[2] is not None and found[1] is None


def _deferred(definition: str) -> str:
    return f"{_WHEN.sub('', definition)} DEFERRABLE INITIALLY DEFERRED"


def _onto(definition: str, target: Name) -> str:
    """The foreign key, but to the table of this name."""
    tokens = tuple(lex(definition))
    at = next(place for place, token in enumerate(tokens) if token.value == "references") + 1
    last = at
    while last + 2 < len(tokens) and tokens[last + 1].value == ".":
        last += 2
    return f"{definition[: tokens[at].start]}{target.sql}{definition[tokens[last].end :]}"
