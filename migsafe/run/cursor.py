"""Where a pass over rows stands. It is written in the same transaction as the batch that got it there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The next batch: one of several over the pages `first` to `end` (excluded) of relation `leaf`.

    `sweep` 0 is the main pass. `found` counts the rows that this pass found pending; `skipped` says that some
    were left for the next one, `held` that the pass was clean but for rows in quarantine.

    A window of pages is gone over in `stripes` passes, each by `parts` batches; `stripe` counts them all.
    `after` is for going by the key: the last key that is done.
    """

    sweep: int = 0
    leaf: int = 0
    first: int = 0
    end: int = 0
    stripe: int = 0
    stripes: int = 8
    parts: int = 1
    found: int = 0
    skipped: bool = False
    after: tuple[str, ...] | None = None
    held: bool = False

    @property
    def clean(self) -> bool:
        """Whether this pass found nothing to do so far."""
        return not self.found and not self.skipped

    @property
    def pages(self) -> tuple[int, int]:
        """The pages of the next batch, the last one excluded."""
        part, size = self.stripe % self.parts, self.end - self.first
        return self.first + size * part // self.parts, self.first + size * (part + 1) // self.parts

    @property
    def number(self) -> int:
        """Which of the stripes the next batch is."""
        return self.stripe // self.parts

    @property
    def done_of_window(self) -> float:
        """How many pages' worth of the window is done."""
        return (self.end - self.first) * self.stripe / (self.stripes * self.parts) if self.stripe else 0.0

    def open_window(self, end: int, *, stripes: int, parts: int) -> "Cursor":
        """A new window that ends here. Parts only where each of them has a page."""
        return replace(self, end=end, stripe=0, stripes=stripes, parts=max(1, min(parts, end - self.first)))

    def next_batch(self, *, found: int, skipped: bool) -> "Cursor":
        """After a batch: the next one of the window, or the pages after it."""
        after = replace(self, found=self.found + found, skipped=self.skipped or skipped)
        if self.stripe + 1 < self.stripes * self.parts:
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
        if not found:
            return Cursor()
        after = found.get("after")
        key = tuple(map(str, after)) if isinstance(after, list) else None
        return Cursor(**{**found, "after": key})  # type: ignore[arg-type]  # what to_json() wrote
