"""Single writes at moments that somebody chooses, while a plan is carried out: no threads, so it repeats."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import psycopg

from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage, Version
from migsafe.run.events import Event, StageReached, StepStarted
from migsafe.run.order import before, stages_of
from migsafe.run.runner import hold
from tests.plan.cases import Case

from .audit import unlike
from .clients import PREPARING, Conn, Write, warned_of
from .crew import application_of
from .expected import Expected
from .values import EVERYBODY, FIRST_NEW, OWNED, SHARES, Values


@dataclass(frozen=True, slots=True)
class Deed:
    """A write of one version. `moment` 0 is before the first step; each step and stage begins another."""

    moment: int
    version: Version
    write: int  # modulo the number of writes
    row: int  # 0 or 1: of its own; 2: everybody's
    number: int


class Wrong(AssertionError):
    """What a version would not put up with."""


@dataclass(kw_only=True)
class Story:
    """One rollout, with deeds at its moments."""

    case: Case
    plan: Plan
    dsn: str
    expected: Expected
    deeds: Sequence[Deed]
    _here: Stage = Stage.PLANNED
    _goal: Stage = Stage.PLANNED
    _moment: int = 0
    _done: int = 0
    _hands: dict[Version, Conn] = field(default_factory=dict)
    _watcher: Conn | None = None
    _acknowledged: dict[Version, list[Write]] = field(default_factory=lambda: defaultdict(list))

    def tell(self, furthest: Stage) -> None:
        """To this stage, and back unless there is no way back.

        Raises:
            Wrong: A statement failed, the versions see different rows, or a write was lost.
        """
        stages = stages_of(self.plan)
        reached = stages[1 : stages.index(furthest) + 1]
        with contextlib.closing(self), hold(self.plan, self.dsn, observer=self._listen) as runner:
            self._be_there()
            for stage in reached:
                self._goal = stage
                runner.advance(stage)
            if furthest is not Stage.DROPPED:
                for stage in reversed(reached):
                    self._goal = before(self.plan, stage)
                    runner.undo(stage)
        for version in Version:
            self.expected.follow(version, self._acknowledged[version])
        _, wrong = self.expected.compare(
            self.dsn, Version.GREEN if furthest is Stage.DROPPED else Version.BLUE
        )
        if wrong:
            raise Wrong(wrong[0])

    def close(self) -> None:
        """Part from the database."""
        for conn in (*self._hands.values(), self._watcher):
            if conn is not None:
                conn.close()

    def _listen(self, event: Event) -> None:
        match event:
            case StageReached(stage=stage):
                self._here = stage
            case StepStarted():
                pass
            case _:
                return
        self._moment += 1
        self._be_there()

    def _be_there(self) -> None:
        for deed in self.deeds:
            if deed.moment == self._moment and self._works(deed.version):
                self._do(deed)
        if self._works(Version.BLUE) and self._works(Version.GREEN):
            self._compare()

    def _works(self, version: Version) -> bool:
        return all(self.plan.compatibility.allows(version, stage) for stage in (self._here, self._goal))

    def _do(self, deed: Deed) -> None:
        application = application_of(self.case, deed.version)
        if not application.writes:
            return
        write = Write(application.writes[deed.write % len(application.writes)], self._values(deed))
        self._execute(deed.version, write.statement, write.values)
        if deed.row < 2:
            self._acknowledged[deed.version].append(write)
        for statement in application.reads:
            self._execute(deed.version, statement, write.values)

    def _values(self, deed: Deed) -> Values:
        self._done += 1
        share = EVERYBODY if deed.row == 2 else OWNED[deed.version][deed.row]
        return {
            "id": share or SHARES,
            "new": FIRST_NEW + self._done * SHARES + share,
            "text": f"v{self._done}",
            "int": deed.number,
            "day": f"2025-01-{deed.number + 1:02}",
        }

    def _execute(self, version: Version, statement: str, values: Values) -> None:
        for attempt in (1, 2):
            conn = self._hands.get(version)
            if conn is None:
                conn = self._hands[version] = PREPARING.connect(self.dsn, version)
            try:
                conn.execute(statement.encode(), values).close()
            except psycopg.Error as error:
                told = warned_of(self.plan)(statement, str(error))
                if not told or attempt == 2:
                    where = f"{self._here} to {self._goal}, {version}"
                    raise Wrong(f"{where}: {statement} {values}: {error}") from error
                self._hands.pop(version).close()
            else:
                return

    def _compare(self) -> None:
        if not self.expected.lens.compares:
            return
        if self._watcher is None:
            self._watcher = psycopg.connect(self.dsn, autocommit=True)
        _, wrong = unlike(self._watcher, self.expected.lens)
        if wrong:
            raise Wrong(f"{self._here} to {self._goal}: {wrong}")


def moments(plan: Plan) -> int:
    """How many there are at most."""
    return len(plan.steps) + 2 * len(stages_of(plan))


def endings(plan: Plan) -> Iterator[Stage]:
    """Where a story may turn, or end."""
    changing = {step.stage for step in plan.steps}
    last = stages_of(plan)[-1]
    yield from (stage for stage in stages_of(plan) if stage in changing or stage is last)
