"""Which databases come when: pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.errors import UsageError
from migsafe.fleet.waves import DEFAULT_SIZES, Size, parse_sizes, waves

SIZES = st.one_of(st.builds(Size, count=st.integers(1, 20)), st.builds(Size, percent=st.floats(0.1, 100.0)))


def test_the_canary_is_alone_and_the_sizes_follow() -> None:
    names = [f"s{n:02}" for n in range(50)]
    found = waves(names, DEFAULT_SIZES)
    assert [len(wave) for wave in found] == [1, 5, 25, 19]
    assert found[0] == ("s00",)


def test_a_named_canary_comes_first_and_the_others_keep_their_order() -> None:
    assert waves(["a", "b", "c", "d"], parse_sizes(["2", "rest"]), "c") == (("c",), ("a", "b"), ("d",))


def test_what_the_sizes_leave_over_is_a_wave_of_its_own() -> None:
    assert waves(["a", "b", "c", "d", "e"], parse_sizes([1, "1"])) == (("a",), ("b",), ("c",), ("d", "e"))


def test_a_canary_that_is_not_there_is_said_with_what_was_meant() -> None:
    with pytest.raises(UsageError, match="did you mean 'shard_01'"):
        waves(["shard_01", "shard_02"], DEFAULT_SIZES, "shard_1")


@pytest.mark.parametrize("text", ["0", "x", "-1", "101%", "0%", "1.5", ""])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is no size of a wave"):
        parse_sizes([text])


def test_nothing_follows_the_rest() -> None:
    with pytest.raises(UsageError, match="after 'rest'"):
        parse_sizes(["rest", "5"])


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=60), st.lists(SIZES, max_size=5), st.data())
def test_every_database_is_in_one_wave_once(
    numbers: list[int],
    sizes: list[Size],
    data: st.DataObject,
) -> None:
    names = [str(number) for number in numbers]
    canary = data.draw(st.sampled_from(names)) if names else None
    found = waves(names, sizes, canary)
    assert sorted(name for wave in found for name in wave) == sorted(names)
    assert all(found)
    assert not names or found[0] == (canary,)


@given(SIZES)
def test_a_size_is_read_back_as_it_is_written(size: Size) -> None:
    read = parse_sizes([str(size)])[0]
    assert read.count == size.count
    assert (read.percent or 0) == pytest.approx(size.percent or 0, rel=1e-4)
