"""Where an operation belongs in expand and contract."""

from collections.abc import Iterable

from migsafe.catalog.model import Catalog
from migsafe.effects.compatibility import compatibility_of
from migsafe.effects.model import Phase
from migsafe.sql.operations import (
    AddColumn,
    AddConstraint,
    AttachPartition,
    CreateIndex,
    CreateTable,
    Delete,
    DropConstraint,
    DropDefault,
    DropIndex,
    DropNotNull,
    Insert,
    Operation,
    OtherStatement,
    SetDefault,
    Update,
)

# What adds something, or asks less of what is written, comes before the new version.
_GIVES = (
    *(AddColumn, AddConstraint, AttachPartition, CreateIndex, CreateTable),
    *(DropConstraint, DropNotNull, SetDefault),
)
_ORDER = (Phase.NEUTRAL, Phase.EXPAND, Phase.BACKFILL, Phase.CONTRACT, Phase.BOTH)


def phase_of(operation: Operation, catalog: Catalog) -> Phase:
    """The phase: `both` breaks old and new at once, `contract` breaks the old version.

    What breaks nobody is expand when it adds something, backfill when it changes rows, contract when it
    takes something away, and neutral otherwise.
    """
    works = compatibility_of(operation, catalog)
    if not works.new:
        return Phase.BOTH
    if not works.old:
        return Phase.CONTRACT
    match operation:
        case Insert() | Update() | Delete():
            return Phase.BACKFILL
        case DropDefault() | DropIndex():
            return Phase.CONTRACT
        case _ if isinstance(operation, _GIVES):
            return Phase.EXPAND
        case OtherStatement(tag=tag) if tag.startswith("CREATE ") or tag == "ALTER TYPE ADD VALUE":
            return Phase.EXPAND
        case OtherStatement(tag=tag) if tag.startswith("DROP "):
            return Phase.CONTRACT
        case _:
            return Phase.NEUTRAL


def merge_phases(phases: Iterable[Phase]) -> Phase:
    """The phase of a statement with several operations: the latest that one of them needs."""
    return max(phases, key=_ORDER.index, default=Phase.NEUTRAL)
