"""A primary key that the column is part of: the new column's index takes it over in the exchange.

A table has one primary key, and dropping it takes its index along. So the old column gets a second unique
index, with which the way back is as short as the way there.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX
"""

from collections.abc import Iterator

from migsafe.catalog.model import Constraint
from migsafe.errors import PlanError
from migsafe.plan.carry import again, index_of, index_step
from migsafe.plan.exchange import Exchange
from migsafe.plan.gentle import strong
from migsafe.plan.model import DdlStep, DownMap, Step
from migsafe.plan.replacement import Replacement
from migsafe.plan.stages import Stage
from migsafe.plan.sync import OnMisfit
from migsafe.sql.names import quote_identifier, quote_literal
from migsafe.sql.operations import ConstraintKind


def key_of(change: Replacement) -> Constraint | None:
    """The primary key, if the column is part of it."""
    for each in change.table.constraints:
        if each.kind is ConstraintKind.PRIMARY_KEY and change.old.name in each.columns:
            return each
    return None


def key_indexes(change: Replacement) -> Iterator[Step]:
    """The unique index that becomes the key, and the one that would be the key again on the way back."""
    key = key_of(change)
    if key is None:
        return
    if change.table.partitioned:
        raise PlanError(
            f"{change.old.name} is in the primary key of the partitioned table {change.name}: PostgreSQL "
            "cannot make an index of it the key, so the key would have to be built under a lock",
            advice="Make a new partitioned table with the new type, and move the rows there.",
        )
    index = index_of(change, key)
    yield index_step(change, index, change.spare(key.name), change.working)
    yield index_step(change, index, _spare(change, key), change.old.name, title="for the way back")


def key_exchange(change: Replacement) -> Exchange:
    """The primary key goes from one column to the other."""
    key = key_of(change)
    if key is None:
        return Exchange()
    drop = f"ALTER TABLE {change.name.sql} DROP CONSTRAINT {quote_identifier(key.name)}"
    return Exchange(
        before=(drop,),
        after=_made(change, key, change.spare(key.name)),
        undo_before=(drop,),
        undo_after=_made(change, key, _spare(change, key)),
    )


def _spare(change: Replacement, key: Constraint) -> str:
    return change.grave(key.name)


def _made(change: Replacement, key: Constraint, index: str) -> tuple[str, ...]:
    """ADD PRIMARY KEY USING INDEX gives the index the name of the key."""
    _, deferrable, suffix = key.definition.partition(" DEFERRABLE")
    name = quote_identifier(key.name)
    told = (
        (f"COMMENT ON CONSTRAINT {name} ON {change.name.sql} IS {quote_literal(key.comment)}",)
        if key.comment
        else ()
    )
    return (
        f"ALTER TABLE {change.name.sql} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX "
        f"{quote_identifier(index)}{deferrable}{suffix}",
        *told,
        *again(change, index_of(change, key), key.name),
    )


def relaxes(change: Replacement) -> bool:
    """Whether the old column must take NULL after the exchange, for what it cannot hold."""
    conversion = change.sync.conversion
    may_misfit = conversion.down_map is not DownMap.TOTAL or conversion.raises
    return change.swap and change.old.not_null and may_misfit and change.sync.on_misfit is OnMisfit.NULL


def relax_step(change: Replacement) -> Iterator[Step]:
    """After the swap nobody reads the old column: there a value that it cannot hold is NULL."""
    if not relaxes(change):
        return
    table, column = change.name.sql, quote_identifier(change.tombstone)
    yield DdlStep(
        id="verify.relax",
        stage=Stage.VERIFIED,
        title=f"Let {change.tombstone} be NULL where it cannot hold a new value",
        sql=(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL",),
        undo=_not_null_again(change, table, column),
        undo_apart=True,
        locks=strong(change.name),
    )


def _not_null_again(change: Replacement, table: str, column: str) -> tuple[str, ...]:
    named = next((each.name for each in change.table.not_nulls if change.old.name in each.columns), None)
    if named is not None:
        name = quote_identifier(change.grave(named))
        return (
            f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}",
            f"ALTER TABLE {table} ADD CONSTRAINT {name} NOT NULL {column} NOT VALID",
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
        )
    check = quote_identifier(change.grave(f"{change.old.name}_not_null"))
    return (
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}",
        f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
        f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}",
        f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL",
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}",
    )
