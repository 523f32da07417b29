"""Steps that prove something about a whole table under weak locks: the parts that recipes are made of.

A constraint is added NOT VALID (instant) and validated (as long as the table is big, while reads and writes
go on); NOT NULL is proven by such a CHECK, so that SET NOT NULL scans nothing.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from collections.abc import Iterator

from migsafe.catalog.model import Table
from migsafe.effects.model import Lock, LockMode
from migsafe.plan.model import DdlStep, Step, VerifyStep
from migsafe.plan.replace.replacement import primary_key
from migsafe.plan.stages import Stage
from migsafe.sql.names import Name, quote_identifier


def strong(*tables: Name) -> tuple[Lock, ...]:
    """ACCESS EXCLUSIVE on each of these tables."""
    return tuple(Lock(table, LockMode.ACCESS_EXCLUSIVE) for table in tables)


def constraint_steps(
    table: Name,
    name: str,
    definition: str,
    *,
    called: str,
    references: Name | None = None,
    validate: bool = True,
) -> Iterator[Step]:
    """Add a CHECK, a foreign key or a NOT NULL constraint, then prove it. `called` is its name for people."""
    quoted = quote_identifier(name)
    if references:
        both = sorted({table, references}, key=str)
        locks = tuple(Lock(each, LockMode.SHARE_ROW_EXCLUSIVE) for each in both)
    else:
        locks = strong(table)
    yield DdlStep(
        id=f"verify.{called}.add",
        stage=Stage.VERIFIED,
        title=f"Add constraint {called} for new rows",
        sql=(f"ALTER TABLE {table.sql} ADD CONSTRAINT {quoted} {definition} NOT VALID",),
        undo=(f"ALTER TABLE {table.sql} DROP CONSTRAINT IF EXISTS {quoted}",),
        locks=locks,
    )
    if validate:
        yield validation(table, name, called, f"constraint {called} for all rows", references)


def not_null_steps(table: Name, column: str, check: str) -> Iterator[Step]:
    """Prove with a CHECK constraint called `check` that no row holds NULL, then say so."""
    quoted, constraint = quote_identifier(column), quote_identifier(check)
    yield DdlStep(
        id=f"verify.not_null.{column}.add",
        stage=Stage.VERIFIED,
        title=f"Refuse NULL in {column} for new rows",
        sql=(f"ALTER TABLE {table.sql} ADD CONSTRAINT {constraint} CHECK ({quoted} IS NOT NULL) NOT VALID",),
        undo=(f"ALTER TABLE {table.sql} DROP CONSTRAINT IF EXISTS {constraint}",),
        locks=strong(table),
    )
    yield validation(table, check, f"not_null.{column}", f"that no row holds NULL in {column}")
    yield DdlStep(
        id=f"verify.not_null.{column}.set",
        stage=Stage.VERIFIED,
        title=f"SET NOT NULL on {column}: no scan, the constraint proves it",
        sql=(
            f"ALTER TABLE {table.sql} ALTER COLUMN {quoted} SET NOT NULL",
            f"ALTER TABLE {table.sql} DROP CONSTRAINT {constraint}",
        ),
        undo=(f"ALTER TABLE {table.sql} ALTER COLUMN {quoted} DROP NOT NULL",),
        locks=strong(table),
    )


def proof_of_rows(table: Table, *, id: str, title: str, mismatch: str) -> VerifyStep:  # noqa: A002 - the step's
    """One look at every row, before something depends on it: none may satisfy `mismatch`, a condition."""
    return VerifyStep(
        id=id,
        stage=Stage.VERIFIED,
        title=title,
        table=table.name,
        key=primary_key(table),
        mismatch=mismatch,
        passes=1,
    )


def validation(table: Name, name: str, called: str, what: str, references: Name | None = None) -> DdlStep:
    """Prove a constraint that is NOT VALID; `called` is its name in ids, `what` the words for people."""
    locks = [Lock(table, LockMode.SHARE_UPDATE_EXCLUSIVE)]
    if references and references != table:
        locks.append(Lock(references, LockMode.ROW_SHARE))
    return DdlStep(
        id=f"verify.{called}.validate",
        stage=Stage.VERIFIED,
        title=f"Check {what}, while reads and writes go on",
        sql=(f"ALTER TABLE {table.sql} VALIDATE CONSTRAINT {quote_identifier(name)}",),
        locks=tuple(locks),
        patient=True,
    )
