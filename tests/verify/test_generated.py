"""Schemas and DDL at random: what the server does is what is predicted.

`make proof` runs a sample on every server; MIGSAFE_GENERATED_STATEMENTS=10000 makes it the whole claim.
"""

import os
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.servers import MAJORS
from tests.verify.conftest import Servers
from tests.verify.generated import Run

SAMPLE = 2000
STATEMENTS = int(os.environ.get("MIGSAFE_GENERATED_STATEMENTS", str(SAMPLE)))
# Another first seed gives other schemas and other statements.
SEED = int(os.environ.get("MIGSAFE_GENERATED_SEED", "0"))


@given(seed=st.integers(min_value=10**6, max_value=10**9))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_newest_server_does_what_is_predicted(servers: Servers, seed: int) -> None:
    run = Run(servers.of(MAJORS[-1]))
    run.schema(Random(seed))
    assert run.wrong == []


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("major", MAJORS)
def test_every_server_does_what_is_predicted(
    servers: Servers, major: int, proof_row: Callable[[str], None]
) -> None:
    run, seed = Run(servers.of(major)), SEED
    while run.seen["ran"] < STATEMENTS:
        run.schema(Random(seed))
        seed += 1
    proof_row(run.line())
    assert not run.wrong, "\n\n".join(run.wrong[:5])
