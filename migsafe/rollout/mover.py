"""Makes the machine's moves on both tracks, and records how the work ended or broke off."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from migsafe.errors import Fenced, GateFailed, MigsafeError, StateRefused
from migsafe.plan.stages import Stage
from migsafe.rollout import machine
from migsafe.rollout.machine import Advance, Ask, Enter, Move, Position, Shift, Undo
from migsafe.rollout.outcome import Outcome, outcome_of
from migsafe.rollout.providers.base import Provider
from migsafe.rollout.requests import refuse_early, refuse_reverted
from migsafe.rollout.traffic import Traffic
from migsafe.run.events import Notice
from migsafe.run.ledger.model import Request, State
from migsafe.run.runner import Runner


class Mover:
    """Moves one rollout that is held by `runner`."""

    def __init__(self, runner: Runner, provider: Provider | None) -> None:
        self.runner, self.plan = runner, runner.plan
        self.track = machine.track_of(runner.plan)
        self._traffic = Traffic(runner, provider, self.track) if provider else None

    @property
    def position(self) -> Position:
        """Where the rollout stands, by the ledger."""
        rollout = self.runner.rollout()
        return Position(stage=rollout.stage, green_percent=rollout.green_percent)

    @property
    def has_traffic(self) -> bool:
        """Whether this plan moves traffic at all."""
        return self._traffic is not None

    @property
    def traffic(self) -> Traffic:
        """The traffic of the rollout.

        Raises:
            StateRefused: The plan moves none.
        """
        if self._traffic is None:
            raise StateRefused(
                "this plan moves no traffic", advice="`migsafe status` shows where the rollout stands"
            )
        return self._traffic

    def begin(self, state: State) -> None:
        """Make sure that the rollout is ours and that the ledger tells the truth about the traffic.

        Raises:
            StopRequested: Somebody asked for something else, which can be done from here.
        """
        self._put_aside_what_has_no_sense()
        self.runner.check()
        if self._traffic is not None:
            self._traffic.reconcile()
        self.runner.set_state(state)

    def supersede(self, command: Request) -> None:
        """What was asked before and nobody did: the command that is given now is the newer word."""
        asked = self.runner.left_over
        if asked not in (None, command) and self.runner.rollout().request is asked:
            self.runner.put_aside(asked, f"{command} was asked for later")
            self.runner.left_over = None

    def make(self, move: Move) -> None:
        """Make one move. A question is the caller's to put.

        Raises:
            StateRefused: The invariant would break.
            RunError, TrafficError: The database or the provider did not do it.
        """
        machine.after(self.track, self.position, move)
        match move:
            case Advance(stage):
                self.runner.advance(stage)
            case Enter(stage):
                self.forget_what_broke_off(stage)
                self.runner.enter(stage)
            case Shift(green_percent):
                self.traffic.move(green_percent)
            case Undo(stage):
                self.runner.undo(stage)
            case Ask(question):
                raise TypeError(f"'{question}' is a question, not a move")

    def declare(self, green_percent: int, text: str) -> None:
        """For a plan that moves no traffic: record what somebody said or proved about it."""
        self.runner.audit("declared", {"text": text})
        self.runner.intend_traffic(green_percent)
        self.runner.confirm_traffic(green_percent)

    def forget_what_broke_off(self, target: Stage) -> None:
        """Before going back: take back a stage that was begun and never reached."""
        rollout = self.runner.rollout()
        back = target is Stage.PLANNED or target.position < rollout.stage.position
        if back and rollout.furthest is not rollout.stage:
            self.runner.undo(rollout.furthest)

    def _put_aside_what_has_no_sense(self) -> None:
        """A request that came too late: where the rollout stands now it would only be refused."""
        rollout = self.runner.rollout()
        asked = rollout.request
        if asked is None:
            return
        try:
            refuse_reverted(rollout, asked)
            refuse_early(self.plan, rollout, asked)
        except StateRefused as refusal:
            self.runner.put_aside(asked, refusal.message)
            text = f"somebody asked for {asked}, which cannot be done here: {refusal.message}"
            self.runner.observer(Notice(text=text))

    def stop(self, state: State, reason: str, *, ok: bool) -> Outcome:
        """Record how it ended."""
        self.runner.set_state(state, reason)
        return outcome_of(self.runner.rollout(), ok=ok)

    def record(self, state: State, reason: str) -> None:
        """Record why it broke off, if that is possible: the error that brought us here matters more."""
        with suppress(Exception), self.runner.without_waiting():
            self.runner.set_state(state, reason)

    @contextmanager
    def breaking_off_recorded(self, *, interrupted: str) -> Iterator[None]:
        """Leave a word in the ledger when the block breaks off with an error or by a person's hand.

        Not for what has an answer of its own: a gate that failed, a request, another runner.
        """
        try:
            yield
        except (Fenced, GateFailed):
            raise
        except MigsafeError as error:
            state = State.PAUSED if isinstance(error, StateRefused) else State.FAILED
            self.record(state, error.message)
            raise
        except KeyboardInterrupt:
            self.record(State.PAUSED, interrupted)
            raise
