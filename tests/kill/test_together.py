"""Several processes at one rollout, any of them killed at any moment, also at once, also behind PgBouncer."""

import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from psycopg import conninfo

from migsafe.postgres.server import Server
from tests.kill.life import Place, database_of, live, undisturbed
from tests.kill.proof import IS_SAMPLE, seed_of
from tests.kill.scenarios import scenarios
from tests.run.pace.conftest import pgbouncer

KILLS = 3 if IS_SAMPLE else 20
NAMES = (
    ("striped", "copy")
    if IS_SAMPLE
    else ("striped", "no key", "several keys", "partitions", "copy", "delete")
)
POOLED = ("partitions",) if IS_SAMPLE else ("striped", "keys", "partitions", "copy", "traffic")


@pytest.mark.proof
@pytest.mark.parametrize("name", NAMES)
def test_three_workers_that_are_killed_at_any_moment_end_where_undisturbed_ones_do(
    server: Server, tmp_path: Path, name: str, proof_row: Callable[[str], None]
) -> None:
    prove(server, tmp_path, name, proof_row, pooled=False, guests=2)


@pytest.mark.proof
@pytest.mark.parametrize("guests", [0, 2], ids=["alone", "three workers"])
@pytest.mark.parametrize("name", POOLED)
def test_behind_a_pooler_they_end_there_too(
    server: Server, tmp_path: Path, name: str, guests: int, proof_row: Callable[[str], None]
) -> None:
    prove(server, tmp_path, name, proof_row, pooled=True, guests=guests)


def prove(
    server: Server, folder: Path, name: str, proof_row: Callable[[str], None], *, pooled: bool, guests: int
) -> None:
    seed = seed_of()
    scenario = next(each for each in scenarios(9000 if guests else 6000, folder) if each.name == name)
    reference = undisturbed(lambda: server, scenario)
    with ExitStack() as stack:
        dsn = direct = stack.enter_context(database_of(lambda: server, scenario))
        if pooled:
            port = stack.enter_context(pgbouncer(server, pool_size=8))
            database = str(conninfo.conninfo_to_dict(direct)["dbname"])
            dsn = conninfo.make_conninfo(direct, host="127.0.0.1", port=port, dbname=database)
        place = Place(
            server_now=lambda: server,
            dsn=dsn,
            direct=direct,
            guests=guests,
            workers=2 if guests else 1,
            rate=4000.0 if guests else None,
        )
        toll = live(scenario, reference, place, KILLS, random.Random(seed))
    how = f"{'pooled ' if pooled else ''}{'3 workers' if guests else 'alone'}"
    proof_row(f"kills {how:<16} {name:<14} {toll} (seed {seed})")
