"""Every rollout is zero-downtime: both versions of an application work through the whole of it.

The sample of `make test` goes through each plan once, on the newest server; `make proof` also goes back
from every stage, on the oldest and the newest server, and holds every wait against the deadline.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg
import pytest
from psycopg import conninfo, sql

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import Plan, Traffic
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import TRAFFIC_STAGES, Stage, Version
from migsafe.postgres.server import Server
from tests.conftest import drop_database
from tests.servers import MAJORS
from tests.verify.conftest import Servers

from .cases import Case, is_taken_back, load_cases
from .load.dump import difference, schema_of
from .load.expected import Expected
from .load.figures import together
from .load.trial import CALM, LONGEST_BLOCK_SECONDS, REVERT, Trial

CASES = load_cases()
PROOF_REST = 0.4  # seconds in each stage
SAMPLE_REST = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """Three databases: of the rollout, with the old schema, and with what the naive migration makes."""

    server: Server
    rollout: str
    old: str
    naive: str


def make_place(server: Server, case: Case) -> Place:
    def make(name: str) -> str:
        drop_database(server, name)
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = conninfo.make_conninfo(server.dsn(), dbname=name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(case.schema.encode())
        return dsn

    place = Place(server, make("load"), make("load_old"), make("load_naive"))
    with psycopg.connect(place.naive) as connection:
        connection.execute(case.naive.encode())
    return place


def clear(server: Server) -> None:
    for name in ("load", "load_old", "load_naive"):
        drop_database(server, name)


def made(case: Case, dsn: str) -> Plan:
    """The plan, with a traffic track of which nothing but its stages is used."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        catalog = read_catalog(connection)
    options = replace(case.plan_options("load"), traffic=Traffic(provider="manual"))
    return plan_migration(case.migration, catalog, options)


def trial_of(case: Case, place: Place, rest: float) -> Trial:
    expected = Expected(case, {Version.BLUE: place.old, Version.GREEN: place.naive})
    return Trial(case, made(case, place.rollout), place.rollout, expected, rest=rest)


def require_server(case: Case, server: Server) -> None:
    with psycopg.connect(server.dsn()) as connection:
        if connection.info.server_version < case.min_version:
            pytest.skip(f"for PostgreSQL {case.min_version // 10_000} and newer")


@pytest.mark.parametrize("name", CASES)
def test_a_case_says_what_both_versions_do(name: str) -> None:
    for version in (CASES[name].blue, CASES[name].green):
        assert version.reads, "no reads"
        assert version.writes, "no writes"


@pytest.mark.parametrize("name", CASES)
def test_both_versions_work_through_the_whole_plan(server: Server, name: str) -> None:
    case = CASES[name]
    require_server(case, server)
    place = make_place(server, case)
    try:
        trial = trial_of(case, place, SAMPLE_REST)
        trial.forward(trial.stages[-1])
        assert not list(trial.recorder.failures())
        assert not difference(schema_of(server, place.rollout), schema_of(server, place.naive))
    finally:
        clear(server)


@pytest.fixture(params=[MAJORS[0], MAJORS[-1]], ids=lambda major: f"postgres{major}")
def proven_server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    return servers.of(request.param)


@pytest.mark.proof
@pytest.mark.parametrize("name", CASES)
def test_nobody_waits_and_nothing_is_lost_there_and_back(
    proven_server: Server, name: str, proof_row: Callable[[str], None]
) -> None:
    case = CASES[name]
    require_server(case, proven_server)
    place = make_place(proven_server, case)
    try:
        trial = trial_of(case, place, PROOF_REST)
        before = schema_of(proven_server, place.rollout)
        try:
            for furthest in trial.turning_points():
                trial.there_and_back(furthest)
                after = schema_of(proven_server, place.rollout)
                wrong = difference(before, after) if is_taken_back(trial.plan) else ""
                assert not wrong, f"after a revert from {furthest}"
            trial.forward(trial.stages[-1])
        finally:
            proof_row(heading(proven_server))
            proof_row(row(case, proven_server, trial))
        assert not list(trial.recorder.failures())
        assert not difference(schema_of(proven_server, place.rollout), schema_of(proven_server, place.naive))
        require_short_waits(trial)
    finally:
        clear(proven_server)


def require_short_waits(trial: Trial) -> None:
    """No statement waited for us longer than it may; nor did it take much longer than on a calm day."""
    calm = trial.recorder.by_stage[CALM].slowest
    for stage, figures in trial.recorder.by_stage.items():
        assert figures.blocked <= LONGEST_BLOCK_SECONDS, f"{stage}: {figures.blocked_in}"
        assert figures.slowest <= calm + LONGEST_BLOCK_SECONDS, f"{stage}: a statement took that long"


# The stages in which only traffic moves share a column.
COLUMNS = {
    "calm": (CALM,),
    "expanded": (Stage.EXPANDED,),
    "backfilled": (Stage.BACKFILLED,),
    "verified": (Stage.VERIFIED,),
    "traffic": TRAFFIC_STAGES,
    "tombstoned": (Stage.TOMBSTONED,),
    "dropped": (Stage.DROPPED,),
    "reverts": (REVERT,),
}
_WIDTH = 13


def heading(server: Server) -> str:
    titles = "".join(f" {title:>{_WIDTH}}" for title in COLUMNS)
    return f"load {server.binaries.major} {'(failed, longest block in ms, rows)':<42}{titles}"


def row(case: Case, server: Server, trial: Trial) -> str:
    cells = []
    for stages in COLUMNS.values():
        parts = [trial.recorder.by_stage[stage] for stage in stages if stage in trial.recorder.by_stage]
        cells.append(f" {together(parts).cell() if parts else '-':>{_WIDTH}}")
    return f"load {server.binaries.major} {case.name:<42}{''.join(cells)}"
