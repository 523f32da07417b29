"""One rollout under load: carried out by the real runner while both versions work, and taken back."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage, Version
from migsafe.run.order import before, stages_of
from migsafe.run.runner import Runner, hold
from migsafe.run.settings import Settings
from tests.plan.cases import Case

from .audit import Audit
from .crew import Crew
from .expected import Expected
from .figures import Recorder
from .values import Source
from .watch import Watch

SETTINGS = Settings()
# How long a statement of the application may wait for us: the deadline of one attempt, and a little.
LONGEST_BLOCK_SECONDS = SETTINGS.lock_last + 0.1
CALM = Stage.PLANNED
REVERT = "revert"


class Trial:
    """A database, its plan, and what was measured. `rest` is how long each stage is worked in, in seconds."""

    def __init__(
        self,
        case: Case,
        plan: Plan,
        dsn: str,
        expected: Expected,
        *,
        rest: float,
        settings: Settings = SETTINGS,
    ) -> None:
        self.case, self.plan, self.dsn, self.rest = case, plan, dsn, rest
        self.settings = settings
        self.expected = expected
        self.recorder = Recorder()
        self.source = Source()
        self.stages = stages_of(plan)

    def turning_points(self) -> Iterator[Stage]:
        """From where it is taken back: the stages that change the schema, and the last one of the traffic."""
        changing = {step.stage for step in self.plan.steps}
        for stage in self.stages[1:]:
            if (stage in changing or stage is Stage.FENCED) and stage is not Stage.DROPPED:
                yield stage

    def forward(self, to: Stage) -> None:
        """From the beginning to this stage."""
        with self._load() as (runner, crew, audit):
            self._be_in(Stage.PLANNED, crew, audit)
            for stage in self.stages[1 : self.stages.index(to) + 1]:
                self._move(runner, crew, audit, stage)
            crew.stop_everybody()
        self._settle(crew, [Version.GREEN] if to is Stage.DROPPED else list(Version))

    def there_and_back(self, furthest: Stage) -> None:
        """To this stage, and all of the way back."""
        with self._load() as (runner, crew, audit):
            self._be_in(Stage.PLANNED, crew, audit)
            reached = self.stages[1 : self.stages.index(furthest) + 1]
            for stage in reached:
                self._move(runner, crew, audit, stage, back=False, rest=stage is furthest)
            for stage in reversed(reached):
                self._move(runner, crew, audit, stage, back=True, rest=stage is reached[0])
            crew.stop_everybody()
        self._settle(crew, [Version.BLUE])

    @contextmanager
    def _load(self) -> Iterator[tuple[Runner, Crew, Audit]]:
        crew = Crew(self.case, self.plan, self.dsn, self.recorder, self.source)
        self.recorder.stage = CALM
        with (
            Watch(self.dsn, self.recorder),
            Audit(self.expected.lens, self.dsn, self.recorder) as audit,
            hold(self.plan, self.dsn, settings=self.settings) as runner,
        ):
            try:
                yield runner, crew, audit
            finally:
                crew.stop_everybody()

    def _move(
        self, runner: Runner, crew: Crew, audit: Audit, stage: Stage, *, back: bool = False, rest: bool = True
    ) -> None:
        """Forward to this stage, or back out of it, while whoever works on both sides of it works."""
        lower = before(self.plan, stage)
        goal = lower if back else stage
        self.recorder.stage = REVERT if back else stage
        staying = [version for version in Version if self._works(version, goal)]
        audit.allow(both=len(staying) == 2 and self._both(lower if not back else stage))
        for version in Version:
            if version not in staying:
                crew.stop(version)
        if back:
            runner.undo(stage)
        else:
            runner.advance(stage)
        self._be_in(goal, crew, audit, rest=rest)

    def _be_in(self, stage: Stage, crew: Crew, audit: Audit, *, rest: bool = True) -> None:
        for version in Version:
            if self._works(version, stage):
                crew.start(version)
        audit.allow(both=self._both(stage))
        if rest:
            time.sleep(self.rest)
            audit.finish_round()

    def _works(self, version: Version, stage: Stage) -> bool:
        return self.plan.compatibility.allows(version, stage)

    def _both(self, stage: Stage) -> bool:
        return all(self._works(version, stage) for version in Version)

    def _settle(self, crew: Crew, viewers: Sequence[Version]) -> None:
        """Compare all that was acknowledged with what is there now."""
        for version in Version:
            self.expected.follow(version, crew.take_acknowledged(version))
        for viewer in viewers:
            rows, wrong = self.expected.compare(self.dsn, viewer)
            self.recorder.compared(rows)
            for each in wrong[:3]:
                self.recorder.failed(f"of {len(wrong)} rows: {each}")
