"""Every statement of fixtures/effects/ does on real servers what is predicted: nothing is written by hand."""

from collections import Counter

import pytest

from tests.servers import MAJORS
from tests.verify.conftest import Servers
from tests.verify.fixtures import Bench, cases

FAMILIES = sorted({case.family for case in cases()})
OLDEST = MAJORS[0]
# What the schema does not tell (views know tables, not columns; functions, settings of servers).
MOST_UNCERTAIN = 0.25


def check(servers: Servers, major: int, family: str) -> None:
    bench = Bench(servers.of(major))
    seen: Counter[str] = Counter()
    wrong: list[str] = []
    try:
        for case in cases(family):
            if case.since > major:
                continue
            for verdict in bench.judge(case):
                seen["statements"] += 1
                seen["uncertain"] += not verdict.predicted.effects.certain
                wrong += [f"{case}: {each}" for each in verdict.differences]
    finally:
        bench.close()
    print(f"\nPostgreSQL {major} {family:<12} {seen['statements']:>4} statements {len(wrong)} wrong", end="")  # noqa: T201 -- the proof's table
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_oldest_server_does_what_is_predicted(servers: Servers, family: str) -> None:
    check(servers, OLDEST, family)


@pytest.mark.proof
@pytest.mark.parametrize("major", MAJORS[1:])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_server_does_what_is_predicted(servers: Servers, major: int, family: str) -> None:
    check(servers, major, family)


def test_there_are_enough_statements_and_each_once() -> None:
    texts = [case.text for case in cases()]
    assert len(texts) >= 400
    assert len(set(texts)) > len(texts) * 0.98
