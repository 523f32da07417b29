"""`pgbench -M prepared`, which never prepares a statement again, through whole plans."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import conninfo

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import Plan, Traffic
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.postgres.server import Server
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from tests.run.pgbench import MIGRATION, load

from .load.clients import CACHED_PLAN

OPTIONS = PlanOptions(name="prepared", traffic=Traffic(provider="manual"))
RENAME = "ALTER TABLE pgbench_accounts RENAME COLUMN filler TO padding;"


def filled(server: Server, dsn: str, migration: str, options: PlanOptions) -> Plan:
    name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    server.run("pgbench", "--initialize", "--quiet", "--scale=1", name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        return plan_migration(migration, read_catalog(connection), options)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("migration", "options"),
    [(RENAME, OPTIONS), (MIGRATION, replace(OPTIONS, new_column="balance"))],
    ids=["rename", "type under a new name"],
)
def test_pgbench_prepared_feels_nothing_there_and_back(
    server: Server, database: str, migration: str, options: PlanOptions
) -> None:
    plan = filled(server, database, migration, options)
    stages = [stage for stage in stages_of(plan)[1:] if stage.position <= Stage.FENCED.position]
    with load(server, database, protocol="prepared", rate=200) as bench, hold(plan, database) as runner:
        for stage in stages:
            runner.advance(stage)
            bench.require_running()
        for stage in reversed(stages):
            runner.undo(stage)
            bench.require_running()
        bench.finish()
    bench.require_clean()


@pytest.mark.proof
def test_the_plan_names_pgbench_prepared_where_a_swap_breaks_it(server: Server, database: str) -> None:
    plan = filled(server, database, MIGRATION, OPTIONS)
    assert any("pgbench -M prepared" in warning and CACHED_PLAN in warning for warning in plan.warnings)
    with load(server, database, protocol="prepared", rate=200) as bench, hold(plan, database) as runner:
        for stage in (Stage.EXPANDED, Stage.BACKFILLED):
            runner.advance(stage)
            bench.require_running()
        runner.advance(Stage.VERIFIED)
        _, errors = bench.process.communicate(timeout=60)
    assert CACHED_PLAN in errors
