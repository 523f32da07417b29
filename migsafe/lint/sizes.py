"""How big tables are, where a live server said so, and what that means for those who wait."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from migsafe.catalog.model import Catalog, Table, View
from migsafe.effects.model import Effects
from migsafe.lint.facts import Facts
from migsafe.sql.names import Name

# Bytes per second of an ordinary server with other work to do: what is rewritten or indexed, what is read.
_WRITTEN = 50_000_000
_READ = 200_000_000
_ROUND = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"))
_BYTES = ((2**40, "TB"), (2**30, "GB"), (2**20, "MB"), (2**10, "kB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallTables:
    """Which tables are too small for their size to matter: by name, or up to a number of rows."""

    names: frozenset[str] = field(default_factory=frozenset)
    rows: int | None = None

    def has(self, name: Name, relation: Table | View | None) -> bool:
        """Whether this table is one of them: `countries` and `public.countries` are both understood."""
        if self.names & {name.name, str(name)}:
            return True
        estimate = relation.row_estimate if relation else None
        return self.rows is not None and estimate is not None and 0 <= estimate <= self.rows


def read_sizes(facts: Facts, table: Name | None, catalog: Catalog, effects: Effects) -> None:
    """Fills in how big the table is, and how long it may take."""
    relation = (catalog.table(table) or catalog.view(table)) if table else None
    if relation is not None and relation.row_estimate is not None and relation.row_estimate >= 0:
        facts.table_rows = in_words(relation.row_estimate, _ROUND, "rows")
    if relation is not None and relation.size_bytes is not None:
        facts.table_size = in_words(relation.size_bytes, _BYTES, "bytes")
    seconds = (
        _bytes(catalog, effects.rewrites if effects.rewrites or not effects.builds_index else effects.scans)
        / _WRITTEN
    )
    if not seconds:
        seconds = _bytes(catalog, effects.scans) / _READ
    if seconds >= 1:
        facts.estimate = f"about {duration(seconds)}"


def size_note(facts: Facts) -> str:
    """`users: 1.2 million rows, 34 GB; about 12 min`, as far as it is known."""
    size = ", ".join(part for part in (facts.table_rows, facts.table_size) if part)
    known = f"{facts.table}: {size}" if size else ""
    return "; ".join(part for part in (known, facts.estimate) if part)


def in_words(number: int, steps: Iterable[tuple[int, str]], unit: str) -> str:
    """`1.2 million rows`, `34 GB`: two digits are all that an estimate is good for."""
    for step, word in steps:
        if number >= step:
            value = number / step
            shown = f"{value:.1f}" if value < 10 else f"{value:.0f}"
            return f"{shown} {word}" if unit == "bytes" else f"{shown} {word} {unit}"
    return f"{number} {unit}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h`: rounded to what can be known."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def _bytes(catalog: Catalog, names: Iterable[Name]) -> int:
    found = (catalog.table(name) or catalog.view(name) for name in names)
    return sum(relation.size_bytes or 0 for relation in found if relation)
