"""Puts a question to the gates, again and again, until they let the rollout go on or do not."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from migsafe.errors import GateFailed, MigsafeError, TrafficError
from migsafe.rollout.gates import Gate, Reading, Situation, Verdict
from migsafe.rollout.machine import Question
from migsafe.rollout.providers.base import Provider, Statistics
from migsafe.run.events import GateRead, Notice, Waiting
from migsafe.run.ledger.model import State
from migsafe.run.runner import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times in seconds."""

    between_reads: float = 0.5  # of all gates; a failing one acts within this time
    slice: float = 0.1  # between two looks for a request from another terminal
    longest_wait: float = 60.0  # for a keep time; what lasts longer is not waited for


class Held(Exception):
    """The gates neither passed nor failed for so long that a person must look: control flow, no failure."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Watch:
    """Watches one rollout."""

    def __init__(
        self,
        runner: Runner,
        gates: Sequence[Gate],
        provider: Provider | None,
        *,
        hold_seconds: float,
        pace: Pace,
    ) -> None:
        self._runner, self._gates, self._provider = runner, gates, provider
        self._hold_seconds, self._pace = hold_seconds, pace

    def ask(self, question: Question, *, seconds: float, green_percent: int, what: str) -> None:
        """Read the gates for this time, then until all of them pass.

        A gate that fails ends it at once. No data and errors hold: the rollout goes on when the last
        readings of all gates pass, and not before.

        Raises:
            GateFailed: A gate said no.
            Held: It took longer than the plan allows.
            StopRequested: Somebody asked for something else.
        """
        gates = [gate for gate in self._gates if question in gate.questions]
        if not gates and seconds <= 0:
            return
        self._runner.observer(Waiting(reason=what, seconds=seconds or None))
        ends = time.monotonic() + seconds
        patience = _Patience(ends, self._hold_seconds)
        interval = _Interval(self._provider)
        shown: dict[str, Verdict] = {}
        waiting = False
        while True:
            self._require_split(question, green_percent)
            numbers = interval.read()
            situation = Situation(green_percent=green_percent, interval=numbers, trouble=interval.trouble)
            readings = {gate.name: gate.read(situation) for gate in gates}
            over = time.monotonic() >= ends
            self._show(readings, shown, final=over, where=f" at {green_percent} % green")
            if over and all(reading.verdict is Verdict.PASS for reading in readings.values()):
                break
            if patience.is_over(readings):
                raise Held(_open_question(readings, self._hold_seconds))
            if over and not waiting:
                waiting = True
                self._runner.set_state(State.WAITING, _open_question(readings, None))
            if interval.began_again:
                self._tell_restart()
                interval, ends = _Interval(self._provider), time.monotonic() + seconds
                patience = _Patience(ends, self._hold_seconds)
            self._sleep(min(self._pace.between_reads, max(0.0, ends - time.monotonic()) or 1.0))
        if waiting:
            self._runner.set_state(State.RUNNING)

    def _show(
        self, readings: dict[str, Reading], shown: dict[str, Verdict], *, final: bool, where: str
    ) -> None:
        """Tell what changed, and every last word. Raises GateFailed for a gate that said no."""
        passed = all(reading.verdict is Verdict.PASS for reading in readings.values())
        for name, reading in readings.items():
            if shown.get(name) is not reading.verdict or (final and passed):
                shown[name] = reading.verdict
                self._runner.observer(GateRead(gate=name, verdict=reading.verdict, reading=reading.text))
        for name, reading in readings.items():
            if reading.verdict is Verdict.FAIL:
                raise GateFailed(f"gate '{name}' failed{where}: {reading.text}")

    def _require_split(self, question: Question, green_percent: int) -> None:
        if self._provider is None or question not in (Question.WATCH, Question.SOAK):
            return
        try:
            found = self._provider.read().green_percent
        except TrafficError:
            return  # statistics come from the same place: the gates say so, and hold
        if found != green_percent:
            raise Held(
                f"traffic is at {found} % green instead of {green_percent} %: somebody else moved it, "
                "or the proxy was restarted"
            )

    def _tell_restart(self) -> None:
        text = "the proxy's counters went back, as after a restart: this step is watched from its beginning"
        self._runner.observer(Notice(text=text))

    def _sleep(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        self._runner.check()
        while (remaining := ends - time.monotonic()) > 0:
            time.sleep(min(self._pace.slice, remaining))
            self._runner.check()


class _Interval:
    """What both versions did since this began."""

    def __init__(self, provider: Provider | None) -> None:
        self._provider = provider
        self._before: Statistics | None = None
        self.began_again = False
        self.trouble = ""

    def read(self) -> Statistics | None:
        """None while there is nothing to compare."""
        if self._provider is None:
            return None
        self.trouble = ""
        try:
            now = self._provider.statistics()
        except MigsafeError as error:
            self.trouble = error.message
            return None
        if now is None or self._before is None:
            self._before = now
            return None
        interval = now.since(self._before)
        self.began_again = interval is None
        return interval


class _Patience:
    """How long gates may give no answer: holding counts after the step's time only, errors always."""

    def __init__(self, ends: float, seconds: float) -> None:
        self._ends, self._seconds = ends, seconds
        self._since: dict[Verdict, float | None] = {Verdict.HOLD: None, Verdict.ERROR: None}

    def is_over(self, readings: dict[str, Reading]) -> bool:
        """Whether a person must look. Counts anew whenever all gates have an answer."""
        now = time.monotonic()
        verdicts = {reading.verdict for reading in readings.values()}
        for verdict, since in self._since.items():
            if verdict not in verdicts:
                self._since[verdict] = None
            elif since is None:
                self._since[verdict] = max(now, self._ends) if verdict is Verdict.HOLD else now
        return any(since is not None and now - since >= self._seconds for since in self._since.values())


def _open_question(readings: dict[str, Reading], seconds: float | None) -> str:
    unsure = [
        f"gate '{name}' says {reading.verdict}: {reading.text}"
        for name, reading in readings.items()
        if reading.verdict is not Verdict.PASS
    ]
    return "; ".join(unsure) + (f" (for {seconds:g} s)" if seconds is not None else "")
