"""A table that makes way for another one of the same name, with the same rows.

The new table stands next to the old one and triggers keep it equal. When every row is verified the two change
names in one transaction, and from then on the triggers keep the old one equal, so that the way back is as
short and loses nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from migsafe.catalog.model import Table
from migsafe.plan.conversion.conversions import Conversion, differs, fill
from migsafe.plan.gentle import strong
from migsafe.plan.model import BackfillStep, CopyRows, DdlStep, Step, VerifyStep
from migsafe.plan.replace.followers import Followers
from migsafe.plan.replace.grants import copy_grants
from migsafe.plan.replace.replacement import Helpers
from migsafe.plan.replace.ties import Tie, tied, tied_to_copy
from migsafe.plan.stages import Stage
from migsafe.plan.sync.mirror import Mirror, drop_function, function_of, start_mirror, stop_mirror
from migsafe.sql.names import Name, quote_identifier, quote_literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The sequences behind a column of both tables, which go on where the other one stands."""

    old: Name
    new: Name


@dataclass(frozen=True, slots=True, kw_only=True)
class TableReplacement:
    """`new` has a working name until it takes `old`'s; `grave` is the old table's name from then on.

    `build` makes the new table with all that belongs to it, `ties` its foreign keys; `foreign_keys` are those
    of other tables to it. `old_key` is the old
    table's primary key, `new_key` a unique key of the new one that contains it. `at_swap` runs after the
    names have changed. `conversions` are those of the columns that get another type, none of them in a key;
    `helpers` are the functions that they call.
    """

    rollout: str
    tag: str
    old: Table
    new: Table
    followers: Followers
    foreign_keys: tuple[Tie, ...]
    grave: Name
    columns: tuple[str, ...]
    old_key: tuple[str, ...]
    new_key: tuple[str, ...]
    build: tuple[str, ...]
    ties: tuple[str, ...] = ()
    counters: tuple[Counter, ...] = ()
    at_swap: tuple[str, ...] = ()
    at_swap_undo: tuple[str, ...] = ()
    lenient: bool = False
    lenient_back: bool = True
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    helpers: Helpers = field(default_factory=Helpers)

    @property
    def forward(self) -> Mirror:
        """Old to new, until the swap."""
        return Mirror(
            rollout=self.rollout,
            tag=self.tag,
            source=self.old.name,
            target=self.new.name,
            columns=self.columns,
            key=self.new_key,
            lenient=self.lenient,
            values={column: each.up for column, each in self.conversions.items()},
        )

    @property
    def backward(self) -> Mirror:
        """New to old, both by the names that they have after the swap."""
        turned = replace(self.forward, source=self.old.name, target=self.grave)
        values = {column: self._down(column, each) for column, each in self.conversions.items()}
        fits = {
            column: f"({{value}} IS NULL OR {each.fits})"
            for column, each in self.conversions.items()
            if each.fits is not None
        }
        return replace(turned, key=self.old_key, lenient=self.lenient_back, values=values, fits=fits)

    def _down(self, name: str, conversion: Conversion) -> str:
        """What the old table gets: NULL, or the nearest value, for what it cannot hold."""
        if conversion.fits is None:
            return conversion.down
        column = self.old.column(name)
        nearest = conversion.nearest if column and column.not_null else None
        return f"CASE WHEN {conversion.fits} THEN {conversion.down} ELSE {nearest or 'NULL'} END"

    def up(self, column: str, row: str) -> str:
        """What the new table has for a column of this row of the old one; `row` may be empty."""
        quoted = quote_identifier(column)
        conversion = self.conversions.get(column, Conversion())
        return fill(conversion.up, f"{row}.{quoted}" if row else quoted)

    @property
    def unfit(self) -> str:
        """True for the rows of the old table that have a value for which there is no new one; or empty."""
        return " OR ".join(
            f"({fill(each.up_fits, quote_identifier(column))}) IS NOT TRUE"
            for column, each in self.conversions.items()
            if each.up_fits is not None
        )

    @property
    def function(self) -> Name:
        """The trigger function."""
        return function_of(self.forward, self.old.name.name)


def build_steps(change: TableReplacement) -> Iterator[Step]:
    """All steps but the last one, which takes the old table away."""
    old, new = change.old.name, change.new.name
    yield DdlStep(
        id=f"expand.create.{new.name}",
        stage=Stage.EXPANDED,
        title=f"Create {new} next to {old}",
        sql=(*change.helpers.create, *change.build, *copy_grants(change.old, new)),
        undo=(f"DROP TABLE IF EXISTS {new.sql}", *change.helpers.drop),
        locks=strong(new),
        # Nobody else knows the new table; of others only foreign keys in its definition lock anything.
        patient="references" not in " ".join(change.build).lower(),
    )
    for number, statement in enumerate(change.ties, 1):
        yield DdlStep(
            id=f"expand.tie.{new.name}.{number}",
            stage=Stage.EXPANDED,
            title=f"Give {new} foreign key {number} of {len(change.ties)}",
            sql=(statement,),
        )
    yield DdlStep(
        id=f"expand.mirror.{old.name}",
        stage=Stage.EXPANDED,
        title=f"Carry every write of {old} over to {new}",
        sql=start_mirror(change.forward, change.function),
        undo=(*stop_mirror(change.forward), drop_function(change.function)),
        locks=strong(old),
    )
    if change.unfit:
        yield VerifyStep(
            id=f"backfill.prove.{old.name}",
            stage=Stage.BACKFILLED,
            title=f"Prove that every {' and '.join(change.conversions)} of {old} can be converted",
            table=old,
            key=change.old_key,
            mismatch=change.unfit,
            passes=1,
        )
    yield BackfillStep(
        id=f"backfill.copy.{old.name}",
        stage=Stage.BACKFILLED,
        title=f"Copy the rows of {old} to {new} in batches",
        table=old,
        pending=_missing(change.old, change.new, change.new_key),
        copy=CopyRows(
            into=new,
            key=change.new_key,
            columns=change.columns,
            values=tuple(change.up(c, "") for c in change.columns),
        ),
    )
    yield from _verify(change)
    yield from tied_to_copy(change.foreign_keys, old, new, change.tag)
    yield _swap(change)
    yield from tied(change.foreign_keys, old, change.tag)


def end_mirror(change: TableReplacement) -> DdlStep:
    """Nothing is carried back any more: the point of no return."""
    return DdlStep(
        id=f"contract.mirror.{change.old.name.name}",
        stage=Stage.DROPPED,
        title=f"Stop carrying writes back to {change.grave}: the point of no return",
        sql=(*stop_mirror(change.backward), drop_function(change.function), *change.helpers.drop),
        locks=strong(change.old.name),
    )


def _verify(change: TableReplacement) -> Iterator[Step]:
    old, new = change.old, change.new
    unfit = f" OR {change.unfit}" if change.unfit else ""
    renamed = replace(new, name=old.name)  # by the swap
    yield VerifyStep(
        id=f"verify.{old.name.name}.rows",
        stage=Stage.VERIFIED,
        title=f"Prove that every row of {old.name} is in {new.name} as it is",
        table=old.name,
        key=change.old_key,
        mismatch=_missing(old, new, change.new_key, change) + unfit,
        again=_missing(replace(old, name=change.grave), renamed, change.new_key, change) + unfit,
        again_table=change.grave,
    )
    yield VerifyStep(
        id=f"verify.{new.name.name}.rows",
        stage=Stage.VERIFIED,
        title=f"Prove that {new.name} has no row that {old.name} has not",
        table=new.name,
        key=change.new_key,
        mismatch=_missing(new, old, change.old_key),
        again=_missing(renamed, replace(old, name=change.grave), change.old_key),
        again_table=old.name,
    )
    yield DdlStep(
        id=f"verify.analyze.{new.name.name}",
        stage=Stage.VERIFIED,
        title=f"Let the planner know {new.name}",
        sql=(f"ANALYZE {new.name.sql}",),
        patient=True,
    )


def _missing(here: Table, there: Table, key: Sequence[str], change: TableReplacement | None = None) -> str:
    """True for rows of `here` that are not in the other table, or, by `change`, not the same there."""
    own = quote_identifier(here.name.name)
    parts = [
        f"migsafe_row.{quoted} = {own}.{quoted}" for quoted in (quote_identifier(column) for column in key)
    ]
    for name in change.columns if change else ():
        column = there.column(name)
        if change is not None and name not in key and column is not None:
            wanted = change.up(name, own)
            unequal = differs(
                f"migsafe_row.{quote_identifier(name)}", wanted, column.type, collation=column.collation
            )
            parts.append(f"NOT ({unequal})")
    return f"NOT EXISTS (SELECT FROM {there.name.sql} AS migsafe_row WHERE {' AND '.join(parts)})"


def _swap(change: TableReplacement) -> DdlStep:
    old, new, grave = change.old.name, change.new.name, change.grave
    return DdlStep(
        id=f"verify.swap.{old.name}",
        stage=Stage.VERIFIED,
        title=f"Give the name {old} to the verified table, in one transaction",
        sql=(
            *change.followers.away(),
            *stop_mirror(change.forward),
            f"ALTER TABLE {old.sql} RENAME TO {quote_identifier(grave.name)}",
            f"ALTER TABLE {new.sql} RENAME TO {quote_identifier(old.name)}",
            *start_mirror(change.backward, change.function),
            *(_go_on(each.old, each.new) for each in change.counters),
            *change.at_swap,
            *change.followers.again(),
        ),
        undo=(
            *change.followers.away(),
            *change.at_swap_undo,
            *stop_mirror(change.backward),
            f"ALTER TABLE {old.sql} RENAME TO {quote_identifier(new.name)}",
            f"ALTER TABLE {grave.sql} RENAME TO {quote_identifier(old.name)}",
            *start_mirror(change.forward, change.function),
            *(_go_on(each.new, each.old) for each in change.counters),
            *change.followers.again(),
        ),
        locks=strong(old, new, *change.followers.locks),
    )


def _go_on(behind: Name, ahead: Name) -> str:
    """Let the second sequence go on where the first one stands."""
    sequence = quote_literal(ahead.sql)
    return f"SELECT pg_catalog.setval({sequence}::regclass, last_value, is_called) FROM {behind.sql}"
