"""Real input: a million accounts become bigint under the standard load of pgbench."""

import random
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from migsafe.plan.file import dump_plan
from migsafe.plan.stages import Stage
from migsafe.postgres.server import Server
from migsafe.run.connect import connect
from migsafe.run.ledger.rollouts import list_rollouts
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from tests.conftest import drop_database
from tests.run import pgbench
from tests.run.killing import START, Kill, run_and_kill

TEMPLATE = "pgbench_template"


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    """A database of scale 10, made once."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    server.run("pgbench", "-i", "-q", "-s", "10", TEMPLATE)
    yield TEMPLATE
    drop_database(server, TEMPLATE)


@pytest.fixture
def accounts(server: Server, template: str) -> Iterator[str]:
    """The DSN of a copy of it."""
    name = f"pgbench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    yield server.dsn(name)
    drop_database(server, name)


@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_no_transaction_of_pgbench_fails_while_its_balances_become_bigint(
    server: Server, accounts: str, protocol: str
) -> None:
    plan = pgbench.make_plan(accounts)
    with pgbench.load(server, accounts, protocol=protocol) as load:
        time.sleep(1)
        with hold(plan, accounts) as runner:
            for stage in stages_of(plan)[1:]:
                runner.advance(stage)
                load.require_running()
        time.sleep(1)
        load.finish()
    load.require_clean()
    pgbench.require_right_balances(accounts)


def test_pgbench_does_not_notice_when_the_runner_is_killed_twenty_times(
    server: Server, accounts: str, tmp_path: Path
) -> None:
    plan = pgbench.make_plan(accounts)
    plan_file = tmp_path / "plan.toml"
    plan_file.write_text(dump_plan(plan))
    kills = (
        *[Kill(START, 0.3)] * 2,
        *[Kill("step 00 expand.add_and_sync", 0.02)] * 3,
        *[Kill("step 01 backfill.copy", 0.5)] * 9,
        *[Kill("step 02 verify.rows", 0.1)] * 5,
        *[Kill("step 03 verify.swap", 0.01)] * 3,
        *[Kill("step 04 contract.drop", 0.01)] * 3,
    )
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    with pgbench.load(server, accounts, protocol="simple", rate=300) as load:
        killed = run_and_kill(plan_file, accounts, kills, random.Random(seed))
        load.finish()
    assert len(killed) >= 20
    assert len({kill.line for kill in killed}) >= 4, "the kills did not spread over the stages"
    load.require_clean()
    pgbench.require_right_balances(accounts)
    with connect(accounts) as conn:
        (rollout,) = list_rollouts(conn)
        assert rollout.stage is Stage.DROPPED
        states = conn.execute("SELECT DISTINCT state FROM migsafe.step").fetchall()
        assert states == [("done",)]
        taken = conn.execute("SELECT count(*) FROM migsafe.audit WHERE event = 'stage'").fetchone()
        assert taken == (len(stages_of(plan)) - 1,)
