"""Drives a plan to a stage: schema, traffic and gates in the order that the machine gives."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from migsafe.errors import Fenced, GateFailed, MigsafeError, StateRefused, TrafficError, UsageError
from migsafe.plan.stages import Stage, Version
from migsafe.rollout import machine
from migsafe.rollout.gates import Gate
from migsafe.rollout.gates.canary import CanaryGate
from migsafe.rollout.gates.database import SessionGate
from migsafe.rollout.machine import Advance, Ask, Enter, Move, Position, Question, Shift, Undo
from migsafe.rollout.providers.base import Provider
from migsafe.rollout.traffic import Traffic
from migsafe.rollout.watch import Held, Pace, Watch
from migsafe.run.ledger.model import Request, Rollout, State, StopRequested
from migsafe.run.runner import Runner

DEFAULT_HOLD_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Where a run ended, and why. `ok` is false when a gate failed or held for too long."""

    stage: Stage
    green_percent: int
    state: State
    ok: bool
    reason: str = ""


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


def outcome_of(rollout: Rollout, *, ok: bool = True) -> Outcome:
    """The outcome that the ledger tells, when somebody else did the work."""
    return Outcome(
        stage=rollout.stage,
        green_percent=rollout.green_percent,
        state=rollout.state,
        ok=ok,
        reason=rollout.reason,
    )


class Controller:
    """Acts on one rollout that is held by `runner`."""

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
        self._track = machine.track_of(runner.plan)
        self._provider, self._gates = provider, gates
        self._old_version_gone = old_version_gone
        self._pace = pace or Pace()
        self._traffic = Traffic(runner, provider, self._track) if provider else None
        hold = runner.plan.traffic.hold_seconds if runner.plan.traffic else DEFAULT_HOLD_SECONDS
        self._watch = Watch(runner, gates, provider, hold_seconds=hold, pace=self._pace)

    @property
    def position(self) -> Position:
        """Where the rollout stands, by the ledger."""
        rollout = self._runner.rollout()
        return Position(stage=rollout.stage, green_percent=rollout.green_percent)

    def drive(self, target: Stage) -> Outcome:
        """Go on until the rollout stands in this stage, or as far as the plan goes.

        A gate that fails moves all traffic to blue at once. Requests from another terminal are answered.

        Raises:
            StateRefused: The stage does not allow the next move.
            RunError, TrafficError: The database or the provider did not do what was asked. Run again to
                go on.
        """
        try:
            self._begin(State.RUNNING)
            if target.position >= Stage.TOMBSTONED.position:
                self._declare_old_version_gone()
            while self.position.stage.position < target.position:
                moves = machine.forward(self._track, self.position)
                if not moves or self._beyond(target):
                    break
                for move in moves:
                    self._do(move)
            return self._finish()
        except StopRequested as stop:
            return self._answer(stop.request)
        except GateFailed as failure:
            return self._withdraw(failure.message, ok=False)
        except Held as held:
            return self._stop(State.PAUSED, held.reason, ok=False)
        except Fenced:
            raise
        except MigsafeError as error:
            state = State.PAUSED if isinstance(error, StateRefused) else State.FAILED
            self._record(state, error.message)
            raise
        except KeyboardInterrupt:
            self._record(State.PAUSED, "interrupted")
            raise

    def require_contract(self) -> None:
        """Make sure that everything before the contract is done.

        Raises:
            StateRefused: It is not.
        """
        needed = Stage.SOAKED if self._plan.traffic else Stage.VERIFIED
        stage = self.position.stage
        if stage.position < needed.position:
            raise StateRefused(
                f"the rollout '{self._plan.name}' stands in stage '{stage}': too early to contract",
                advice="`migsafe run` goes on with it first",
            )

    def pause(self) -> Outcome:
        """Hold both tracks where they are, when nobody runs this rollout."""
        if self._runner.rollout().state in (State.DONE, State.REVERTED):
            raise StateRefused(f"the rollout '{self._plan.name}' is over: there is nothing to pause")
        return self._stop(State.PAUSED, "asked for", ok=True)

    def retreat(self, reason: str) -> Outcome:
        """All traffic to blue in one call; the schema stays.

        Raises:
            StateRefused: Blue does not work in this stage, or the plan moves no traffic.
            TrafficError: The provider did not do it.
        """
        try:
            machine.retreat(self._track, self.position)
        except StateRefused as refusal:
            self._clear(Request.RETREAT, refusal.message)
            raise
        if self._runner.rollout().request is Request.RETREAT:
            self._runner.accept(Request.RETREAT, State.RETREATING, reason)
        return self._withdraw(reason, ok=True)

    def revert(self, *, new_version_gone: bool = False) -> Outcome:
        """Take everything back: contract first, then traffic, then schema.

        Raises:
            StateRefused: There is no way back any more, or green would lose its schema.
            RunError, TrafficError: Something could not be taken back. Run again to go on.
        """
        try:
            self._check_way_back(new_version_gone=new_version_gone)
        except StateRefused as refusal:
            self._clear(Request.REVERT, refusal.message)
            raise
        try:
            if self._runner.rollout().request is Request.REVERT:
                self._runner.accept(Request.REVERT, State.REVERTING)
            self._begin(State.REVERTING)
            self._take_back(new_version_gone=new_version_gone)
            return self._stop(State.REVERTED, "everything was taken back", ok=True)
        except StopRequested as stop:
            return self._answer(stop.request)
        except Fenced:
            raise
        except MigsafeError as error:
            state = State.PAUSED if isinstance(error, StateRefused) else State.FAILED
            self._record(state, error.message)
            raise
        except KeyboardInterrupt:
            self._record(State.PAUSED, "interrupted while reverting")
            raise

    # --- forward ---

    def _begin(self, state: State) -> None:
        """Make sure that what this plan needs is there, and that the ledger tells the truth."""
        self._runner.check()
        if self._traffic is not None and self._provider is not None:
            require_statistics(self._provider, self._gates)
            self._traffic.reconcile()
        self._runner.set_state(state)

    def _beyond(self, target: Stage) -> bool:
        after = machine.next_stage(self._track, self.position.stage)
        return after is None or after.position > target.position

    def _do(self, move: Move) -> None:
        machine.after(self._track, self.position, move)
        match move:
            case Advance(stage):
                self._runner.advance(stage)
            case Enter(stage):
                self._forget_what_broke_off(stage)
                self._runner.enter(stage)
            case Shift(green_percent):
                self._mover().move(green_percent)
            case Undo(stage):
                self._runner.undo(stage)
            case Ask(question):
                self._ask(question)

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
                seconds = max(0.0, contract.soak_seconds - self._since_stage().total_seconds())
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
        remaining = seconds - self._since_stage().total_seconds()
        if remaining > self._pace.longest_wait:
            until = datetime.now(UTC) + timedelta(seconds=remaining)
            raise StateRefused(
                f"the old shape is kept until {until:%Y-%m-%d %H:%M:%S} UTC",
                advice="run `migsafe contract PLAN --drop` again after that",
            )
        if remaining > 0:
            self._runner.wait(remaining, "the old shape is kept as long as the plan says")

    def _since_stage(self) -> timedelta:
        """How long the rollout has been in its stage, by the server's clock."""
        row = self._runner.session.conn.execute("SELECT clock_timestamp()").fetchone()
        now: datetime = row[0] if row else datetime.now(UTC)
        return now - self._runner.rollout().stage_at

    def _declare_old_version_gone(self) -> None:
        """For a plan that moves no traffic: record, by proof or on somebody's word, that green has it all."""
        share = self.position.green_percent
        if self._traffic is None and self._track.compatibility.violation(Stage.TOMBSTONED, share):
            self._prove_old_version_gone()
            self._declare(100, "the old version is gone")

    def _declare(self, green_percent: int, text: str) -> None:
        self._runner.audit("declared", {"text": text})
        self._runner.intend_traffic(green_percent)
        self._runner.confirm_traffic(green_percent)

    # --- back ---

    def _check_way_back(self, *, new_version_gone: bool) -> None:
        """Without traffic in the plan nobody knows who runs which version: somebody must say so."""
        stage = self.position.stage
        unknown = self._traffic is None and self._plan.change.application_change
        in_service = Stage.VERIFIED.position <= stage.position < Stage.TOMBSTONED.position
        if unknown and in_service and not new_version_gone:
            raise StateRefused(
                "the new version may be in service, and would lose its column",
                advice="when it is not, or not any more: migsafe revert PLAN --new-version-gone",
            )
        if not (self._traffic is None and self.position.green_percent and in_service):
            machine.backward(self._track, self.position)

    def _take_back(self, *, new_version_gone: bool) -> None:
        self._forget_what_broke_off(Stage.PLANNED)
        while True:
            place = self.position
            if (
                self._traffic is None
                and new_version_gone
                and place.green_percent
                and place.stage.position < Stage.TOMBSTONED.position
            ):
                self._declare(0, "the new version is gone")
            moves = machine.backward(self._track, self.position)
            for move in moves:
                if move == Shift(0):
                    self._mover().to_blue()
                else:
                    self._do(move)
            if not moves:
                return

    def _withdraw(self, reason: str, *, ok: bool) -> Outcome:
        """The moves of a retreat, once it is known that they are allowed."""
        try:
            for move in self._moves_to_blue():
                if isinstance(move, Shift):
                    self._mover().to_blue()
                else:
                    self._do(move)
        except TrafficError as error:
            self._record(State.FAILED, f"retreat: {error.message}")
            raise
        return self._stop(State.RETREATED, reason, ok=ok)

    def _moves_to_blue(self) -> tuple[Move, ...]:
        try:
            rollout = self._runner.rollout()
            # A crash may have left more there than was recorded.
            share = max(rollout.green_percent, rollout.intended_green_percent, self._mover().actual())
            place = Position(stage=rollout.stage, green_percent=share)
            moves = machine.retreat(self._track, place)
            self._forget_what_broke_off(Stage.DARK)
        except MigsafeError:
            raise
        except Exception:  # noqa: BLE001 # whatever the database's trouble is: users come first
            return (Shift(0),)
        return moves

    def _forget_what_broke_off(self, target: Stage) -> None:
        """Before going back: take back a stage that was begun and never reached."""
        rollout = self._runner.rollout()
        back = target is Stage.PLANNED or target.position < rollout.stage.position
        if back and rollout.furthest is not rollout.stage:
            self._runner.undo(rollout.furthest)

    # --- ends ---

    def _answer(self, request: Request) -> Outcome:
        match request:
            case Request.PAUSE:
                self._runner.accept(request, State.PAUSED, "asked for")
                return outcome_of(self._runner.rollout())
            case Request.RETREAT:
                return self.retreat("asked for")
            case Request.REVERT:
                return self.revert()

    def _clear(self, request: Request, reason: str) -> None:
        if self._runner.rollout().request is request:
            self._runner.accept(request, State.PAUSED, reason)

    def _finish(self) -> Outcome:
        stage = self.position.stage
        if machine.next_stage(self._track, stage) is None:
            return self._stop(State.DONE, "", ok=True)
        return self._stop(State.WAITING, "", ok=True)

    def _stop(self, state: State, reason: str, *, ok: bool) -> Outcome:
        self._runner.set_state(state, reason)
        return outcome_of(self._runner.rollout(), ok=ok)

    def _record(self, state: State, reason: str) -> None:
        with suppress(Exception):  # the error that brought us here matters more
            self._runner.set_state(state, reason)

    def _mover(self) -> Traffic:
        if self._traffic is None:
            raise StateRefused("this plan moves no traffic")
        return self._traffic
