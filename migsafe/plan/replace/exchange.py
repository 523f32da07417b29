"""The one transaction in which the new column takes the old one's place, and the one that takes it back.

Every part gives what must be said before both columns are renamed, and what after. Parts nest: what comes
first before the renames comes last after them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from migsafe.plan.gentle import strong
from migsafe.plan.model import DdlStep
from migsafe.plan.replace.replacement import Replacement
from migsafe.plan.sync.pair import tombstone_function, two_way_function
from migsafe.sql.names import Name, quote_identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A part of it: statements for the way there and the way back. `locks` are other relations it locks."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    undo_before: tuple[str, ...] = ()
    undo_after: tuple[str, ...] = ()
    locks: tuple[Name, ...] = ()


def together(parts: Iterable[Exchange]) -> Exchange:
    """All parts, nested in this order."""
    inward = tuple(parts)
    outward = inward[::-1]
    return Exchange(
        before=tuple(sql for part in inward for sql in part.before),
        after=tuple(sql for part in outward for sql in part.after),
        undo_before=tuple(sql for part in inward for sql in part.undo_before),
        undo_after=tuple(sql for part in outward for sql in part.undo_after),
        locks=tuple(dict.fromkeys(name for part in inward for name in part.locks)),
    )


def exchange_step(change: Replacement, whole: Exchange) -> DdlStep:
    """The step: a swap of the names, or the old column's burial."""
    old, new = change.old.name, change.working
    there = [rename_column(change.name, old, change.tombstone)]
    back = [rename_column(change.name, change.tombstone, old)]
    if change.swap:
        there.append(rename_column(change.name, new, old))
        back.insert(0, rename_column(change.name, old, new))
    title = (
        f"Give the name {old} to the verified column, in one transaction"
        if change.swap
        else f"Rename {old} to its tombstone; {new} goes on being copied to it"
    )
    return DdlStep(
        id="verify.swap" if change.swap else "contract.tombstone",
        stage=change.stage,
        title=title,
        sql=(*whole.before, *there, tombstone_function(change.final_sync), *whole.after),
        undo=(*whole.undo_before, *back, two_way_function(change.sync), *whole.undo_after),
        locks=strong(change.name, *(name for name in whole.locks if name != change.name)),
    )


def rename_column(table: Name, old: str, new: str) -> str:
    """The statement that gives a column another name."""
    return f"ALTER TABLE {table.sql} RENAME COLUMN {quote_identifier(old)} TO {quote_identifier(new)}"
