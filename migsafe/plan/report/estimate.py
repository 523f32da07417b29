"""How long steps may take, where the sizes of tables are known: a band, never a promise.

The rates are assumptions about a server that also has other work, from what was measured on small machines:
a backfill does 5,000 to 100,000 rows a second, sequential reads 50 to 1,000 MB a second, and an index build,
which reads the table twice and sorts, 10 to 150 MB of table a second. The progress of a run says better.
"""

from dataclasses import dataclass

from migsafe.catalog.find import family
from migsafe.catalog.model import Catalog, Table
from migsafe.plan.model import BackfillStep, ConcurrentStep, DdlStep, IndexStep, Step, VerifyStep
from migsafe.sql.names import Name

_MEGABYTE = 1_000_000
ROWS_PER_SECOND = (5_000, 100_000)
READ_MB_PER_SECOND = (50, 1_000)
BUILD_MB_PER_SECOND = (10, 150)
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The least and the most seconds that something is expected to take."""

    least: float
    most: float

    def __str__(self) -> str:
        """As people read it: 2 min to 40 min."""
        return f"{_length(self.least)} to {_length(self.most)}"


def estimate(step: Step, catalog: Catalog | None) -> Band | None:
    """How long the step may work; None when it is instant, or the size of its table is not known."""
    match step:
        case BackfillStep(table=name):
            rows = _rows(name, catalog)
            return None if rows is None else _band(rows, ROWS_PER_SECOND)
        case VerifyStep(table=name, passes=passes):
            return _by_size(name, catalog, READ_MB_PER_SECOND, times=passes)
        case IndexStep(table=name) | ConcurrentStep(table=name):
            return _by_size(name, catalog, BUILD_MB_PER_SECOND)
        case DdlStep(patient=True) if step.locks:
            return _by_size(step.locks[0].relation, catalog, READ_MB_PER_SECOND)
        case _:
            return None


def _rows(name: Name, catalog: Catalog | None) -> int | None:
    counts = [table.row_estimate for table in _members(name, catalog)]
    known = [max(0, count) for count in counts if count is not None]
    return sum(known) if known else None


def _by_size(name: Name, catalog: Catalog | None, rate: tuple[int, int], *, times: int = 1) -> Band | None:
    sizes = [table.size_bytes for table in _members(name, catalog)]
    known = [size for size in sizes if size is not None]
    return _band(times * sum(known) / _MEGABYTE, rate) if known else None


def _members(name: Name, catalog: Catalog | None) -> tuple[Table, ...]:
    """The table and its partitions."""
    table = catalog.table(name) if catalog else None
    return tuple(family(catalog, table.name)) if catalog and table else ()


def _band(amount: float, rate: tuple[int, int]) -> Band:
    slow, fast = rate
    return Band(least=amount / fast, most=amount / slow)


def _length(seconds: float) -> str:
    if seconds < 1.0:
        return "1 s"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= size)
    amount = seconds / size
    return f"{amount:.1f} {unit}" if amount < 10 and unit in {"d", "h"} else f"{amount:.0f} {unit}"
