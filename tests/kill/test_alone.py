"""SIGKILL at any round trip of every kind of step and of every way through a table."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from migsafe.postgres.server import Server
from tests.kill.life import Place, database_of, live, undisturbed
from tests.kill.proof import IS_SAMPLE, seed_of
from tests.kill.scenarios import scenarios

NAMES = [each.name for each in scenarios(1, Path())]
KILLS = 2 if IS_SAMPLE else 20


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_a_runner_that_is_killed_at_any_moment_ends_where_an_undisturbed_one_does(
    server: Server, tmp_path: Path, name: str, proof_row: Callable[[str], None]
) -> None:
    seed = seed_of()
    scenario = next(each for each in scenarios(6000, tmp_path) if each.name == name)
    reference = undisturbed(lambda: server, scenario)
    with database_of(lambda: server, scenario) as dsn:
        place = Place(server_now=lambda: server, dsn=dsn, direct=dsn)
        toll = live(scenario, reference, place, KILLS, random.Random(seed))
    proof_row(f"kills alone          {name:<14} {toll} (seed {seed})")
