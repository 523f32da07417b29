"""Goes through a fleet in waves: so many databases at once, a stop on the first failure, never a lost one.

It keeps no record of its own. Each database's ledger says how far it is, so a second start goes on where the
first one stopped, whichever way that ended.
"""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from migsafe.fleet import halt
from migsafe.fleet.check import Checked
from migsafe.fleet.child import Child, Ended, Tell
from migsafe.fleet.model import Database
from migsafe.fleet.outcome import Outcome, Report, Result, outcome_of_run
from migsafe.plan.stages import Stage

EXIT_ERROR = 2
_SLICE_SECONDS = 0.5
_LOOK_EVERY_SECONDS = 5.0
_WITNESSES = 3  # databases that are asked whether all of it should stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How to go through a fleet: `words` come after `migsafe`, `pause_seconds` lie between waves with work.

    `objection` is asked before each database begins, and says why nothing may begin any more.
    """

    rollout: str
    target: Stage
    words: Sequence[str]
    waves: tuple[tuple[str, ...], ...]
    parallel: int = 4
    pause_seconds: float = 0.0
    keep_going: bool = False
    descriptors: Sequence[int] = ()  # that each process gets
    objection: Callable[[], str] = str


@dataclass(slots=True)
class Driver:
    """One way through a fleet. `checked` are the databases that may be begun, or are there already."""

    course: Course
    checked: Mapping[str, Checked]
    tell: Tell
    say: Callable[[str], None]  # about the fleet
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _children: dict[str, Child] = field(default_factory=dict)
    _stopped_by: str = ""
    _interrupts: int = 0  # how often somebody asked by a signal
    _answered: int = 0

    def go(self) -> Report:
        """Go through all waves, and tell how each database came out."""
        began = time.monotonic()
        worked = False
        for number, wave in enumerate(self.course.waves, 1):
            todo = [name for name in wave if not self._was_done(name, number)]
            if todo and worked:
                self._pause()
            if todo and not self._stopped_by:
                self._wave(number, todo)
                worked = True
            self._rest(number, todo)
        return Report(
            outcomes=tuple(self.outcomes[name] for wave in self.course.waves for name in wave),
            waves=self.course.waves,
            seconds=round(time.monotonic() - began, 3),
            stopped_by=self._stopped_by,
            interrupted=self._interrupts > 0,
        )

    def interrupt(self) -> None:
        """Have it stop soon: roll back what is at hand, begin nothing more. The second time: kill what runs.

        Made to be called by a signal's handler. Both are safe; the second one leaves no word in the ledger.
        """
        self._interrupts += 1

    def _was_done(self, name: str, number: int) -> bool:
        """Note what needs nothing: it is there already, or its check failed."""
        found = self.checked[name]
        reading = found.reading
        if found.problem:
            self.outcomes[name] = Outcome(
                name=name,
                result=Result.FAILED,
                wave=number,
                stage=None if reading.problem else reading.stage,
                state=reading.state or "",
                error=found.problem,
                advice=found.advice,
            )
        elif found.is_at(self.course.target):
            state = reading.state or ""
            self.outcomes[name] = Outcome(
                name=name, result=Result.WAS_DONE, wave=number, stage=reading.stage, state=state
            )
        return name in self.outcomes

    def _wave(self, number: int, names: Sequence[str]) -> None:
        queue, running = deque(names), set[Future[Outcome]]()
        many = f"{len(names)} databases" if len(names) > 1 else names[0]
        self.say(f"wave {number} of {len(self.course.waves)}: {many}")
        with ThreadPoolExecutor(max_workers=self.course.parallel) as pool:
            while queue or running:
                while queue and len(running) < self.course.parallel and self._may_begin():
                    running.add(pool.submit(self._run, queue.popleft(), number))
                if not running:
                    return
                ended, running = wait(running, timeout=_SLICE_SECONDS, return_when=FIRST_COMPLETED)
                for each in ended:
                    self._note(each.result())
                self._answer_interrupts()

    def _run(self, name: str, number: int) -> Outcome:
        began = time.monotonic()
        child = Child(
            self.checked[name].reading.database, self.course.words, self.tell, self.course.descriptors
        )
        self._children[name] = child
        if self._stopped_by:
            child.stop()
        try:
            ended = child.run()
        except OSError as error:  # no memory, no process or no open file left for it on this machine
            ended = Ended(code=EXIT_ERROR, document=None, error=f"its process did not start: {error}")
        seconds = time.monotonic() - began
        return outcome_of_run(name, ended, self.course.target, wave=number, seconds=seconds)

    def _note(self, outcome: Outcome) -> None:
        self.outcomes[outcome.name] = outcome
        self._children.pop(outcome.name, None)
        reason = f": {outcome.error}" if outcome.error else ""
        self.tell(outcome.name, f"{outcome.result} after {outcome.seconds:.1f} s{reason}")
        if outcome.result is Result.FAILED and not self.course.keep_going:
            self._stop(f"{outcome.name} failed")
        elif outcome.result is Result.STOPPED:
            self._stop(f"{outcome.name} was stopped ({outcome.error})")

    def _stop(self, reason: str) -> None:
        """Begin nothing more, and let those that run finish their piece of work."""
        if self._stopped_by:
            return
        self._stopped_by = reason
        self.say(f"{reason}: no other database is begun")
        for name, child in list(self._children.items()):
            self.tell(name, "is asked to stop after its piece of work; it can go on later")
            threading.Thread(target=halt.pause_gently, args=(child, self.course.rollout), daemon=True).start()

    def _answer_interrupts(self) -> None:
        if self._answered == self._interrupts:
            return
        self._answered = self._interrupts
        if not self._stopped_by:
            self.say("interrupted: what is at hand is rolled back, no other database is begun")
        self._stopped_by = self._stopped_by or "interrupted"
        for child in list(self._children.values()):
            child.stop(signal.SIGTERM if self._interrupts == 1 else signal.SIGKILL)

    def _may_begin(self) -> bool:
        self._answer_interrupts()
        if not self._stopped_by and (objection := self.course.objection()):
            self._stop(objection)
        if not self._stopped_by and halt.is_stopped(self._witnesses(), self.course.rollout):
            self._stop("somebody asked the fleet to stop")
        return not self._stopped_by

    def _witnesses(self) -> list[tuple[Database, int]]:
        begun = [
            (each.reading.database, each.reading.stop_mark)
            for name, each in self.checked.items()
            if (each.reading.state is not None or name in self.outcomes) and not each.problem
        ]
        return begun[:_WITNESSES]

    def _pause(self) -> None:
        if not self.course.pause_seconds or self._stopped_by:
            return
        self.say(f"pause of {self.course.pause_seconds:g} s before the next wave")
        ends = time.monotonic() + self.course.pause_seconds
        looks = 0.0
        while (now := time.monotonic()) < ends and not self._stopped_by:
            self._answer_interrupts()
            if now >= looks:
                looks = now + _LOOK_EVERY_SECONDS
                self._may_begin()
            time.sleep(min(_SLICE_SECONDS, ends - now))

    def _rest(self, number: int, names: Sequence[str]) -> None:
        """What was not begun."""
        for name in names:
            if name not in self.outcomes:
                reading = self.checked[name].reading
                self.outcomes[name] = Outcome(
                    name=name,
                    result=Result.NOT_BEGUN,
                    wave=number,
                    stage=reading.stage,
                    state=reading.state or "",
                )
