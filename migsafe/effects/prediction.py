"""Collects what an operation does, and turns it into `Effects`."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from migsafe.catalog.find import children
from migsafe.catalog.model import Catalog, Table, qualified
from migsafe.effects.model import Blocks, Effects, Lock, LockMode
from migsafe.sql.names import Name


@dataclass(slots=True, kw_only=True)
class Prediction:
    """Effects while they are worked out; `effects` gives the finished value."""

    catalog: Catalog
    server_version: int
    locks: dict[Name, LockMode] = field(default_factory=dict)
    rewrites: dict[Name, None] = field(default_factory=dict)
    scans: dict[Name, None] = field(default_factory=dict)
    depends_on: dict[str, None] = field(default_factory=dict)
    builds_index: bool = False
    needs_no_transaction: bool = False
    other_blocks: Blocks = Blocks.NONE
    may_scan: dict[Name, None] = field(default_factory=dict)
    fails: str = ""
    waits_for_others: bool = False

    def fail(self, reason: str) -> None:
        """The server refuses it; the first reason stands."""
        self.fails = self.fails or reason

    def lock(self, relations: Iterable[Name], mode: LockMode) -> None:
        """Takes a lock on each relation, or keeps the stronger one."""
        for relation in relations:
            name = qualified(relation)
            self.locks[name] = max(mode, self.locks.get(name, mode))

    def scan(self, relations: Iterable[Name]) -> None:
        """Reads each relation in full."""
        self.scans.update(dict.fromkeys(qualified(relation) for relation in relations))

    def rewrite(self, relations: Iterable[Name]) -> None:
        """Writes each relation, and its indexes, anew: which reads it in full too."""
        names = [qualified(relation) for relation in relations]
        self.rewrites.update(dict.fromkeys(names))
        self.scan(names)
        self.builds_index = self.builds_index or any(
            (table := self.catalog.table(name)) is None or not table.columns_complete or table.indexes
            for name in names
        )

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

    def family(self, name: Name, *, only: bool = False) -> tuple[Name, ...]:
        """The table and all partitions below it that are known."""
        table = self.table(name)
        if table is None or only or not table.partitioned:
            return (qualified(name),)
        below = [self.family(child.name) for child in children(self.catalog, name)]
        return (table.name, *(item for family in below for item in family))

    def stored(self, name: Name, *, only: bool = False) -> tuple[Name, ...]:
        """Those of the family that hold rows; the parent itself when no partition is known."""
        table = self.table(name)
        if table is None or not table.partitioned:
            return (qualified(name),)
        if only:
            return ()
        parents = [member for member in self.family(name) if self._is_partitioned(member)]
        return tuple(m for m in self.family(name) if m not in parents) or (table.name,)

    def _is_partitioned(self, name: Name) -> bool:
        table = self.table(name)
        return table is not None and table.partitioned

    def is_complete(self, name: Name) -> bool:
        """Whether all columns and constraints of the table are known."""
        table = self.table(name)
        return table is not None and table.columns_complete

    def effects(self) -> Effects:
        """The finished value."""
        locks = tuple(Lock(name, mode) for name, mode in sorted(self.locks.items()))
        return Effects(
            locks=locks,
            rewrites=tuple(sorted(self.rewrites)),
            scans=tuple(sorted(self.scans)),
            builds_index=self.builds_index,
            blocks=worse_of(self.other_blocks, *(blocks_of(lock.mode) for lock in locks)),
            needs_no_transaction=self.needs_no_transaction,
            certain=not self.depends_on,
            depends_on=tuple(self.depends_on),
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


def merge(parts: Iterable[Effects]) -> Effects:
    """The effects of several operations of one statement as one."""
    found = list(parts)
    locks: dict[Name, LockMode] = {}
    for part in found:
        for lock in part.locks:
            locks[lock.relation] = max(lock.mode, locks.get(lock.relation, lock.mode))
    return Effects(
        locks=tuple(Lock(name, mode) for name, mode in sorted(locks.items())),
        rewrites=tuple(sorted({name for part in found for name in part.rewrites})),
        scans=tuple(sorted({name for part in found for name in part.scans})),
        builds_index=any(part.builds_index for part in found),
        blocks=worse_of(*(part.blocks for part in found)),
        needs_no_transaction=any(part.needs_no_transaction for part in found),
        certain=all(part.certain for part in found),
        depends_on=tuple(dict.fromkeys(question for part in found for question in part.depends_on)),
        may_scan=tuple(sorted({name for part in found for name in part.may_scan})),
        fails=next((part.fails for part in found if part.fails), ""),
        waits_for_others=any(part.waits_for_others for part in found),
    )
