"""The state machine, against a world in memory that crashes wherever it likes."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from migsafe.errors import StateRefused
from migsafe.plan.stages import SCHEMA_STAGES, TRAFFIC_STAGES, Compatibility, Stage, Window
from migsafe.rollout.machine import (
    Ask,
    Enter,
    Move,
    Position,
    Question,
    Shift,
    Track,
    Undo,
    after,
    backward,
    forward,
    retreat,
)

RENAME = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.FENCED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)
SAME_NAME = Compatibility(
    blue=Window(first=Stage.PLANNED, last=Stage.DROPPED),
    green=Window(first=Stage.VERIFIED, last=Stage.DROPPED),
)
SCHEMA_ONLY = (Stage.PLANNED, *SCHEMA_STAGES)
NO_BACKFILL = tuple(stage for stage in Stage if stage is not Stage.BACKFILLED)


def track(
    steps: tuple[int, ...] = (5, 25, 50, 100),
    compatibility: Compatibility = RENAME,
    stages: tuple[Stage, ...] = tuple(Stage),
) -> Track:
    return Track(stages=stages, compatibility=compatibility, steps=steps)


def at(stage: Stage, green_percent: int = 0) -> Position:
    return Position(stage=stage, green_percent=green_percent)


TRACKS = (
    track(),
    track(steps=(100,)),
    track(compatibility=SAME_NAME),
    track(stages=NO_BACKFILL),
    track(steps=(), compatibility=SAME_NAME, stages=SCHEMA_ONLY),
)


class Rollouts(RuleBasedStateMachine):
    """Forward, back and crashes in any order: no version ever gets traffic where it does not work."""

    @initialize(chosen=st.sampled_from(TRACKS), stages=st.integers(min_value=0, max_value=12))
    def start(self, chosen: Track, stages: int) -> None:
        self.track = chosen
        self.position = at(Stage.PLANNED)
        for _ in range(stages):
            self._walk(forward(self.track, self.position), 12)

    def _walk(self, moves: tuple[Move, ...], upto: int) -> None:
        for move in moves[:upto]:
            self.position = after(self.track, self.position, move)
            self.nobody_gets_traffic_where_it_does_not_work()

    @rule(upto=st.integers(min_value=0, max_value=12))
    def go_forward(self, upto: int) -> None:
        self._walk(forward(self.track, self.position), upto)

    @rule(upto=st.integers(min_value=0, max_value=3))
    def go_back(self, upto: int) -> None:
        if self.position.stage is not Stage.DROPPED:
            self._walk(backward(self.track, self.position), upto)

    @rule(upto=st.integers(min_value=0, max_value=3))
    def retreat(self, upto: int) -> None:
        try:
            moves = retreat(self.track, self.position)
        except StateRefused:
            blue_is_lost = not self.track.compatibility.blue.last.position >= self.position.stage.position
            assert blue_is_lost or Stage.DARK not in self.track.stages
            return
        assert len([move for move in moves if isinstance(move, Shift)]) <= 1
        assert not any(isinstance(move, Undo) for move in moves)
        self._walk(moves, upto)

    @rule(share=st.sampled_from((0, 7, 50, 100)))
    def somebody_else_moves_the_traffic(self, share: int) -> None:
        """As far as the invariant holds: what breaks it is restored at the next start."""
        moves_traffic = Stage.DARK in self.track.stages
        if moves_traffic and not self.track.compatibility.violation(self.position.stage, share):
            self.position = at(self.position.stage, share)

    @invariant()
    def nobody_gets_traffic_where_it_does_not_work(self) -> None:
        if hasattr(self, "position"):
            place = self.position
            assert self.track.compatibility.violation(place.stage, place.green_percent) is None

    @invariant()
    def there_is_always_a_way_to_the_end_and_a_way_back(self) -> None:
        if not hasattr(self, "position"):
            return
        place = self.position
        for _ in range(30):
            for move in forward(self.track, place):
                place = after(self.track, place, move)
        assert place.stage is Stage.DROPPED
        place = self.position
        if place.stage is Stage.DROPPED:
            return
        for _ in range(30):
            for move in backward(self.track, place):
                place = after(self.track, place, move)
        assert place == at(Stage.PLANNED)


Rollouts.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_any_order_of_moves_and_crashes = Rollouts.TestCase


def test_a_canary_goes_through_all_its_steps_and_each_is_watched() -> None:
    assert forward(track(), at(Stage.CANARY, 5)) == (
        Ask(Question.WATCH),
        *(Shift(25), Ask(Question.WATCH)),
        *(Shift(50), Ask(Question.WATCH)),
        *(Shift(100), Ask(Question.WATCH)),
        Enter(Stage.FULL),
    )


def test_after_a_crash_behind_the_last_step_it_is_watched_again() -> None:
    assert forward(track(), at(Stage.CANARY, 100)) == (Ask(Question.WATCH), Enter(Stage.FULL))


def test_green_is_asked_before_it_gets_its_first_traffic() -> None:
    assert forward(track(), at(Stage.DARK)) == (Ask(Question.DARK), Enter(Stage.CANARY), Shift(5))


@pytest.mark.parametrize("stage", [Stage.CANARY, Stage.FULL, Stage.SOAKED, Stage.FENCED])
def test_a_proxy_that_lost_its_weights_begins_the_canary_again(stage: Stage) -> None:
    assert forward(track(), at(stage, 0)) == (Enter(Stage.DARK),)


@pytest.mark.parametrize("stage", [stage for stage in TRAFFIC_STAGES if stage is not Stage.DARK])
def test_retreat_is_one_shift_and_the_schema_stays(stage: Stage) -> None:
    assert retreat(track(), at(stage, 100)) == (Shift(0), Enter(Stage.DARK))


def test_retreat_is_refused_where_blue_does_not_work_any_more() -> None:
    with pytest.raises(StateRefused, match="renames the old shape back first"):
        retreat(track(), at(Stage.TOMBSTONED, 100))


def test_retreat_without_traffic_in_the_plan_is_refused() -> None:
    with pytest.raises(StateRefused, match="moves no traffic"):
        retreat(TRACKS[-1], at(Stage.VERIFIED))


def test_revert_renames_back_before_traffic_and_moves_traffic_before_the_schema() -> None:
    place, moves = at(Stage.TOMBSTONED, 100), []
    while step := backward(track(), place):
        for move in step:
            moves.append(move)
            place = after(track(), place, move)
    assert moves == [
        Undo(Stage.TOMBSTONED),
        Shift(0),
        Enter(Stage.VERIFIED),
        Undo(Stage.VERIFIED),
        Undo(Stage.BACKFILLED),
        Undo(Stage.EXPANDED),
    ]


def test_there_is_no_way_back_from_dropped() -> None:
    with pytest.raises(StateRefused, match="no way back from stage 'dropped'"):
        backward(track(), at(Stage.DROPPED, 100))


def test_no_move_may_give_traffic_to_a_version_that_does_not_work() -> None:
    with pytest.raises(StateRefused, match="green would get 5 %"):
        after(track(), at(Stage.EXPANDED), Shift(5))
    with pytest.raises(StateRefused, match="blue would get 50 %"):
        after(track(), at(Stage.TOMBSTONED, 100), Shift(50))
    with pytest.raises(StateRefused, match="blue would get 1 %"):
        after(track(), at(Stage.FENCED, 99), Enter(Stage.TOMBSTONED))


def test_without_traffic_the_schema_is_not_taken_back_under_a_version_in_service() -> None:
    alone = track(steps=(), stages=SCHEMA_ONLY)
    with pytest.raises(StateRefused, match="is said to get 100 %"):
        backward(alone, at(Stage.VERIFIED, 100))
