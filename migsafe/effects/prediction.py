"""Collects what an operation does, and turns it into `Effects`."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from migsafe.catalog.find import family
from migsafe.catalog.model import TEMPORARY_SCHEMA, Catalog, Table
from migsafe.effects.model import Blocks, Effects, Lock, LockMode
from migsafe.sql.names import Name
from migsafe.sql.operations import Operation


@dataclass(slots=True, kw_only=True)
class Prediction:
    """Effects while they are worked out; `effects` gives the finished value.

    `beside` are all operations of the same statement.
    """

    catalog: Catalog
    server_version: int
    locks: dict[Name, LockMode] = field(default_factory=dict)
    rewrites: dict[Name, None] = field(default_factory=dict)
    scans: dict[Name, None] = field(default_factory=dict)
    depends_on: dict[str, None] = field(default_factory=dict)
    builds_index: bool = False
    builds_on: dict[Name, None] = field(default_factory=dict)
    needs_no_transaction: bool = False
    other_blocks: Blocks = Blocks.NONE
    may_scan: dict[Name, None] = field(default_factory=dict)
    fails: str = ""
    waits_for_others: bool = False
    beside: tuple[Operation, ...] = ()

    def fail(self, reason: str) -> None:
        """The server refuses it; the first reason stands."""
        self.fails = self.fails or reason

    def lock(self, relations: Iterable[Name], mode: LockMode) -> None:
        """Takes a lock on each relation, or keeps the stronger one."""
        for relation in relations:
            name = self.catalog.resolve(relation)
            self.locks[name] = max(mode, self.locks.get(name, mode))

    def scan(self, relations: Iterable[Name]) -> None:
        """Reads each relation in full."""
        self.scans.update(dict.fromkeys(self.catalog.resolve(relation) for relation in relations))

    def rewrite(self, relations: Iterable[Name]) -> None:
        """Writes each relation, and its indexes, anew: which reads it in full too."""
        names = [self.catalog.resolve(relation) for relation in relations]
        self.rewrites.update(dict.fromkeys(names))
        self.scan(names)
        self.build(name for name in names if self._has_index(name))

    def build(self, relations: Iterable[Name]) -> None:
        """Builds an index, or several, on each relation."""
        self.builds_on.update(dict.fromkeys(self.catalog.resolve(relation) for relation in relations))
        self.builds_index = self.builds_index or bool(self.builds_on)

    def _has_index(self, name: Name) -> bool:
        """Whether there is an index to build: what the statement drops is gone by then."""
        table = self.catalog.tables.get(name)
        if table is None or not table.columns_complete:
            return True
        return bool(table.indexes)

    def unknown(self, question: str) -> None:
        """Something the catalog does not tell: the worse case has to be added by the caller."""
        self.depends_on[question] = None

    def block(self, blocks: Blocks) -> None:
        """Blocks work by a lock that is not on a table, such as an index's."""
        if blocks is Blocks.READS_AND_WRITES or self.other_blocks is Blocks.NONE:
            self.other_blocks = blocks

    def table(self, name: Name) -> Table | None:
        """The table as the catalog knows it."""
        return self.catalog.table(name)

    def is_missing(self, name: Name) -> bool:
        """Whether it is certain that no relation has this name."""
        return self.catalog.complete and not self.catalog.has_relation(self.catalog.resolve(name))

    def skips(self, name: Name, *, if_exists: bool) -> bool:
        """Whether nothing happens, or only an error, because there is no such relation."""
        if not self.is_missing(name):
            return False
        if not if_exists:
            self.fail(f"there is no relation {name}")
        return True

    def family(self, name: Name, *, only: bool = False) -> tuple[Name, ...]:
        """The table and all below it that are known: partitions, or tables that inherit from it."""
        if only or self.table(name) is None:
            return (self.catalog.resolve(name),)
        return tuple(table.name for table in family(self.catalog, name))

    def partitions(self, name: Name) -> tuple[Name, ...]:
        """The table and all partitions below it; tables that inherit from it do not count."""
        table = self.table(name)
        return self.family(name, only=table is None or not table.partitioned)

    def stored(self, name: Name, *, only: bool = False) -> tuple[Name, ...]:
        """Those of the family that hold rows; the parent itself when nothing is known of partitions."""
        table = self.table(name)
        members = tuple(member for member in self.family(name, only=only) if not self.is_partitioned(member))
        if members or only or self.catalog.complete or (table is not None and table.columns_complete):
            return members
        return (self.catalog.resolve(name),)

    def is_partitioned(self, name: Name) -> bool:
        """Whether it is known to be a partitioned table."""
        table = self.table(name)
        return table is not None and table.partitioned

    def has_children(self, name: Name) -> bool:
        """Whether partitions, or tables that inherit from it, are known."""
        return any(True for _ in self.catalog.children(name))

    def above(self, table: Table) -> Iterator[Table]:
        """The partitioned tables that a partition belongs to, nearest first."""
        parent = self.table(table.partition_of) if table.partition_of else None
        while parent is not None:
            yield parent
            parent = self.table(parent.partition_of) if parent.partition_of else None

    def referrers(self, table: Table) -> tuple[Name, ...]:
        """The tables whose foreign keys refer to rows of this one, also by a partitioned table above it."""
        tables = (table, *self.above(table))
        return tuple(dict.fromkeys(name for each in tables for name in each.referenced_by))

    def readers(self, names: Iterable[Name]) -> tuple[Name, ...]:
        """The views and materialized views that read any of these relations, directly or through others."""
        found: dict[Name, None] = {}
        waiting = [self.catalog.resolve(name) for name in names]
        while waiting:
            for reader in self.catalog.lookup.readers.get(waiting.pop(), ()):
                if reader not in found:
                    found[reader] = None
                    waiting.append(reader)
        return tuple(found)

    def users(self, names: Iterable[Name], column: str) -> tuple[tuple[Name, ...], tuple[Name, ...]]:
        """The views that need a column of one of these relations, and those of which that is not known."""
        catalog = self.catalog
        sure: dict[Name, None] = {}
        unsure: dict[Name, None] = {}
        for name in names:
            for reader in catalog.lookup.readers.get(catalog.resolve(name), ()):
                view = catalog.views[reader]
                needs = view.needs(catalog.resolve(name), column)
                if needs and not view.assumed:
                    sure[reader] = None
                elif needs is not False:
                    unsure[reader] = None
        return tuple(sure), tuple(unsure)

    def effects(self) -> Effects:
        """The finished value; nobody else feels what happens to temporary tables."""
        touched = (*self.locks, *self.scans, *self.rewrites)
        return effects_without(self._all_effects(), {n for n in touched if n.schema == TEMPORARY_SCHEMA})

    def _all_effects(self) -> Effects:
        locks = tuple(Lock(name, mode) for name, mode in sorted(self.locks.items()))
        return Effects(
            locks=locks,
            rewrites=tuple(sorted(self.rewrites)),
            scans=tuple(sorted(self.scans)),
            builds_index=self.builds_index,
            builds_on=tuple(sorted(self.builds_on)),
            blocks=worse_of(self.other_blocks, *(blocks_of(lock.mode) for lock in locks)),
            needs_no_transaction=self.needs_no_transaction,
            certain=not self.depends_on and not self.catalog.doubts,
            depends_on=(*self.depends_on, *self.catalog.doubts),
            may_scan=tuple(sorted(self.may_scan)),
            fails=self.fails,
            waits_for_others=self.waits_for_others,
        )


def blocks_of(mode: LockMode) -> Blocks:
    """What an application feels of a lock on a table: plain reads take ACCESS SHARE, writes ROW EXCLUSIVE."""
    if mode is LockMode.ACCESS_EXCLUSIVE:
        return Blocks.READS_AND_WRITES
    return Blocks.WRITES if mode >= LockMode.SHARE else Blocks.NONE


def worse_of(*blocks: Blocks) -> Blocks:
    """The worst of them."""
    order = (Blocks.NONE, Blocks.WRITES, Blocks.READS_AND_WRITES)
    return max(blocks, key=order.index, default=Blocks.NONE)


def effects_without(effects: Effects, unseen: AbstractSet[Name]) -> Effects:
    """The effects without what happens to these relations, which nobody else can see."""
    if not unseen:
        return effects
    locks = tuple(lock for lock in effects.locks if lock.relation not in unseen)
    gone = len(locks) < len(effects.locks)
    rewrites = tuple(name for name in effects.rewrites if name not in unseen)
    scans = tuple(name for name in effects.scans if name not in unseen)
    builds_on = tuple(name for name in effects.builds_on if name not in unseen)
    idle = bool(effects.builds_on) and not builds_on
    return replace(
        effects,
        locks=locks,
        rewrites=rewrites,
        scans=scans,
        builds_index=effects.builds_index and not idle,
        builds_on=builds_on,
        blocks=worse_of(Blocks.NONE, *(blocks_of(lock.mode) for lock in locks)) if gone else effects.blocks,
    )


def merge(parts: Iterable[Effects]) -> Effects:
    """The effects of several operations of one statement as one."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    locks: dict[Name, LockMode] = {}
    for part in found:
        for lock in part.locks:
            locks[lock.relation] = max(lock.mode, locks.get(lock.relation, lock.mode))
    return Effects(
        locks=tuple(Lock(name, mode) for name, mode in sorted(locks.items())),
        rewrites=tuple(sorted({name for part in found for name in part.rewrites})),
        scans=tuple(sorted({name for part in found for name in part.scans})),
        builds_index=any(part.builds_index for part in found),
        builds_on=tuple(sorted({name for part in found for name in part.builds_on})),
        blocks=worse_of(*(part.blocks for part in found)),
        needs_no_transaction=any(part.needs_no_transaction for part in found),
        certain=all(part.certain for part in found),
        depends_on=tuple(dict.fromkeys(question for part in found for question in part.depends_on)),
        may_scan=tuple(sorted({name for part in found for name in part.may_scan})),
        fails=next((part.fails for part in found if part.fails), ""),
        waits_for_others=any(part.waits_for_others for part in found),
    )
