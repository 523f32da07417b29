"""Every statement of fixtures/effects/ does on real servers what is predicted: nothing is written by hand."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.servers import MAJORS
from tests.verify.conftest import Servers
from tests.verify.fixtures import Bench, cases

FAMILIES = sorted({case.family for case in cases()})
OLDEST = MAJORS[0]
SLOW = ("indexes", "partitions")  # CONCURRENTLY is watched from another session
# What the schema does not tell (views know tables, not columns; functions, settings of servers).
MOST_UNCERTAIN = 0.25


def check(servers: Servers, major: int, family: str, proof_row: Callable[[str], None]) -> None:
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
    proof_row(
        f"PostgreSQL {major} {family:<12} {seen['statements']:>6} statements {len(wrong)} wrong,"
        f" {seen['uncertain']} uncertain"
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "family",
    [pytest.param(each, marks=pytest.mark.proof) if each in SLOW else each for each in FAMILIES],
)
def test_the_oldest_server_does_what_is_predicted(
    servers: Servers, family: str, proof_row: Callable[[str], None]
) -> None:
    check(servers, OLDEST, family, proof_row)


@pytest.mark.proof
@pytest.mark.parametrize("major", MAJORS[1:])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_server_does_what_is_predicted(
    servers: Servers, major: int, family: str, proof_row: Callable[[str], None]
) -> None:
    check(servers, major, family, proof_row)


def test_there_are_enough_statements_and_each_once() -> None:
    texts = [case.text for case in cases()]
    assert len(texts) >= 400
    assert len(set(texts)) > len(texts) * 0.98
