"""Where a pass over a table stands. It is written in the same transaction as the batch that got it there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The next batch: stripe `stripe` of pages `first` to `end` (excluded) of relation `leaf`.

    `sweep` 0 is the main pass. `found` counts the rows that this pass found pending; `skipped` says that some
    were left for the next one. `held` says that the pass was clean but for rows in quarantine.
    """

    sweep: int = 0
    leaf: int = 0
    first: int = 0
    end: int = 0
    stripe: int = 0
    found: int = 0
    skipped: bool = False
    held: bool = False

    @property
    def clean(self) -> bool:
        """Whether this pass found nothing to do so far."""
        return not self.found and not self.skipped

    def next_stripe(self, stripes: int, *, found: int, skipped: bool) -> "Cursor":
        """After a batch: the next stripe of the window, or the pages after it."""
        after = replace(self, found=self.found + found, skipped=self.skipped or skipped)
        if self.stripe + 1 < stripes:
            return replace(after, stripe=self.stripe + 1)
        return replace(after, first=self.end, stripe=0)

    def next_sweep(self) -> "Cursor":
        """The beginning of the next pass."""
        return Cursor(sweep=self.sweep + 1)

    def within(self, leaf: int) -> "Cursor | None":
        """Where this pass goes on in this relation; None when it has left it behind."""
        if leaf < self.leaf:
            return None
        return self if leaf == self.leaf else replace(self, leaf=leaf, first=0, end=0, stripe=0)

    def to_json(self) -> dict[str, object]:
        """For the ledger."""
        return asdict(self)

    @staticmethod
    def from_json(found: Mapping[str, object] | None) -> "Cursor":
        """From the ledger; a step that has not begun has none."""
        return Cursor(**found) if found else Cursor()  # type: ignore[arg-type]  # what to_json() wrote
