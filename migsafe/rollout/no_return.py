"""Says once when the data point of no return is passed: the old shape cannot hold what was written."""

from contextlib import suppress
from datetime import datetime

import psycopg

from migsafe.run.events import PointPassed
from migsafe.run.runner import Runner


class DataPoint:
    """The data point of no return of one rollout."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._is_told = False

    def look(self) -> None:
        """Tell it, if it was passed and not told yet. One small query until then, none afterwards.

        Nobody waits for it: when the database is away, the next look will find it.
        """
        if self._is_told:
            return
        passed = None
        with suppress(psycopg.Error), self._runner.without_waiting():
            passed = self._runner.data_point_passed_at()
        if passed is not None:
            self._is_told = True
            self._runner.observer(_told(passed))


def _told(at: datetime) -> PointPassed:
    when = at.isoformat(sep=" ", timespec="seconds")
    return PointPassed(
        kind="data",
        at=at,
        text=f"the data point of no return is passed, since {when}: a value was written that the old shape "
        "cannot hold; going back from here loses it (they are listed in migsafe.sync_event)",
    )
