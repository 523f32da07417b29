"""What a statement does to a live server, as data."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from migsafe.sql.names import Name


class LockMode(IntEnum):
    """PostgreSQL's table locks, weakest first.

    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """

    ACCESS_SHARE = 1
    ROW_SHARE = 2
    ROW_EXCLUSIVE = 3
    SHARE_UPDATE_EXCLUSIVE = 4
    SHARE = 5
    SHARE_ROW_EXCLUSIVE = 6
    EXCLUSIVE = 7
    ACCESS_EXCLUSIVE = 8

    @property
    def label(self) -> str:
        """The name as SQL writes it: `ACCESS EXCLUSIVE`."""
        return self.name.replace("_", " ")


class Lasts(StrEnum):
    """For how long a statement holds its locks, once it has them, in kind."""

    INSTANT = "instant"
    TABLE_SIZE = "as long as the table is big"
    OTHER_TRANSACTIONS = "as long as other transactions last"


class Phase(StrEnum):
    """Where in expand and contract an operation belongs: which application versions it breaks, or feeds."""

    EXPAND = "expand"
    BACKFILL = "backfill"
    CONTRACT = "contract"
    BOTH = "both"
    NEUTRAL = "neutral"


class Blocks(StrEnum):
    """What an application feels while a lock is held."""

    NONE = "none"
    WRITES = "writes"
    READS_AND_WRITES = "reads and writes"


@dataclass(frozen=True, slots=True, order=True)
class Lock:
    """The strongest lock a statement takes on one relation."""

    relation: Name
    mode: LockMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What one statement or operation does. `depends_on` names what was not known; the worse case stands.

    `builds_on` are the relations whose indexes it builds, where they are known. `may_scan` are tables that
    it reads by index or in full, as the planner likes. `fails` says why the server refuses it outright (""
    when it does not). `waits_for_others`: it goes on only when transactions that were open before it have
    ended.
    """

    locks: tuple[Lock, ...] = ()
    rewrites: tuple[Name, ...] = ()
    scans: tuple[Name, ...] = ()
    builds_index: bool = False
    builds_on: tuple[Name, ...] = ()
    blocks: Blocks = Blocks.NONE
    needs_no_transaction: bool = False
    certain: bool = True
    depends_on: tuple[str, ...] = ()
    may_scan: tuple[Name, ...] = ()
    fails: str = ""
    waits_for_others: bool = False

    @property
    def lasts(self) -> Lasts:
        """For how long what it blocks stays blocked."""
        if self.waits_for_others:
            return Lasts.OTHER_TRANSACTIONS
        grows = self.rewrites or self.scans or self.builds_index or self.may_scan or not self.certain
        return Lasts.TABLE_SIZE if grows else Lasts.INSTANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Compatibility:
    """Which application versions still work after an operation, and why one does not."""

    old: bool = True
    new: bool = True
    reason: str = ""
