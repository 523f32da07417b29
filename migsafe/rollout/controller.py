"""Drives a plan to a stage: schema, traffic and gates in the order that the machine gives."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg

from migsafe.errors import GateFailed, StateRefused, UsageError
from migsafe.plan.stages import Stage, Version
from migsafe.rollout import machine
from migsafe.rollout.back import WayBack
from migsafe.rollout.gates import Gate
from migsafe.rollout.gates.canary import CanaryGate
from migsafe.rollout.gates.database import SessionGate
from migsafe.rollout.machine import Ask, Position, Question
from migsafe.rollout.mover import Mover
from migsafe.rollout.no_return import DataPoint
from migsafe.rollout.outcome import Outcome
from migsafe.rollout.providers.base import Provider
from migsafe.rollout.watch import Held, Pace, Watch
from migsafe.run.ledger.model import Request, State, StopRequested
from migsafe.run.order import up_to
from migsafe.run.runner import Runner

DEFAULT_HOLD_SECONDS = 600.0


def require_statistics(provider: Provider, gates: Sequence[Gate]) -> None:
    """Make sure that gates which compare versions have something to compare.

    Raises:
        UsageError: The provider has no statistics.
    """
    compares = [gate.name for gate in gates if isinstance(gate, CanaryGate)]
    if compares and provider.statistics() is None:
        raise UsageError(
            f"gate '{compares[0]}' compares versions, but the traffic provider has no statistics",
            advice="give the provider a `statistics` command, or use another kind of gate",
        )


class Controller:
    """Acts on one rollout that is held by `runner`.

    What somebody asked for before, and nobody did, `drive` does. Other commands put it aside.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        provider: Provider | None,
        gates: Sequence[Gate],
        old_version_gone: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self._runner, self._plan = runner, runner.plan
        self._provider, self._gates = provider, gates
        self._old_version_gone = old_version_gone
        self._pace = pace or Pace()
        self._mover = Mover(runner, provider)
        self._back = WayBack(self._mover)
        hold = runner.plan.traffic.hold_seconds if runner.plan.traffic else DEFAULT_HOLD_SECONDS
        self._data_point = DataPoint(runner)
        self._watch = Watch(
            runner,
            gates,
            provider,
            hold_seconds=hold,
            pace=self._pace,
            also=self._look_around,
        )

    @property
    def position(self) -> Position:
        """Where the rollout stands, by the ledger."""
        return self._mover.position

    def drive(self, target: Stage) -> Outcome:
        """Go on until the rollout stands in this stage, or as far as the plan goes.

        A gate that fails moves all traffic to blue at once. Requests from another terminal are answered.

        Raises:
            StateRefused: The stage does not allow the next move.
            RunError, TrafficError: The database or the provider did not do what was asked. Run again to
                go on.
        """
        try:
            with self._mover.breaking_off_recorded(interrupted="interrupted"):
                return self._forward(target)
        except StopRequested as stop:
            return self._back.answer(stop.request)
        except GateFailed as failure:
            return self._back.withdraw(failure.message, ok=False)
        except Held as held:
            return self._mover.stop(State.PAUSED, held.reason, ok=False)

    def require_contract(self) -> None:
        """Make sure that everything before the contract is done.

        Raises:
            StateRefused: It is not.
        """
        needed = up_to(self._plan, Stage.SOAKED if self._plan.traffic else Stage.VERIFIED)
        stage = self.position.stage
        if stage.position < needed.position:
            raise StateRefused(
                f"the rollout '{self._plan.name}' stands in stage '{stage}': too early to contract",
                advice="`migsafe run` goes on with it first",
            )

    def pause(self) -> Outcome:
        """Hold both tracks where they are, when nobody runs this rollout."""
        if self._runner.rollout().state in (State.DONE, State.REVERTED):
            raise StateRefused(
                f"the rollout '{self._plan.name}' is over: there is nothing to pause",
                advice="`migsafe status` shows how it ended",
            )
        self._mover.supersede(Request.PAUSE)
        return self._mover.stop(State.PAUSED, "asked for", ok=True)

    def retreat(self, reason: str) -> Outcome:
        """All traffic to blue in one call; the schema stays. Raises as `WayBack.retreat` says."""
        self._mover.supersede(Request.RETREAT)
        return self._back.retreat(reason)

    def revert(self, *, new_version_gone: bool = False, to: Stage = Stage.PLANNED) -> Outcome:
        """Take everything back, or what lies behind a stage. Raises as `WayBack.revert` says."""
        self._mover.supersede(Request.REVERT)
        return self._back.revert(new_version_gone=new_version_gone, to=to)

    def undo(self) -> Outcome:
        """From tombstoned: rename the old shape back. Raises as `WayBack.undo` says."""
        self._mover.supersede(Request.UNDO)
        return self._back.undo()

    def _forward(self, target: Stage) -> Outcome:
        if self._provider is not None:
            require_statistics(self._provider, self._gates)
        self._mover.begin(State.RUNNING)
        if target.position >= Stage.TOMBSTONED.position:
            self._declare_old_version_gone()
        while self.position.stage.position < target.position and not self._is_beyond(target):
            for move in machine.forward(self._mover.track, self.position):
                self._runner.require_intact()
                if isinstance(move, Ask):
                    self._ask(move.question)
                else:
                    self._mover.make(move)
                self._data_point.look()
        over = machine.next_stage(self._mover.track, self.position.stage) is None
        return self._mover.stop(State.DONE if over else State.WAITING, "", ok=True)

    def _look_around(self) -> None:
        """While gates are read: what nobody would tell us. Without the database there is nothing to see."""
        self._data_point.look()
        with suppress(psycopg.Error), self._runner.without_waiting():
            self._runner.require_intact()
        self._runner.patrol()

    def _is_beyond(self, target: Stage) -> bool:
        """Whether the plan has no stage any more up to this one."""
        after = machine.next_stage(self._mover.track, self.position.stage)
        return after is None or after.position > target.position

    def _ask(self, question: Question) -> None:
        traffic, contract = self._plan.traffic, self._plan.contract
        green = self.position.green_percent
        match question:
            case Question.DARK:
                self._watch.ask(
                    question, seconds=0, green_percent=0, what="testing green before its first traffic"
                )
            case Question.WATCH:
                seconds = traffic.step_seconds if traffic else 0.0
                self._watch.ask(
                    question, seconds=seconds, green_percent=green, what=f"watching {green} % green"
                )
            case Question.SOAK:
                seconds = max(0.0, contract.soak_seconds - self._runner.in_stage().total_seconds())
                self._watch.ask(question, seconds=seconds, green_percent=green, what="soaking at 100 % green")
            case Question.FENCE:
                self._prove_old_version_gone()
            case Question.KEEP:
                self._keep(contract.keep_seconds)

    def _prove_old_version_gone(self) -> None:
        blue_may_stay = self._plan.compatibility.allows(Version.BLUE, Stage.DROPPED)
        if blue_may_stay or self._old_version_gone:
            return
        if any(isinstance(gate, SessionGate) for gate in self._gates):
            name = self._plan.contract.blue_application_name
            what = f"waiting until no session of '{name}' is left"
            self._watch.ask(Question.FENCE, seconds=0, green_percent=self.position.green_percent, what=what)
        elif self.position.stage.position < Stage.TOMBSTONED.position:
            raise StateRefused(
                "nothing proves that the old version is gone, and it would break now",
                advice="set blue_application_name in the plan before it starts, or, when you are sure: "
                "migsafe contract PLAN --old-version-gone",
            )

    def _keep(self, seconds: float) -> None:
        remaining = seconds - self._runner.in_stage().total_seconds()
        if remaining > self._pace.longest_wait:
            until = datetime.now(UTC) + timedelta(seconds=remaining)
            raise StateRefused(
                f"the old shape is kept until {until:%Y-%m-%d %H:%M:%S} UTC",
                advice="run `migsafe contract PLAN --drop` again after that",
            )
        if remaining > 0:
            self._runner.wait(remaining, "the old shape is kept as long as the plan says")

    def _declare_old_version_gone(self) -> None:
        """For a plan that moves no traffic: record, by proof or on somebody's word, that green has it all."""
        share = self.position.green_percent
        if not self._mover.has_traffic and self._mover.track.compatibility.violation(Stage.TOMBSTONED, share):
            self._prove_old_version_gone()
            self._mover.declare(100, "the old version is gone")
