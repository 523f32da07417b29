"""The controller of the pace, with readings that no server gives on demand."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from migsafe.config.limits import Limit
from migsafe.run.pace.controller import (
    LEAST_SHARE,
    LONGEST_PAUSE_SECONDS,
    RAMP_PER_SECOND,
    PaceState,
    Reading,
    Verdict,
    batch_target,
    pause_after,
    rows_due,
    step,
)

LIMIT = Limit(soft=5.0, hard=10.0)
numbers = st.floats(min_value=0, max_value=1e12, allow_nan=False)


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    low, high = sorted((draw(numbers), draw(numbers)))
    return Limit(soft=low, hard=max(high, 1e-3))


@st.composite
def readings(draw: st.DrawFn, name: str = "") -> Reading:
    return Reading(
        name=name or draw(st.sampled_from("abc")),
        limit=draw(limits()),
        value=draw(st.none() | numbers | st.just(math.inf) | st.just(math.nan)),
        holds=draw(st.booleans()),
    )


rounds = st.lists(
    st.tuples(st.tuples(readings("a"), readings("b"), readings("c")), st.floats(min_value=0, max_value=100)),
    max_size=20,
)


def lag(value: float | None, *, holds: bool = True) -> Reading:
    return Reading(name="lag", limit=LIMIT, value=value, holds=holds)


def after(*values: float | None, state: PaceState | None = None, seconds: float = 1.0) -> PaceState:
    state = state or PaceState()
    for value in values:
        state = step(state, (lag(value),), seconds=seconds)
    return state


def linear(reading: Reading) -> float:
    """What a limit allows, said once more and differently."""
    if reading.value is None or math.isnan(reading.value):
        return 0.0 if reading.holds else 1.0
    if reading.value >= reading.limit.hard:
        return 0.0
    if reading.value <= reading.limit.soft:
        return 1.0
    rest = (reading.limit.hard - reading.value) / (reading.limit.hard - reading.limit.soft)
    return max(LEAST_SHARE, rest)


@settings(max_examples=60)
@given(rounds)
def test_it_is_never_faster_than_any_limit_allows(
    given_rounds: list[tuple[tuple[Reading, ...], float]],
) -> None:
    state = PaceState()
    for each, seconds in given_rounds:
        state = step(state, each, seconds=seconds)
        assert 0 <= state.share <= min(map(linear, each))


@settings(max_examples=60)
@given(rounds)
def test_good_readings_always_bring_it_back_to_full_speed_in_bounded_time(
    given_rounds: list[tuple[tuple[Reading, ...], float]],
) -> None:
    state = PaceState()
    for each, seconds in given_rounds:
        state = step(state, each, seconds=seconds)
    for _ in range(math.ceil(1 / RAMP_PER_SECOND)):
        state = step(state, (lag(LIMIT.soft),), seconds=1.0)
        assert state.share > 0
    assert state.share == 1.0


@settings(max_examples=60)
@given(rounds, st.floats(min_value=0, max_value=30))
def test_a_pause_is_bounded_or_the_reason_for_a_stop_is_known(
    given_rounds: list[tuple[tuple[Reading, ...], float]], worked: float
) -> None:
    state = PaceState()
    for each, seconds in given_rounds:
        state = step(state, each, seconds=seconds)
        pause = pause_after(state, worked=worked)
        if math.isinf(pause):
            assert state.worst is not None
            assert state.worst.verdict is Verdict.STOP
        else:
            assert 0 <= pause <= LONGEST_PAUSE_SECONDS
            assert pause == LONGEST_PAUSE_SECONDS or worked <= (worked + pause) * state.share * 1.000001


@given(st.lists(st.floats(min_value=7.6, max_value=12), min_size=1))
def test_what_swings_around_the_hard_limit_stops_once_and_does_not_flap(values: list[float]) -> None:
    state = after(11.0)
    for value in values:
        state = after(value, state=state)
        assert state.share == 0


@given(numbers, st.floats(min_value=0.01, max_value=10))
def test_a_batch_is_never_asked_to_be_longer_than_its_target(value: float, seconds: float) -> None:
    assert 0 < batch_target(after(value), seconds) <= seconds


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.floats(0, 5)), min_size=1),
    st.floats(min_value=1, max_value=1e6),
)
def test_rows_per_second_hold_over_any_stretch_of_batches(
    batches: list[tuple[int, float]], per_second: float
) -> None:
    now, due, begins, rows = 100.0, 0.0, [], []
    for count, idle in batches:
        now = max(now, due) + idle  # never begun before it was due, sometimes long after
        begins.append(now)
        rows.append(count)
        due = rows_due(due, now, rows=count, per_second=per_second)
    for first in range(len(begins)):
        for last in range(first + 1, len(begins)):
            allowed = (begins[last] - begins[first]) * per_second
            assert sum(rows[first:last]) <= allowed * (1 + 1e-9) + 1e-6 * per_second


def test_it_slows_down_in_proportion_between_the_two_limits() -> None:
    assert after(5.0).share == 1.0
    assert after(7.5).share == 0.5
    assert after(9.0).share == 0.2
    assert after(9.99).share == LEAST_SHARE
    assert after(10.0).share == 0.0


def test_a_stop_ends_in_the_middle_between_the_limits_and_full_speed_takes_five_seconds() -> None:
    state = after(10.0, 9.0, 7.6)
    assert state.share == 0.0
    shares = [(state := after(1.0, state=state)).share for _ in range(5)]
    assert [round(share, 6) for share in shares] == [0.2, 0.4, 0.6, 0.8, 1.0]


def test_what_cannot_be_read_holds_or_is_skipped_and_does_not_forget_a_stop() -> None:
    assert after(None).share == 0.0
    state = step(PaceState(), (lag(None, holds=False),), seconds=1.0)
    assert (state.share, state.judged[0].verdict) == (1.0, Verdict.SKIPPED)
    assert after(None, 9.0).share > 0  # only unread before: no need to fall to the middle
    assert after(11.0, None, 9.0).share == 0.0


def test_the_worst_of_several_signals_counts_and_is_named() -> None:
    other = Reading(name="other", limit=LIMIT, value=9.0)
    state = step(PaceState(), (lag(6.0), other), seconds=1.0)
    assert state.worst is not None
    assert (state.worst.reading.name, state.share) == ("other", 0.2)
