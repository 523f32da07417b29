"""Whenever who writes what: both versions see the same, and nothing is lost.

Hypothesis chooses the writes, the moments between the steps at which they are made, and where the rollout
turns back; what it finds it makes as short as it can.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage, Version
from migsafe.postgres.server import Server

from .cases import Case, load_cases, to_prove
from .conftest import require_server
from .load.deeds import Deed, Story, endings, moments
from .load.expected import Expected
from .load.place import copy_of, place_of, plan_of

CASES = load_cases()
SAMPLE = ("columns/rename", "types/integer-to-bigint")
# Where both versions write the same, there is one shape only, and no order to be afraid of.
TOLD_APART = [name for name, case in CASES.items() if case.blue.writes != case.green.writes]
EXAMPLES = 5
PROOF_EXAMPLES = 4


def stories(plan: Plan) -> st.SearchStrategy[tuple[Stage, list[Deed]]]:
    deed = st.builds(
        Deed,
        moment=st.integers(0, moments(plan) - 1),
        version=st.sampled_from(Version),
        write=st.integers(0, 9),
        row=st.integers(0, 2),
        number=st.integers(0, 9),
    )
    return st.tuples(st.sampled_from(list(endings(plan))[::-1]), st.lists(deed, min_size=5, max_size=30))


def explore(server: Server, case: Case, *, examples: int) -> None:
    require_server(case, server)
    with place_of(server, case) as pattern:
        plan = plan_of(case, pattern)

        @settings(
            max_examples=examples,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate, Phase.shrink),
        )
        @given(story=stories(plan))
        def tell(story: tuple[Stage, list[Deed]]) -> None:
            furthest, deeds = story
            with copy_of(pattern) as place, Expected(case, place.untouched) as expected:
                Story(case=case, plan=plan, dsn=place.rollout, expected=expected, deeds=deeds).tell(furthest)

        tell()


@pytest.mark.parametrize("name", SAMPLE)
def test_no_order_of_writes_tells_the_versions_apart(server: Server, name: str) -> None:
    explore(server, CASES[name], examples=EXAMPLES)


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", to_prove(TOLD_APART))
def test_no_order_of_writes_tells_the_versions_apart_in_any_case(proven_server: Server, name: str) -> None:
    explore(proven_server, CASES[name], examples=PROOF_EXAMPLES)
