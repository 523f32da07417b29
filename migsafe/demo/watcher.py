"""Looks on while the rollout runs: tells the story, and checks the columns at every stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from migsafe.demo.blocked import BlockedSampler
from migsafe.demo.instep import look
from migsafe.demo.outcome import Outcome
from migsafe.demo.story import Story
from migsafe.demo.world import World
from migsafe.plan.stages import Stage
from migsafe.run.events import (
    Event,
    GateRead,
    LockRetry,
    Notice,
    Progress,
    StageReached,
    StepFinished,
    StepStarted,
    TrafficMoved,
    Waiting,
)

WHY: Mapping[Stage, str] = {
    Stage.EXPANDED: "both columns exist; triggers copy every write to the other one",
    Stage.BACKFILLED: "the old rows have the new column too",
    Stage.VERIFIED: "index and NOT NULL carried over, every row compared",
    Stage.DARK: "green may be tested, but gets no traffic",
    Stage.CANARY: "green and blue work side by side",
    Stage.FULL: "green has all the traffic; going back is one call",
    Stage.SOAKED: "nothing bad came up; blue could still take over",
    Stage.FENCED: "blue is gone: nobody uses the old column",
    Stage.TOMBSTONED: "the old column is renamed, not dropped: undone in milliseconds",
    Stage.DROPPED: "the old column is gone",
}

COMPARISON = "canary"  # the gate whose numbers are shown


@dataclass(slots=True, kw_only=True)
class Watcher:
    """The observer of the demo's rollout."""

    world: World
    outcome: Outcome
    story: Story
    sampler: BlockedSampler
    connection: psycopg.Connection
    doing: str = ""
    passed: dict[str, str] = field(default_factory=dict)  # gates, and what they saw

    def __call__(self, event: Event) -> None:
        """Take notice of one event."""
        match event:
            case StageReached():
                self._reached(event)
            case StepStarted():
                self.sampler.stage = self.doing = event.title
            case StepFinished():
                self._finished(event)
            case Progress():
                self.doing = _progress(event)
            case TrafficMoved():
                self._moved(event)
            case GateRead():
                self._gate(event)
            case LockRetry():
                blockers = f", held by {', '.join(event.blockers)}" if event.blockers else ""
                self.story.step(f"lock not granted in time{blockers}; trying again (attempt {event.attempt})")
            case Waiting():
                self.doing = event.reason
            case Notice():
                self.story.step(event.text)
            case _:
                pass

    def activity(self) -> str:
        """What is going on now, and how the traffic is doing."""
        return f"{self.doing}; {counts(self.world)}" if self.doing else ""

    def look(self, when: str) -> str:
        """Compare the columns now; gives what was seen, for people."""
        seen = look(self.connection, when)
        self.outcome.looks.append(seen)
        return self.story.bad(str(seen)) if seen.different else str(seen)

    def _reached(self, event: StageReached) -> None:
        self._tell_gates()
        self.doing = ""
        self.outcome.stage = event.stage
        self.outcome.stages.append((event.stage, event.seconds))
        self.sampler.stage = f"stage {event.stage}"
        seen = self.look(event.stage.value)
        self.story.step(f"{event.stage:<12}{WHY.get(event.stage, '')}")
        self.story.more(f"{seen}; {counts(self.world)}")

    def _finished(self, event: StepFinished) -> None:
        if event.rows is not None:
            self.outcome.backfilled_rows += event.rows
            self.outcome.backfill_seconds += event.seconds

    def _moved(self, event: TrafficMoved) -> None:
        self._tell_gates()
        self.outcome.green_percent = event.green_percent
        self.sampler.stage = f"green at {event.green_percent} %"
        seen = self.look(f"green at {event.green_percent} %")
        share = f"{event.green_percent} % to green" if event.green_percent else "all of it to blue"
        self.story.step(f"{'traffic':<12}{share}, in {event.seconds * 1000:.0f} ms; {seen}")

    def _gate(self, event: GateRead) -> None:
        """A gate that passes is told of when the rollout moves on: by then its last word is known."""
        if event.verdict == "pass":
            self.passed[event.gate] = event.reading
        elif event.verdict == "hold":
            self.doing = f"{event.gate} holds: {event.reading}"
        else:
            self.story.step(f"{'gate':<12}{event.gate}: {self.story.bad(event.verdict)}, {event.reading}")
            self.passed.clear()

    def _tell_gates(self) -> None:
        if self.passed:
            seen = f": {self.passed[COMPARISON]}" if COMPARISON in self.passed else ""
            self.story.step(f"{'gates':<12}{', '.join(self.passed)} {self.story.good('pass')}{seen}")
        self.passed.clear()


def counts(world: World) -> str:
    """How the traffic is doing."""
    report = world.load.latest()
    return f"{report.requests:,} requests, {report.failed:,} failed"


def _progress(event: Progress) -> str:
    eta = "" if event.eta_seconds is None else f", {event.eta_seconds:.0f} s to go"
    if not event.rows:
        return f"{event.fraction:.0%} of the rows compared"
    return f"{event.rows:,} rows filled, {event.fraction:.0%}, {event.rows_per_second:,.0f} rows/s{eta}"
