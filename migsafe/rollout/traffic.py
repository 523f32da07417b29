"""Moves traffic so that a crash between any two instructions can be told afterwards.

The intention is written to the ledger before the provider is called, and the confirmation after the
provider was read back. Whoever starts next reads all three: ledger, intention, provider.
"""

import time

from migsafe.errors import MigsafeError, RunError, TrafficError
from migsafe.plan.stages import Stage
from migsafe.rollout.machine import Position, Shift, Track, after
from migsafe.rollout.providers.base import Provider
from migsafe.run.events import Notice, TrafficMoved
from migsafe.run.runner import Runner

VERIFY_SECONDS = 30.0
BLUE_ATTEMPTS = 5  # one call is enough; these are for a provider that fails


class Traffic:
    """The traffic of one rollout."""

    def __init__(self, runner: Runner, provider: Provider, track: Track) -> None:
        self._runner, self._provider, self._track = runner, provider, track
        self._last_seen = Position(stage=Stage.PLANNED, green_percent=0)

    def move(self, green_percent: int) -> None:
        """Move to this share of green and have it confirmed.

        Raises:
            StateRefused: The schema's stage does not allow it.
            TrafficError: The provider did not do it; the ledger says what was intended.
        """
        self._allow(green_percent)
        token = self._provider.read().token
        self._runner.intend_traffic(green_percent)
        began = time.monotonic()
        self._provider.set(green_percent, token)
        self._provider.verify(green_percent, timeout_seconds=VERIFY_SECONDS)
        self._runner.confirm_traffic(green_percent)
        self._last_seen = Position(stage=self._last_seen.stage, green_percent=green_percent)
        self._runner.observer(TrafficMoved(green_percent=green_percent, seconds=time.monotonic() - began))

    def to_blue(self) -> None:
        """All traffic to blue, in one call to the provider, whatever it does now.

        A database that does not answer does not hold this up: then the stage last seen counts.

        Raises:
            StateRefused: Blue does not work in the schema's stage.
            Fenced: Somebody else runs this rollout now; nothing was moved.
            TrafficError: The provider did not do it.
            RunError: Traffic is on blue, but the ledger does not know.
        """
        unwritten: Exception | None = None
        try:
            self._allow(0)
            self._runner.intend_traffic(0)
        except MigsafeError:
            raise
        except Exception as error:  # noqa: BLE001 # whatever the database's trouble is: users come first
            unwritten = error
            after(self._track, self._last_seen, Shift(0))
        began = time.monotonic()
        self._set_blue()
        self._runner.observer(TrafficMoved(green_percent=0, seconds=time.monotonic() - began))
        if unwritten is not None:
            raise RunError(
                f"all traffic is on blue, but the ledger could not be written: {unwritten}",
                advice="when the database answers again, `migsafe status` and `migsafe run` read the split",
            ) from unwritten
        self._runner.confirm_traffic(0)

    def actual(self) -> int:
        """The share of green at the provider; 100 when it does not say, so that nobody relies on less."""
        try:
            return self._provider.read().green_percent
        except TrafficError:
            return 100

    def reconcile(self) -> None:
        """Compare ledger, intention and provider, and make them agree. Never assumes anything.

        The provider is right about where traffic is. What it says is recorded, unless the stage of the
        schema does not allow it and does allow what the ledger says: then that is restored.

        Raises:
            StateRefused: Neither is allowed.
            TrafficError: The provider does not answer.
        """
        rollout = self._runner.rollout()
        self._last_seen = Position(stage=rollout.stage, green_percent=rollout.green_percent)
        actual = self._provider.read().green_percent
        recorded, intended = rollout.green_percent, rollout.intended_green_percent
        if actual == recorded == intended:
            return
        here = rollout.stage
        if self._track.compatibility.violation(here, actual):
            wanted = recorded if not self._track.compatibility.violation(here, recorded) else intended
            self._tell(f"the provider stands at {actual} % green, stage '{here}' needs {wanted} %: restored")
            self.move(wanted)
            return
        if actual == intended:
            self._tell(f"traffic is at {actual} % green, as was intended before the interruption")
        elif actual == recorded:
            self._tell(f"{intended} % green was intended and never set: traffic is still at {actual} %")
        else:
            self._tell(f"traffic was moved to {actual} % green by somebody else (recorded: {recorded} %)")
        self._runner.intend_traffic(actual)
        self._runner.confirm_traffic(actual)

    def _set_blue(self) -> None:
        for left in reversed(range(BLUE_ATTEMPTS)):
            try:
                self._provider.set(0, None)
                self._provider.verify(0, timeout_seconds=VERIFY_SECONDS)
            except TrafficError as error:
                if not left:
                    raise
                self._runner.observer(
                    Notice(text=f"traffic did not go to blue, asking again: {error.message}")
                )
                time.sleep(1)
            else:
                return

    def _allow(self, green_percent: int) -> None:
        rollout = self._runner.rollout()
        self._last_seen = Position(stage=rollout.stage, green_percent=rollout.green_percent)
        after(self._track, self._last_seen, Shift(green_percent))

    def _tell(self, text: str) -> None:
        self._runner.observer(Notice(text=text))
        self._runner.audit("traffic reconciled", {"found": text})
