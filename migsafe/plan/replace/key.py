"""A primary key that the column is part of: the new column's index takes it over in the exchange.

A table has one primary key, and dropping it takes its index along. So the old column gets a second unique
index, with which the way back is as short as the way there.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX
"""

from collections.abc import Iterator

from migsafe.catalog.model import Constraint
from migsafe.plan.gentle import strong
from migsafe.plan.model import DdlStep, DownMap, Step
from migsafe.plan.replace.carry import again, index_of, index_step
from migsafe.plan.replace.exchange import Exchange
from migsafe.plan.replace.partitioned import Branch, branch_of, graves, joined_key, originals, spares, whole
from migsafe.plan.replace.replacement import Replacement
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import OnMisfit
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import ConstraintKind
from migsafe.sql.rename import replace_column


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
    branch = branch_of(change.catalog, change.table, index_of(change, key))
    for leaf in branch.leaves():
        name, table = leaf.index.name, leaf.table.name
        yield index_step(change, leaf.index, change.spare(name), change.working, table=table)
        yield index_step(
            change,
            leaf.index,
            change.grave(name),
            change.old.name,
            table=table,
            title="for the way back",
        )


def key_exchange(change: Replacement) -> Exchange:
    """The primary key goes from one column to the other."""
    key = key_of(change)
    if key is None:
        return Exchange()
    drop = f"ALTER TABLE {change.name.sql} DROP CONSTRAINT {quote_identifier(key.name)}"
    branch = branch_of(change.catalog, change.table, index_of(change, key))
    return Exchange(
        before=(drop,),
        after=_made(change, key, branch, spares(change, branch), change.final),
        undo_before=(drop,),
        undo_after=_made(change, key, branch, graves(change, branch), change.old.name),
        locks=tuple(each.table.name for each in branch.all()),
    )


def _made(
    change: Replacement, key: Constraint, branch: Branch, built: dict[Name, str], column: str
) -> tuple[str, ...]:
    """ADD PRIMARY KEY USING INDEX gives the index the name of the key."""
    body = replace_column(key.definition, change.old.name, column)
    name = quote_identifier(key.name)
    told = (
        (f"COMMENT ON CONSTRAINT {name} ON {change.name.sql} IS {quote_literal(key.comment)}",)
        if key.comment
        else ()
    )
    return (
        *joined_key(branch, originals(branch), built, body),
        *((whole(branch, key.name),) if change.table.partitioned else ()),
        *told,
        *(sql for each in branch.all() for sql in again(each.table.name, each.index, each.index.name)),
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
