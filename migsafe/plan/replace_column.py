"""The core of every recipe in which a column makes way for another one.

The new column stands next to the old one and triggers keep both equal, from expand until the old shape is
gone. Two endings: either both versions of the application have a name each (a rename), and the old column
becomes a tombstone after blue is gone; or both use one name (a type change), and the columns swap names in
one transaction once every row is verified.
"""

from dataclasses import dataclass, replace

from migsafe.catalog.model import Column, Table
from migsafe.errors import PlanError
from migsafe.plan.carry import Carried, carry_over, rename
from migsafe.plan.conversions import differs, fill
from migsafe.plan.gentle import strong
from migsafe.plan.model import BackfillStep, DdlStep, Step, VerifyStep
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync import (
    Sync,
    bounded,
    create_triggers,
    drop_triggers,
    fires_after_sync,
    tombstone_function,
    two_way_function,
)
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind

# While both names are in use, and when the old one has become a tombstone.
TWO_NAMES = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One column that makes way: `sync` names both columns as they are until the swap or the tombstone.

    With `swap`, the new column has a working name until it takes the old one's.
    """

    table: Table
    old: Column
    sync: Sync
    swap: bool

    @property
    def name(self) -> Name:
        """The table."""
        return self.table.name

    @property
    def tombstone(self) -> str:
        """The name under which the old column waits to be dropped."""
        return bounded("migsafe_tomb", self.old.name, self.sync.tag)

    @property
    def final_sync(self) -> Sync:
        """The pair once the old column has its tombstone name."""
        new = replace(self.sync.new, column=self.old.name) if self.swap else self.sync.new
        old = replace(self.sync.old, column=self.tombstone, has_default=False)
        return replace(self.sync, old=old, new=new)


def refuse_unsupported(table: Table, column: Column) -> None:
    """Check that nothing hangs on the column that cannot be carried over.

    Raises:
        PlanError: Something does: what, and what to do about it.
    """
    what = f"column {column.name} of {table.name}"
    if table.partitioned or table.partition_of:
        raise PlanError(
            f"{table.name} is partitioned; there is no recipe for that yet",
            advice="Change it partition by partition, or wait for the recipe.",
        )
    if column.generated or column.is_serial:
        kind = column.generated.value if column.generated else "serial"
        raise PlanError(
            f"{what} is {kind}; there is no recipe for that yet",
            advice="Make it an ordinary column first, or change it by hand.",
        )
    if not table.columns_complete:
        raise PlanError(
            f"the columns of {table.name} are not all known",
            advice="Give the live database with --database, or its schema with --schema FILE.sql.",
        )
    readers = [each.description for each in table.dependents if each.column == column.name]
    readers += [
        f"foreign key {constraint.name}"
        for constraint in table.constraints
        if constraint.references == table.name and column.name in constraint.referenced_columns
    ]
    if readers:
        raise PlanError(
            f"{what} is used by: {', '.join(sorted(set(readers)))}",
            advice="They would go on reading the old column. Drop them first, and make them again after.",
        )
    late = [each.name for each in table.triggers if each.before_row and fires_after_sync(each.name)]
    if late:
        raise PlanError(
            f"trigger {late[0]} on {table.name} would fire after the sync triggers and could undo their work",
            advice=f"Rename it: ALTER TRIGGER {late[0]} ON {table.name} RENAME TO a_{late[0]};",
        )


def primary_key(table: Table) -> tuple[str, ...]:
    """The key columns by which rows are named in reports; empty when there is no primary key."""
    keys = (each.columns for each in table.constraints if each.kind is ConstraintKind.PRIMARY_KEY)
    return next(keys, ())


def build_steps(change: Replacement) -> tuple[Step, ...]:
    """All steps, in order."""
    carried = carry_over(change.table, change.old, change.sync.new.column, change.sync.tag)
    return (
        _expand(change),
        _backfill(change),
        *carried.steps,
        _verify(change),
        *((_swap(change, carried),) if change.swap else (_tombstone(change),)),
        _drop(change, carried),
    )


def _expand(change: Replacement) -> DdlStep:
    sync, table = change.sync, change.name
    new = quote_identifier(sync.new.column)
    collation = f' COLLATE "{sync.new.collation}"' if sync.new.collation else ""
    return DdlStep(
        id="expand.add_and_sync",
        stage=Stage.EXPANDED,
        title=f"Add {sync.new.column} and the triggers that keep it equal to {sync.old.column}",
        sql=(
            f"ALTER TABLE {table.sql} ADD COLUMN {new} {sync.new.type}{collation}",
            *create_triggers(sync),
        ),
        undo=(*drop_triggers(sync), f"ALTER TABLE {table.sql} DROP COLUMN IF EXISTS {new}"),
        locks=strong(table),
    )


def _backfill(change: Replacement) -> BackfillStep:
    sync = change.sync
    up = fill(sync.conversion.up, quote_identifier(sync.old.column))
    return BackfillStep(
        id="backfill.copy",
        stage=Stage.BACKFILLED,
        title=f"Fill {sync.new.column} from {sync.old.column} in batches",
        table=change.name,
        assignments=f"{quote_identifier(sync.new.column)} = {up}",
        pending=_unequal(change),
    )


def _verify(change: Replacement) -> VerifyStep:
    sync = change.sync
    return VerifyStep(
        id="verify.rows",
        stage=Stage.VERIFIED,
        title=f"Prove that {sync.new.column} equals {sync.old.column} in every row",
        table=change.name,
        key=sync.key,
        mismatch=_unequal(change),
    )


def _unequal(change: Replacement) -> str:
    sync = change.sync
    up = fill(sync.conversion.up, quote_identifier(sync.old.column))
    return differs(quote_identifier(sync.new.column), up, sync.new.type, collation=sync.new.collation)


def _swap(change: Replacement, carried: Carried) -> DdlStep:
    table, old, new = change.name, change.old.name, change.sync.new.column
    buried = [(twin, _buried(change, twin.original)) for twin in carried.twins]
    forward = [rename(table, twin, twin.original, grave) for twin, grave in buried]
    forward += [rename(table, twin, twin.copy, twin.original) for twin, _ in buried]
    backward = [rename(table, twin, twin.original, twin.copy) for twin, _ in buried]
    backward += [rename(table, twin, grave, twin.original) for twin, grave in buried]
    return DdlStep(
        id="verify.swap",
        stage=Stage.VERIFIED,
        title=f"Give the name {old} to the verified column, in one transaction",
        sql=(
            *_drop_default(change, old),
            _rename_column(table, old, change.tombstone),
            _rename_column(table, new, old),
            *_set_default(change, old),
            tombstone_function(change.final_sync),
            *forward,
        ),
        undo=(
            *_drop_default(change, old),
            _rename_column(table, old, new),
            _rename_column(table, change.tombstone, old),
            *_set_default(change, old),
            two_way_function(change.sync),
            *backward,
        ),
        locks=strong(table),
    )


def _tombstone(change: Replacement) -> DdlStep:
    table, old, new = change.name, change.old.name, change.sync.new.column
    return DdlStep(
        id="contract.tombstone",
        stage=Stage.TOMBSTONED,
        title=f"Rename {old} to its tombstone; {new} goes on being copied to it",
        sql=(
            *_drop_default(change, old),
            _rename_column(table, old, change.tombstone),
            *_set_default(change, new),
            tombstone_function(change.final_sync),
        ),
        undo=(
            *_drop_default(change, new),
            _rename_column(table, change.tombstone, old),
            *_set_default(change, old),
            two_way_function(change.sync),
        ),
        locks=strong(table),
    )


def _drop(change: Replacement, carried: Carried) -> DdlStep:
    renames: tuple[str, ...] = ()
    if not change.swap:  # a swap has renamed them already
        renames = tuple(rename(change.name, twin, twin.copy, twin.original) for twin in carried.twins)
    parents = {each.references for each in change.table.constraints if change.old.name in each.columns}
    return DdlStep(
        id="contract.drop",
        stage=Stage.DROPPED,
        title=f"Drop {change.tombstone} and the triggers: the point of no return",
        sql=(
            *drop_triggers(change.sync),
            f"ALTER TABLE {change.name.sql} DROP COLUMN {quote_identifier(change.tombstone)}",
            *renames,
        ),
        locks=strong(change.name, *sorted(name for name in parents if name and name != change.name)),
    )


def _buried(change: Replacement, original: str) -> str:
    return bounded("migsafe_tomb", original, change.sync.tag)


def _rename_column(table: Name, old: str, new: str) -> str:
    return f"ALTER TABLE {table.sql} RENAME COLUMN {quote_identifier(old)} TO {quote_identifier(new)}"


def _drop_default(change: Replacement, column: str) -> tuple[str, ...]:
    if change.old.default is None:
        return ()
    return (f"ALTER TABLE {change.name.sql} ALTER COLUMN {quote_identifier(column)} DROP DEFAULT",)


def _set_default(change: Replacement, column: str) -> tuple[str, ...]:
    if change.old.default is None:
        return ()
    quoted = quote_identifier(column)
    return (f"ALTER TABLE {change.name.sql} ALTER COLUMN {quoted} SET DEFAULT {change.old.default}",)
