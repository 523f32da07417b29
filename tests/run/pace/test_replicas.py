"""Lags of replicas from positions over time, without a server."""

from hypothesis import given
from hypothesis import strategies as st

from migsafe.run.pace.replicas import FORGOTTEN_AFTER_SECONDS, LagTracker, Replica


def replica(replayed: float, *, lag: float = 0.0, name: str = "r") -> Replica:
    return Replica(name=name, replayed=replayed, lag_seconds=lag)


def test_a_replica_that_stands_still_falls_behind_second_by_second() -> None:
    tracker = LagTracker()
    assert tracker.lags(0, 100, [replica(100)]) == {"r": 0}
    lags = [tracker.lags(now, 100 + 10 * now, [replica(105)])["r"] for now in range(1, 6)]
    assert lags == [0, 1, 2, 3, 4]  # the WAL passed it at second 1


def test_a_quiet_server_does_not_make_anybody_late() -> None:
    tracker = LagTracker()
    for now in range(100):
        assert tracker.lags(now, 100, [replica(100)]) == {"r": 0}
    assert tracker.lags(100, 200, [replica(100)]) == {"r": 0}  # written just now


def test_what_was_late_before_we_looked_is_at_least_as_late_as_the_server_says() -> None:
    tracker = LagTracker()
    assert tracker.lags(0, 100, [replica(50, lag=30)]) == {"r": 30}
    assert tracker.lags(40, 100, [replica(50, lag=30)]) == {"r": 40}


def test_a_replica_that_vanishes_falls_behind_until_it_is_forgotten() -> None:
    tracker = LagTracker()
    for now in range(12):
        tracker.lags(now, 100, [replica(100)])
    assert tracker.lags(21, 100, []) == {"r (not connected)": 10}
    assert tracker.lags(22, 100, [replica(100)]) == {"r": 0}
    assert tracker.lags(22 + FORGOTTEN_AFTER_SECONDS, 100, []) == {
        "r (not connected)": FORGOTTEN_AFTER_SECONDS
    }
    assert tracker.lags(23 + FORGOTTEN_AFTER_SECONDS, 100, []) == {}


def test_a_replica_that_was_there_for_a_moment_only_is_not_missed() -> None:
    tracker = LagTracker()
    tracker.lags(0, 100, [replica(100)])
    tracker.lags(5, 100, [replica(100)])
    assert tracker.lags(60, 100, []) == {}


@given(
    st.lists(
        st.tuples(
            st.floats(0, 10), st.floats(0, 1000), st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 1)))
        ),
        max_size=30,
    )
)
def test_lags_are_never_negative_nor_longer_than_we_look(
    rounds: list[tuple[float, float, list[tuple[str, float]]]],
) -> None:
    tracker, now, position = LagTracker(), 0.0, 0.0
    for seconds, written, replicas in rounds:
        now, position = now + seconds, position + written
        found = tracker.lags(
            now, position, [replica(share * position, name=name) for name, share in replicas]
        )
        assert all(0 <= lag <= 2 * now for lag in found.values())
