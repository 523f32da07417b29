"""The server itself is stopped as in a crash, or its standby takes over, at any moment of a rollout."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import conninfo

from tests.kill import hosts
from tests.kill.hosts import Host
from tests.kill.life import Place, database_of, live, undisturbed
from tests.kill.proof import IS_SAMPLE, seed_of
from tests.kill.scenarios import scenarios

KILLS = 3 if IS_SAMPLE else 12
HOSTS = ("crash", "promotion", "promotion with a loss")


@contextmanager
def host_of(kind: str) -> Iterator[Host]:
    if kind == "crash":
        with hosts.single() as host:
            yield host
    else:
        with hosts.pair(synchronous=kind == "promotion") as both:
            yield both


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("guests", [0, 2], ids=["alone", "three workers"])
@pytest.mark.parametrize("name", ["striped"] if IS_SAMPLE else ["striped", "partitions", "copy"])
@pytest.mark.parametrize("kind", HOSTS)
def test_a_server_that_goes_away_at_any_moment_leaves_what_leads_to_the_same_end(
    tmp_path: Path, kind: str, name: str, guests: int, proof_row: Callable[[str], None]
) -> None:
    seed = seed_of()
    scenario = next(each for each in scenarios(9000 if guests else 6000, tmp_path) if each.name == name)
    with host_of(kind) as host:
        reference = undisturbed(lambda: host.server, scenario)
        with database_of(lambda: host.server, scenario) as direct:
            dsn = host.dsn(str(conninfo.conninfo_to_dict(direct)["dbname"]))
            place = Place(
                server_now=lambda: host.server,
                dsn=dsn,
                direct=dsn,
                guests=guests,
                workers=2 if guests else 1,
                rate=4000.0 if guests else None,
                host=host,
            )
            toll = live(scenario, reference, place, KILLS, random.Random(seed))
    how = f"{kind}, {'3 workers' if guests else 'alone'}"
    proof_row(f"kills {how:<34} {name:<14} {toll} (seed {seed})")
