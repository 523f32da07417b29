"""One column that makes way for another one: the names of both at every moment."""

from dataclasses import dataclass, field, replace

from migsafe.catalog.model import Catalog, Column, Table
from migsafe.plan.conversion.conversions import fill
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import Sync, bounded
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import ConstraintKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """Functions that the conversion calls, in the ledger's schema: what makes them, and what drops them."""

    create: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the migration does around the change of type: another default, views dropped and made again.

    `made` are the statements that make the views (their `names`) and say who may read them.
    """

    default: str | None = None
    dropped: tuple[Name, ...] = ()
    made: tuple[str, ...] = ()
    names: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One column that makes way: `sync` names both columns as they are until they are exchanged.

    With `swap`, the new column has a working name until it takes the old one's: at the exchange, which comes
    after every row is verified. Without it both names stay, and the old column becomes a tombstone when the
    old version of the application is gone. `catalog` is the schema around the table.
    """

    table: Table
    old: Column
    sync: Sync
    swap: bool
    catalog: Catalog = field(default_factory=Catalog)
    server_version: int
    helpers: Helpers = field(default_factory=Helpers)
    around: Around = field(default_factory=Around)

    @property
    def name(self) -> Name:
        """The table."""
        return self.table.name

    @property
    def working(self) -> str:
        """The new column's name before the exchange."""
        return self.sync.new.column

    @property
    def final(self) -> str:
        """The new column's name after the exchange."""
        return self.old.name if self.swap else self.sync.new.column

    @property
    def alike(self) -> bool:
        """Whether both columns have the same type and collation, so that only the name changes."""
        old, new = self.sync.old, self.sync.new
        return (old.type, old.collation) == (new.type, new.collation)

    @property
    def tombstone(self) -> str:
        """The name under which the old column waits to be dropped."""
        return bounded("migsafe_tomb", self.old.name, self.sync.tag)

    @property
    def stage(self) -> Stage:
        """The stage that the exchange belongs to."""
        return Stage.VERIFIED if self.swap else Stage.TOMBSTONED

    @property
    def final_sync(self) -> Sync:
        """The pair once the old column has its tombstone name."""
        new = replace(self.sync.new, column=self.final)
        old = replace(self.sync.old, column=self.tombstone, has_default=False)
        return replace(self.sync, old=old, new=new)

    @property
    def up(self) -> str:
        """The new value, from the old column before the exchange."""
        return fill(self.sync.conversion.up, quote_identifier(self.old.name))

    def spare(self, name: str) -> str:
        """A name for the copy of something that has this name."""
        return bounded("migsafe", name, self.sync.tag)

    def grave(self, name: str) -> str:
        """The name of something old while it waits to be dropped."""
        return bounded("migsafe_tomb", name, self.sync.tag)


def primary_key(table: Table) -> tuple[str, ...]:
    """The key columns by which rows are named in reports; empty when there is no primary key."""
    keys = (each.columns for each in table.constraints if each.kind is ConstraintKind.PRIMARY_KEY)
    return next(keys, ())
