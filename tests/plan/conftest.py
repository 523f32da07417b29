"""A place to try a plan's statements by hand, without the runner."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import DdlStep, IndexStep, Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.postgres.server import Server
from tests.servers import MAJORS
from tests.verify.conftest import Servers

from .cases import Case

NOTE_SYNC = """
CREATE SCHEMA migsafe;
CREATE TABLE migsafe.noted (kind text, detail text);
CREATE FUNCTION migsafe.note_sync(rollout text, relation text, kind text, detail text) RETURNS void
LANGUAGE sql AS 'INSERT INTO migsafe.noted VALUES (kind, detail)';
"""


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers of every version, each started when it is first asked for."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(params=[MAJORS[0], MAJORS[-1]], ids=lambda major: f"postgres{major}")
def proven_server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """The oldest and the newest server."""
    return servers.of(request.param)


def require_server(case: Case, server: Server) -> None:
    with psycopg.connect(server.dsn()) as connection:
        if connection.info.server_version < case.min_version:
            pytest.skip(f"for PostgreSQL {case.min_version // 10_000} and newer")


Planner = Callable[..., Plan]


@pytest.fixture
def plan_for(connection: psycopg.Connection) -> Planner:
    """Plans a migration on a schema that it first creates."""

    def make(schema: str, migration: str, **options: object) -> Plan:
        connection.execute(schema)
        connection.execute(NOTE_SYNC)
        return plan_migration(migration, read_catalog(connection), PlanOptions(**options))  # type: ignore[arg-type]

    return make


def carry_out(connection: psycopg.Connection, plan: Plan, stage: Stage) -> None:
    """Run the plan's DDL of one stage as it stands there."""
    for step in plan.steps_to(stage):
        match step:
            case DdlStep():
                with connection.transaction():
                    for statement in step.sql:
                        connection.execute(statement.encode())
            case IndexStep():
                connection.execute(step.sql.encode())
            case _:
                pass


def take_back(connection: psycopg.Connection, plan: Plan, stage: Stage) -> None:
    """Run the plan's undo of one stage, newest step first."""
    for step in reversed(plan.steps_to(stage)):
        for statement in step.undo:
            connection.execute(statement.encode())
