"""How the rows of a relation are gone through, chosen from what is known about it, with the reason. Pure.

Passes over a window ("stripes") exist for UPDATE on PostgreSQL's own tables only: what one pass leaves dead
is pruned before the next one, whose new row versions find room in their page (HOT: no index entry). An old
snapshot keeps pruning from working: then plain windows cost the same and are 1.3 to 1.6 times as fast as
striped ones (measured), so who works through a relation asks again every now and then.
https://www.postgresql.org/docs/current/storage-hot.html
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from migsafe.errors import RunError

HEAP = "heap"  # https://www.postgresql.org/docs/current/tableam.html
OLD_SNAPSHOT_SECONDS = 60.0


class Work(StrEnum):
    """What is done with the rows."""

    UPDATE = "update"
    COPY = "copy"
    DELETE = "delete"


class Kind(StrEnum):
    """A way through a relation."""

    STRIPED = "striped pages"
    PLAIN = "pages"
    KEYSET = "keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """A column of a unique key, none of them nullable, and its type as SQL."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about a relation that holds rows."""

    work: Work
    access_method: str = HEAP
    fillfactor: int = 100  # percent
    indexes: int = 0
    rows_per_page: float | None = None  # as of the last ANALYZE or VACUUM
    integer_key: str | None = None
    unique_key: tuple[KeyColumn, ...] = ()
    snapshot_seconds: float | None = None  # the age of the oldest transaction of others that holds one


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way through a relation, and why. `stripes` are passes over each window of pages."""

    kind: Kind
    stripes: int
    reason: str
    key: tuple[KeyColumn, ...] = ()

    def __str__(self) -> str:
        """For people: `striped pages, 8 passes: ...`."""
        passes = f", {self.stripes} passes" if self.stripes > 1 else ""
        return f"{self.kind}{passes}: {self.reason}"


def choose(facts: Facts, *, stripes: int) -> Method:
    """The way through this relation, with at most so many stripes.

    Raises:
        RunError: There is no way that is sure to meet every row.
    """
    if facts.access_method != HEAP:
        return _by_key(facts)
    if facts.work is not Work.UPDATE:
        done = "copied" if facts.work is Work.COPY else "deleted"
        return _plain(f"rows are {done}: nothing needs room in their pages")
    if stripes <= 1:
        return _plain("the settings ask for one pass")
    if facts.rows_per_page is not None and facts.rows_per_page < 2:
        return _plain("a page holds about one row: there is no room to be made in it")
    passes, reason = _passes(facts, stripes)
    if passes <= 1:
        return _plain(reason)
    if facts.snapshot_seconds is not None and facts.snapshot_seconds >= OLD_SNAPSHOT_SECONDS:
        return _plain("a long transaction keeps dead rows, so several passes would make no room for new ones")
    return Method(kind=Kind.STRIPED, stripes=passes, reason=f"{reason}{_stripes_by(facts)}")


def _passes(facts: Facts, most: int) -> tuple[int, str]:
    """So many that what one of them writes has room in the page."""
    if facts.rows_per_page is not None and facts.rows_per_page < most:
        most = max(1, math.floor(facts.rows_per_page))
    free = 100 - facts.fillfactor
    if free * most < facts.fillfactor:
        spared = f"{facts.indexes} indexes" if facts.indexes != 1 else "1 index"
        return most, f"most new row versions fit into their page, which spares {spared}"
    needed = min(most, math.ceil(facts.fillfactor / free))
    return needed, f"fillfactor {facts.fillfactor} leaves room for the new row versions of a pass"


def _stripes_by(facts: Facts) -> str:
    return f"; by {facts.integer_key}" if facts.integer_key else "; by the place in the page"


def _plain(reason: str) -> Method:
    return Method(kind=Kind.PLAIN, stripes=1, reason=reason)


def _by_key(facts: Facts) -> Method:
    if not facts.unique_key:
        raise RunError(
            f"the table's storage is '{facts.access_method}', which has no order of pages, and there is no "
            "unique key of columns that are NOT NULL",
            advice="Add a primary key, or change the rows by hand.",
        )
    names = ", ".join(column.name for column in facts.unique_key)
    return Method(
        kind=Kind.KEYSET,
        stripes=1,
        key=facts.unique_key,
        reason=f"in the order of {names}, for the storage '{facts.access_method}' has no order of pages",
    )
