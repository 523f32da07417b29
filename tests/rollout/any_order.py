"""A rollout that is driven in any order, with both versions at work: the machine of test_any_order.

Each rule is what a command does, on a real server and with a traffic provider that is a file. After each
the ledger, the traffic and the schema are held against each other: whoever gets traffic, or may get it, has
its real statements executed.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from migsafe.errors import MigsafeError, StateRefused
from migsafe.plan.model import Contract, Plan, Traffic
from migsafe.plan.stages import TRAFFIC_STAGES, Stage, Version
from migsafe.plan.toml.file import dump_plan
from migsafe.rollout.controller import Controller
from migsafe.rollout.outcome import Outcome
from migsafe.rollout.requests import refuse_cancel
from migsafe.rollout.session import controller
from migsafe.run.connect import connect
from migsafe.run.events import Event, StageReached, StepStarted
from migsafe.run.ledger.model import Request, Rollout, State
from migsafe.run.ledger.rollouts import read_audit, read_rollout, request
from migsafe.run.ledger.steps import read_steps
from migsafe.run.order import stages_of
from migsafe.run.settings import Settings
from migsafe.run.waive import waive_rows
from tests.plan.cases import Case
from tests.plan.load.crew import application_of
from tests.plan.load.deeds import Deed, Story
from tests.plan.load.dump import difference, schema_of
from tests.plan.load.expected import Expected
from tests.plan.load.place import Place, copy_of, plan_of

SETTINGS = Settings(
    first_window_pages=2, window_pages=4, lease_beat=0.5, progress_seconds=0.0, retry_first=0.02
)
GOALS = (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED, Stage.DARK, Stage.CANARY, Stage.FULL, Stage.SOAKED)
DEEDS = st.builds(
    Deed,
    moment=st.just(0),
    version=st.sampled_from(Version),
    write=st.integers(0, 9),
    row=st.integers(0, 2),
    number=st.integers(0, 9),
)
# What happens at some event of a run: nothing, an end without a word, a lost connection, or a request.
MISHAPS = st.sampled_from(["", "", "crash", "cut", *Request])


class Killed(BaseException):
    """The process ends here."""


class AnyOrder(RuleBasedStateMachine):
    """One rollout. `case` and `pattern` are set by the test."""

    case: Case
    pattern: Place
    kills = True  # whether processes are started, to be killed
    counts: Counter[str]  # of what happened

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.place = self._stack.enter_context(copy_of(self.pattern))
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        self.share_file, self.plan_file = folder / "share", folder / "plan.toml"
        self.share_file.write_text("0")
        self.plan = self._plan()
        self.plan_file.write_text(dump_plan(self.plan))
        expected = self._stack.enter_context(Expected(self.case, self.place.untouched))
        self.story = Story(
            case=self.case, plan=self.plan, dsn=self.place.rollout, expected=expected, deeds=()
        )
        self._stack.callback(self.story.close)
        self.conn = self._stack.enter_context(psycopg.connect(self.place.rollout, autocommit=True))

    def _plan(self) -> Plan:
        plan = plan_of(self.case, self.pattern)
        traffic = Traffic(
            provider="command",
            options={"set": f"echo {{green}} > {self.share_file}", "read": f"cat {self.share_file}"},
            steps=(50, 100),
            step_seconds=0.0,
        )
        return replace(plan, traffic=traffic, contract=Contract(soak_seconds=0.0, keep_seconds=0.0))

    # What people do.

    @rule(
        goal=st.sampled_from(GOALS), mishap=MISHAPS, at=st.integers(1, 12), deeds=st.lists(DEEDS, max_size=3)
    )
    def run(self, goal: Stage, mishap: str, at: int, deeds: list[Deed]) -> None:
        self._act(lambda control: control.drive(goal), mishap=mishap, at=at, deeds=deeds)

    @rule(
        stage=st.sampled_from([Stage.TOMBSTONED, Stage.TOMBSTONED, Stage.DROPPED]),
        mishap=MISHAPS,
        at=st.integers(1, 5),
    )
    def contract(self, stage: Stage, mishap: str, at: int) -> None:
        def drive(control: Controller) -> Outcome:
            control.require_contract()
            return control.drive(stage)

        self._act(drive, mishap=mishap, at=at, gone=True)

    @rule(goal=st.sampled_from(GOALS[4:]), deeds=st.lists(DEEDS, max_size=3))
    def go_on(self, goal: Stage, deeds: list[Deed]) -> None:
        """Far, and without a mishap: what comes late must be reached."""
        self._act(lambda control: control.drive(goal), deeds=deeds)

    @rule()
    def pause(self) -> None:
        self._act(lambda control: control.pause())

    @rule()
    def retreat(self) -> None:
        self._act(lambda control: control.retreat("asked for"))

    @rule(mishap=MISHAPS, at=st.integers(1, 8))
    def revert(self, mishap: str, at: int) -> None:
        self._act(lambda control: control.revert(), mishap=mishap, at=at)

    @rule()
    def cancel(self) -> None:
        rollout = self._rollout()
        if rollout is None:
            return

        def give_up(control: Controller) -> Outcome:
            with connect(self.place.rollout) as conn:
                refuse_cancel(conn, self.plan, rollout)
            return control.revert()

        self._act(give_up)

    @rule()
    def undo(self) -> None:
        self._act(lambda control: control.undo())

    @rule()
    def waive_all(self) -> None:
        rollout = self._rollout()
        if rollout is not None:
            with connect(self.place.rollout) as conn:
                waive_rows(conn, rollout, None, reason="the test says so")

    @precondition(lambda self: self.kills)
    @rule(command=st.sampled_from(["run", "revert", "contract"]), tenths=st.integers(8, 25))
    def kill_a_process(self, command: str, tenths: int) -> None:
        words = [command, str(self.plan_file), "--database", self.place.rollout]
        words += ["--old-version-gone"] if command == "contract" else []
        process = subprocess.Popen(
            [sys.executable, "-m", "migsafe.cli.main", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        with process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(tenths / 10)
            process.kill()
            assert process.stderr is not None
            assert b"Traceback" not in process.stderr.read()
        self.counts["killed" if process.returncode == -9 else "processes"] += 1
        self._end_leftovers()

    # What both versions of the application do.

    @rule(deed=DEEDS)
    def write(self, deed: Deed) -> None:
        if self._may_work(deed.version):
            self.story._do(deed)

    # What must hold after each.

    @invariant()
    def nobody_has_traffic_who_does_not_work(self) -> None:
        stage, share = self._stage(), int(self.share_file.read_text())
        assert self.plan.compatibility.violation(stage, share) is None, f"{share} % green in {stage}"
        for version in Version:
            if self._may_work(version):
                self._probe(version)

    @invariant()
    def both_see_the_same(self) -> None:
        if all(self._may_work(version) for version in Version):
            self.story._here = self.story._goal = self._stage()
            self.story._compare()

    @invariant()
    def the_ledger_is_in_order(self) -> None:
        rollout = self._rollout()
        if rollout is None:
            return
        stages = stages_of(self.plan)
        with connect(self.place.rollout) as conn:
            lines = read_audit(conn, rollout.id, last=100_000)
            rows = read_steps(conn, rollout.id)
        history = [Stage.PLANNED, *(Stage(line.detail["stage"]) for line in lines if line.event == "stage")]
        assert history[-1] is rollout.stage
        for one, other in pairwise(history):
            assert _may_follow(stages, one, other), f"{one} to {other}"
        for row in rows:
            if row.stage.position <= rollout.stage.position:
                assert row.state == "done", f"{row.id} is {row.state} in {rollout.stage}"

    def teardown(self) -> None:
        """From wherever it stands there is a way: to the end, or back to the beginning."""
        try:
            with suppress(AssertionError) if self._broke() else ExitStack():
                self._finish()
        finally:
            self._stack.close()

    def _broke(self) -> bool:
        return sys.exc_info()[0] is not None

    def _finish(self) -> None:
        forward = self._stage() is Stage.DROPPED or self.story._done % 2 == 0
        if forward and self._stage() is not Stage.DROPPED:
            self._must(lambda control: control.drive(Stage.SOAKED))
            self._must(lambda control: control.drive(Stage.DROPPED), gone=True)
        elif not forward:
            self._must(lambda control: control.revert())
        rollout = self._rollout()
        ends = f"{rollout.stage}, {rollout.state}, {rollout.reason}" if rollout else ""
        assert self._stage() is (Stage.DROPPED if forward else Stage.PLANNED), ends
        wanted = self.place.naive if forward else self.place.old
        server = self.place.server
        assert not difference(schema_of(server, self.place.rollout), schema_of(server, wanted))
        for version in Version:
            self.story.expected.follow(version, self.story._acknowledged[version])
        _, wrong = self.story.expected.compare(self.place.rollout, Version.GREEN if forward else Version.BLUE)
        assert not wrong

    # How it is done.

    def _act(
        self,
        act: Callable[[Controller], Outcome],
        *,
        mishap: str = "",
        at: int = 0,
        deeds: list[Deed] | None = None,
        gone: bool = False,
    ) -> None:
        """A command: it does what it is for, or says why not and what to do."""
        seen, todo = 0, list(deeds or ())

        def look(event: Event) -> None:
            nonlocal seen
            if isinstance(event, StageReached | StepStarted):
                self._work_meanwhile(todo)
            seen += 1
            if seen == at:
                self._befall(mishap)

        if gone:  # whoever says so has seen to it
            gone = int(self.share_file.read_text()) == 100
        try:
            self._hold(act, look, gone=gone)
        except Killed:
            self.counts["broken off"] += 1
        except MigsafeError as error:
            self.counts["refused" if isinstance(error, StateRefused) else "errors"] += 1
            self._require_advice(error)
        else:
            self.counts["done"] += 1
        self.counts[f"in {self._stage()}"] += 1

    def _require_advice(self, error: MigsafeError) -> None:
        assert error.advice, error.message

    def _must(self, act: Callable[[Controller], Outcome], *, gone: bool = False) -> None:
        self._hold(act, lambda _: None, gone=gone)

    def _hold(
        self, act: Callable[[Controller], Outcome], look: Callable[[Event], None], *, gone: bool
    ) -> None:
        with controller(
            self.plan, self.place.rollout, observer=look, settings=SETTINGS, old_version_gone=gone
        ) as control:
            outcome = act(control)
        assert outcome.state in (*_AT_REST, State.DONE), outcome

    def _befall(self, mishap: str) -> None:
        match mishap:
            case "":
                pass
            case "crash":
                raise Killed
            case "cut":
                self._end_leftovers()
            case _:
                with suppress(MigsafeError), connect(self.place.rollout) as conn:
                    request(conn, self.plan.name, Request(mishap))

    def _end_leftovers(self) -> None:
        self.conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'migsafe%' AND datname = current_database()"
        )

    def _work_meanwhile(self, deeds: list[Deed]) -> None:
        """Whoever has traffic works while the rollout goes on."""
        share = int(self.share_file.read_text())
        if deeds:
            deed = deeds.pop()
            if share < 100 if deed.version is Version.BLUE else share > 0:
                self._do(deed)

    def _do(self, deed: Deed) -> None:
        self.story._do(deed)

    def _may_work(self, version: Version) -> bool:
        return self.plan.compatibility.allows(version, self._stage())

    def _probe(self, version: Version) -> None:
        """Every statement of the version, each in a transaction that is taken back."""
        application = application_of(self.case, version)
        values: dict[str, Any] = {"id": 7, "new": 999_999_999, "text": "probe", "int": 1, "day": "2025-01-01"}
        with psycopg.connect(self.place.rollout, prepare_threshold=None) as conn:
            for statement in (*application.reads, *application.writes):
                with conn.transaction(force_rollback=True):
                    conn.execute(statement.encode(), values)

    def _stage(self) -> Stage:
        rollout = self._rollout()
        return Stage.PLANNED if rollout is None else rollout.stage

    def _rollout(self) -> Rollout | None:
        with connect(self.place.rollout) as conn:
            return read_rollout(conn, self.plan.name)


_AT_REST = (State.WAITING, State.PAUSED, State.RETREATED, State.REVERTED)


def _may_follow(stages: tuple[Stage, ...], one: Stage, other: Stage) -> bool:
    """One stage forward or back; within the traffic anywhere, for it is read; and out of it."""
    here, there = stages.index(one), stages.index(other)
    out = one in TRAFFIC_STAGES and there == stages.index(Stage.DARK) - 1
    return abs(here - there) <= 1 or out or {one, other} <= set(TRAFFIC_STAGES)
