"""Tells how far a long step is, a few times a second at most."""

import time

from migsafe.run.events import Progress
from migsafe.run.ledger import model
from migsafe.run.pace.window import Rate
from migsafe.run.session import Session

_SWEEP_WEIGHT = 0.1  # a page that only has to be read, against one whose rows are changed


class Meter:
    """Counts pages for the fraction and the ETA, rows for people."""

    def __init__(self, session: Session, step: str, rows: int) -> None:
        self._session, self._step, self._rows = session, step, rows
        self._done = self._total = 0.0
        self._weight = 1.0
        self._work, self._row_rate = Rate(), Rate()
        self._told = time.monotonic()

    def plan(self, pages: int, *, sweep: int) -> None:
        """A pass over this many pages begins; after the main pass at least one sweep follows."""
        self._weight = _SWEEP_WEIGHT if sweep else 1.0
        sweeps = pages * _SWEEP_WEIGHT
        if sweep == 0:
            self._done, self._total = 0.0, pages + sweeps
        else:
            self._done, self._total = float(pages), pages + sweeps

    def plan_reading(self, pages: int, passes: int, begun: int) -> None:
        """Passes of the same weight over this many pages begin; so many of them are done."""
        self._weight, self._done, self._total = 1.0, float(pages * begun), float(pages * passes)

    def skip(self, pages: int) -> None:
        """These pages were done before."""
        self._done += pages * self._weight

    def add(self, *, pages: float, rows: int, seconds: float) -> None:
        """Count a batch, and tell when it is time to."""
        self._done += pages * self._weight
        self._rows += rows
        self._work.add(pages * self._weight, seconds)
        self._row_rate.add(rows, seconds)
        now = time.monotonic()
        if now - self._told >= self._session.settings.progress_seconds:
            self._told = now
            self._tell()

    def finish(self) -> None:
        """Tell the end."""
        self._done = self._total
        self._tell()

    @property
    def rows(self) -> int:
        """Rows changed, earlier runs included."""
        return self._rows

    @property
    def progress(self) -> model.Progress:
        """How far it is now, for the ledger."""
        return model.Progress(
            done=round(self._done, 3),
            total=round(self._total, 3),
            per_second=round(self._work.per_second, 3),
            rows_per_second=round(self._row_rate.per_second, 1),
        )

    def _tell(self) -> None:
        now = self.progress
        self._session.emit(
            Progress(
                step=self._step,
                fraction=now.fraction,
                rows=self._rows,
                rows_per_second=now.rows_per_second,
                eta_seconds=now.eta_seconds,
            )
        )
