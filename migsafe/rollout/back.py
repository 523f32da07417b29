"""Going back: traffic alone (retreat), or everything (revert). Users come first, the ledger second."""

import time

from migsafe.errors import MigsafeError, StateRefused, TrafficError
from migsafe.plan.stages import Stage
from migsafe.rollout import machine
from migsafe.rollout.machine import Move, Position, Shift
from migsafe.rollout.mover import Mover
from migsafe.rollout.outcome import Outcome, outcome_of
from migsafe.rollout.requests import require_tombstoned
from migsafe.run.events import Notice
from migsafe.run.ledger.model import Request, State, StopRequested


class WayBack:
    """The way back of one rollout."""

    def __init__(self, mover: Mover) -> None:
        self._mover, self._runner, self._track = mover, mover.runner, mover.track

    def answer(self, request: Request) -> Outcome:
        """Do what was asked for from another terminal."""
        match request:
            case Request.PAUSE:
                self._runner.accept(request, State.PAUSED, "asked for")
                return outcome_of(self._runner.rollout())
            case Request.RETREAT:
                return self.retreat("asked for")
            case Request.REVERT:
                return self.revert()
            case Request.UNDO:
                return self.undo()

    def retreat(self, reason: str) -> Outcome:
        """All traffic to blue in one call; the schema stays.

        Raises:
            StateRefused: Blue does not work in this stage, or the plan moves no traffic.
            TrafficError: The provider did not do it.
        """
        try:
            machine.retreat(self._track, self._mover.position)
        except StateRefused as refusal:
            self._clear(Request.RETREAT, refusal.message)
            raise
        if self._runner.rollout().request is Request.RETREAT:
            self._runner.accept(Request.RETREAT, State.RETREATING, reason)
        return self.withdraw(reason, ok=True)

    def withdraw(self, reason: str, *, ok: bool) -> Outcome:
        """The moves of a retreat, once it is known that they are allowed.

        What is asked for meanwhile waits until all traffic is on blue.
        """
        asked: Request | None = None
        while True:
            try:
                self._give_all_to_blue()
                break
            except StopRequested as stop:
                asked = stop.request
                self._runner.accept(asked, State.RETREATING, reason)
            except TrafficError as error:
                self._mover.record(State.FAILED, f"retreat: {error.message}")
                raise
        if asked is Request.REVERT:
            return self.revert()
        return self._mover.stop(State.RETREATED, reason, ok=ok)

    def _give_all_to_blue(self) -> None:
        for move in self._moves_to_blue():
            self._make(move)
        for move in machine.retreat(self._track, self._mover.position):  # if they were not known before
            self._make(move)

    def revert(self, *, new_version_gone: bool = False, to: Stage = Stage.PLANNED) -> Outcome:
        """Take all back, or what lies behind the stage `to`: contract first, then traffic, then schema.

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
            with self._mover.breaking_off_recorded(interrupted="interrupted while reverting"):
                if self._runner.rollout().request is Request.REVERT:
                    self._runner.accept(Request.REVERT, State.REVERTING)
                self._mover.begin(State.REVERTING)
                self._take_back(new_version_gone=new_version_gone, to=to)
                if to is not Stage.PLANNED:
                    return self._mover.stop(State.WAITING, f"taken back to '{to}'", ok=True)
                return self._mover.stop(State.REVERTED, "everything was taken back", ok=True)
        except StopRequested as stop:
            return self.answer(stop.request)

    def undo(self) -> Outcome:
        """Rename the old shape back: one stage back from tombstoned. Traffic stays where it is.

        Raises:
            StateRefused: There is no tombstone.
            RunError: Its locks were not free. Run again to go on.
        """
        try:
            require_tombstoned(self._runner.rollout())
        except StateRefused as refusal:
            self._clear(Request.UNDO, refusal.message)
            raise
        try:
            with self._mover.breaking_off_recorded(interrupted="interrupted while undoing"):
                return self._rename_back()
        except StopRequested as stop:
            return self.answer(stop.request)

    def _rename_back(self) -> Outcome:
        if self._runner.rollout().request is Request.UNDO:
            self._runner.accept(Request.UNDO, State.REVERTING)
        self._mover.begin(State.REVERTING)
        began = time.monotonic()
        self._mover.forget_what_broke_off(Stage.PLANNED)  # a drop that failed, or an undo that was killed
        if self._mover.position.stage is Stage.TOMBSTONED:
            for move in machine.backward(self._mover.track, self._mover.position):
                self._mover.make(move)
        seconds = time.monotonic() - began
        stage = self._mover.position.stage
        text = f"the old shape has its name back, in {1000 * seconds:.0f} ms; traffic was not touched"
        self._runner.observer(Notice(text=text))
        return self._mover.stop(State.WAITING, f"taken back to '{stage}'", ok=True)

    def _check_way_back(self, *, new_version_gone: bool) -> None:
        """Without traffic in the plan nobody knows who runs which version: somebody must say so."""
        place, moves_none = self._mover.position, not self._mover.has_traffic
        in_service = Stage.VERIFIED.position <= place.stage.position < Stage.TOMBSTONED.position
        unknown = moves_none and self._mover.plan.application_change
        if unknown and in_service and not new_version_gone:
            raise StateRefused(
                "the new version may be in service, and would lose its column",
                advice="when it is not, or not any more: migsafe revert PLAN --new-version-gone",
            )
        if not (moves_none and place.green_percent and in_service):
            machine.backward(self._track, place)

    def _take_back(self, *, new_version_gone: bool, to: Stage) -> None:
        self._mover.forget_what_broke_off(Stage.PLANNED)
        may_declare = new_version_gone and not self._mover.has_traffic
        while to is Stage.PLANNED or self._mover.position.stage.position > to.position:
            place = self._mover.position
            if may_declare and place.green_percent and place.stage.position < Stage.TOMBSTONED.position:
                self._mover.declare(0, "the new version is gone")
            moves = machine.backward(self._track, self._mover.position)
            if not moves:
                return
            for move in moves:
                self._make(move)

    def _make(self, move: Move) -> None:
        """Going back, a shift is the one call that does not wait for anybody."""
        if isinstance(move, Shift):
            self._mover.traffic.to_blue()
        else:
            self._mover.make(move)

    def _moves_to_blue(self) -> tuple[Move, ...]:
        try:
            with self._runner.without_waiting():
                rollout = self._runner.rollout()
                # A crash may have left more there than was recorded.
                actual = self._mover.traffic.actual()
                share = max(rollout.green_percent, rollout.intended_green_percent, actual)
                moves = machine.retreat(self._track, Position(stage=rollout.stage, green_percent=share))
                self._mover.forget_what_broke_off(Stage.DARK)
        except (MigsafeError, StopRequested):
            raise
        except Exception:  # noqa: BLE001 # whatever the database's trouble is: users come first
            return (Shift(0),)
        return moves

    def _clear(self, request: Request, reason: str) -> None:
        if self._runner.rollout().request is request:
            self._runner.accept(request, State.PAUSED, reason)
