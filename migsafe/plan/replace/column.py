"""The core of every recipe in which a column makes way for another one.

The new column stands next to the old one and triggers keep both equal, from expand until the old shape is
gone. Two endings: either both versions of the application have a name each (a rename), and the old column
becomes a tombstone after blue is gone; or both use one name (a type change), and the columns swap names in
one transaction once every row is verified.
"""

import re
from collections.abc import Iterator

from migsafe.catalog.model import Column, Table
from migsafe.effects.model import Lock, LockMode
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import differs, fill, type_sql
from migsafe.plan.gentle import strong
from migsafe.plan.model import BackfillStep, DdlStep, Step, VerifyStep
from migsafe.plan.replace.carry import Carried, carry_over, rename, twins_exchange
from migsafe.plan.replace.dependants import dependants_exchange, refuse_dependants, view_twins
from migsafe.plan.replace.exchange import exchange_step, together
from migsafe.plan.replace.key import key_exchange, key_indexes, relax_step
from migsafe.plan.replace.numbering import numbering
from migsafe.plan.replace.partitioned import refuse_partitions
from migsafe.plan.replace.references import let_go, made_again, named_back, references_to, released
from migsafe.plan.replace.replacement import Replacement, primary_key
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.plan.sync.pair import create_triggers, drop_triggers, fires_after_sync
from migsafe.sql.names import quote_identifier, quote_literal
from migsafe.sql.operations import Generated

__all__ = ["TWO_NAMES", "Replacement", "build_steps", "primary_key", "refuse_unsupported"]

# While both names are in use, and when the old one has become a tombstone.
TWO_NAMES = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)


def refuse_unsupported(table: Table, column: Column) -> None:
    """Check that the column is one that can make way at all.

    Raises:
        PlanError: It is not: why, and what to do about it.
    """
    what = f"column {column.name} of {table.name}"
    if table.partition_of:
        raise PlanError(
            f"{table.name} is a partition of {table.partition_of}, from which it has its columns",
            advice=f"Change {table.partition_of}: all its partitions change with it.",
        )
    if table.partitioned and (column.generated or re.search(_word(column.name), table.partition_key or "")):
        why = "an identity" if column.generated else "part of the partition key"
        raise PlanError(
            f"{what} is {why}, and the table is partitioned: PostgreSQL has no way to give that to another "
            "column",
            advice="Make a new partitioned table with the new type, and move the rows there.",
        )
    if table.inherits or table.of_type or table.foreign:
        kind = "a foreign table" if table.foreign else "made from another table or a type"
        raise PlanError(
            f"{table.name} is {kind}, so its columns are not its own",
            advice="Change the other table or the type; for a foreign table, change it where it is stored.",
        )
    if column.generated and column.generated is not Generated.IDENTITY:
        raise PlanError(
            f"{what} is {column.generated.value} generated: PostgreSQL computes it, and only with "
            "a rewrite of the whole table",
            advice="Make an ordinary column next to it and keep that by a trigger; or take a quiet time.",
        )
    if not table.columns_complete:
        raise PlanError(
            f"the columns of {table.name} are not all known",
            advice="Give the live database with --database, or its schema with --schema FILE.sql.",
        )
    late = [each.name for each in table.triggers if each.before_row and fires_after_sync(each.name)]
    if late:
        raise PlanError(
            f"trigger {late[0]} on {table.name} would fire after the sync triggers and could undo their work",
            advice=f"Rename it: ALTER TRIGGER {late[0]} ON {table.name} RENAME TO a_{late[0]};",
        )


def _word(name: str) -> str:
    return rf"(?<![\w$]){re.escape(name)}(?![\w$])"


def build_steps(change: Replacement) -> tuple[Step, ...]:
    """All steps, in order.

    Raises:
        PlanError: Something hangs on the column that cannot be carried over; says what.
    """
    refuse_dependants(change)
    if change.table.partitioned:
        refuse_partitions(change.catalog, change.table, change.old.name)
    references = references_to(change)
    carried = carry_over(change)
    twins = view_twins(change)
    whole = together(
        (
            twins.exchange(),
            dependants_exchange(change),
            released(references),
            numbering(change),
            key_exchange(change),
            twins_exchange(change, carried.twins),
        )
    )
    return (
        _expand(change),
        *_prove(change),
        _backfill(change),
        *key_indexes(change),
        *carried.steps,
        *made_again(references),
        _analyze(change),
        _verify(change),
        *twins.ready(),
        *let_go(references),
        exchange_step(change, whole),
        *named_back(references),
        *relax_step(change),
        *twins.end(),
        _drop(change, carried),
    )


def _expand(change: Replacement) -> DdlStep:
    sync, table = change.sync, change.name
    new = quote_identifier(sync.new.column)
    collation = f" COLLATE {sync.new.collation}" if sync.new.collation else ""
    return DdlStep(
        id="expand.add_and_sync",
        stage=Stage.EXPANDED,
        title=f"Add {sync.new.column} and the triggers that keep it equal to {sync.old.column}",
        sql=(
            *change.helpers.create,
            f"ALTER TABLE {table.sql} ADD COLUMN {new} {type_sql(sync.new.type)}{collation}",
            *_extras(change),
            *create_triggers(sync),
        ),
        undo=(
            *drop_triggers(sync),
            f"ALTER TABLE {table.sql} DROP COLUMN IF EXISTS {new}",
            *change.helpers.drop,
        ),
        locks=strong(table),
    )


def _extras(change: Replacement) -> Iterator[str]:
    """Privileges, statistics targets, storage and the comment: what ALTER COLUMN TYPE would leave."""
    extras, table, new = change.old.extras, change.name.sql, quote_identifier(change.working)
    if extras is None:
        return
    kept = extras.storage if change.alike else ()
    for setting in (*extras.settings, *kept):
        yield f"ALTER TABLE {table} ALTER COLUMN {new} {setting}"
    for grant in extras.grants:
        privilege, _, whom = grant.partition(" TO ")
        yield f"GRANT {privilege} ({new}) ON {table} TO {whom}"
    if extras.comment is not None:
        yield f"COMMENT ON COLUMN {table}.{new} IS {quote_literal(extras.comment)}"


def _prove(change: Replacement) -> Iterator[VerifyStep]:
    """Before anything is filled: that every value has one of the new type."""
    if change.sync.conversion.up_fits is None:
        return
    yield VerifyStep(
        id="backfill.prove",
        stage=Stage.BACKFILLED,
        title=f"Prove that every {change.old.name} can become {change.sync.new.type}",
        table=change.name,
        key=change.sync.key,
        mismatch=_unfit(change),
        passes=1,
    )


def _unfit(change: Replacement) -> str:
    condition = fill(change.sync.conversion.up_fits or "true", quote_identifier(change.old.name))
    return f"({condition}) IS NOT TRUE"


def _backfill(change: Replacement) -> BackfillStep:
    sync = change.sync
    return BackfillStep(
        id="backfill.copy",
        stage=Stage.BACKFILLED,
        title=f"Fill {sync.new.column} from {sync.old.column} in batches",
        table=change.name,
        assignments=f"{quote_identifier(sync.new.column)} = {change.up}",
        pending=_unequal(change),
    )


def _analyze(change: Replacement) -> DdlStep:
    """Without statistics of the new column its first queries would get bad plans."""
    return DdlStep(
        id="verify.analyze",
        stage=Stage.VERIFIED,
        title=f"Collect statistics of {change.working}, from a sample",
        sql=(f"ANALYZE {change.name.sql}",),
        locks=(Lock(change.name, LockMode.SHARE_UPDATE_EXCLUSIVE),),
        patient=True,
    )


def _verify(change: Replacement) -> VerifyStep:
    sync = change.sync
    return VerifyStep(
        id="verify.rows",
        stage=Stage.VERIFIED,
        title=f"Prove that {sync.new.column} equals {sync.old.column} in every row",
        table=change.name,
        key=sync.key,
        mismatch=_differs(change, sync.old.column, sync.new.column),
        again=_differs(change, change.tombstone if change.swap else sync.old.column, change.final),
    )


def _differs(change: Replacement, old: str, new: str) -> str:
    """True for rows in which the two columns, by these names, do not say the same."""
    conversion, quoted = change.sync.conversion, quote_identifier(old)
    column, up = change.sync.new, fill(conversion.up, quoted)
    unequal = differs(quote_identifier(new), up, column.type, collation=column.collation)
    return f"{unequal} OR ({fill(conversion.up_fits, quoted)}) IS NOT TRUE" if conversion.up_fits else unequal


def _unequal(change: Replacement) -> str:
    new = change.sync.new
    return differs(quote_identifier(new.column), change.up, new.type, collation=new.collation)


def _drop(change: Replacement, carried: Carried) -> DdlStep:
    renames: tuple[str, ...] = ()
    if not change.swap:  # a swap has renamed them already
        renames = tuple(rename(twin, twin.copy, twin.original) for twin in carried.twins)
    parents = {each.references for each in change.table.constraints if change.old.name in each.columns}
    return DdlStep(
        id="contract.drop",
        stage=Stage.DROPPED,
        title=f"Drop {change.tombstone} and the triggers: the point of no return",
        sql=(
            *drop_triggers(change.sync),
            *change.helpers.drop,
            f"ALTER TABLE {change.name.sql} DROP COLUMN {quote_identifier(change.tombstone)}",
            *renames,
        ),
        locks=strong(change.name, *sorted(name for name in parents if name and name != change.name)),
    )
