"""Real input: a million accounts become bigint under the standard load of pgbench."""

import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.postgres.server import Server
from migsafe.run.connect import connect
from migsafe.run.ledger.rollouts import list_rollouts
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


@contextmanager
def copy_of(server: Server, template: str) -> Iterator[str]:
    """The DSN of a copy, dropped in the end."""
    name = f"pgbench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
    try:
        yield server.dsn(name)
    finally:
        drop_database(server, name)


@pytest.fixture
def accounts(server: Server, template: str) -> Iterator[str]:
    with copy_of(server, template) as dsn:
        yield dsn


def migsafe(*arguments: str | Path, dsn: str, code: int = 0) -> str:
    """A command that must end with this exit code; gives its output."""
    done = subprocess.run(
        [sys.executable, "-m", "migsafe", *arguments],
        env={**os.environ, "MIGSAFE_DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def migration(tmp_path: Path) -> Path:
    file = tmp_path / "1_bigint.sql"
    file.write_text(pgbench.MIGRATION + "\n")
    return file


@pytest.mark.parametrize("protocol", [pytest.param("simple", marks=pytest.mark.proof), "extended"])
def test_no_transaction_of_pgbench_fails_while_its_balances_become_bigint(
    server: Server, accounts: str, migration: Path, protocol: str
) -> None:
    plan = migration.with_suffix(".plan.toml")
    with pgbench.load(server, accounts, protocol=protocol) as load:
        assert "MS202 rewriting-type-change" in migsafe("lint", migration, dsn=accounts, code=1)
        planned = migsafe("plan", migration, "--keep", "0s", dsn=accounts)
        assert "pgbench -M prepared" in planned, "what happens to prepared statements is said beforehand"
        started = migsafe("run", plan, dsn=accounts)
        assert started.index("pgbench -M prepared") < started.index("Add migsafe_new_abalance")
        load.require_running()
        migsafe("contract", plan, "--drop", dsn=accounts)
        assert "dropped" in migsafe("status", plan, dsn=accounts)
        load.finish()
    load.require_clean()
    pgbench.require_right_balances(accounts)


@pytest.mark.proof
def test_clients_that_prepare_their_statements_live_through_a_new_name_for_the_new_type(
    server: Server, accounts: str, migration: Path
) -> None:
    """What the plan's warning about the swap promises: without a swap, `pgbench -M prepared` goes on."""
    plan = migration.with_suffix(".plan.toml")
    with pgbench.load(server, accounts, protocol="prepared") as load:
        planned = migsafe("plan", migration, "--new-column", "abalance64", dsn=accounts)
        assert "pgbench -M prepared" not in planned
        migsafe("run", plan, dsn=accounts)
        load.require_running()
        migsafe("revert", plan, "--new-version-gone", dsn=accounts)
        load.finish()
    load.require_clean()


def test_the_swap_breaks_prepared_statements_as_the_plan_says(
    server: Server, accounts: str, migration: Path
) -> None:
    plan = migration.with_suffix(".plan.toml")
    with pgbench.load(server, accounts, protocol="prepared", rate=200) as load:
        assert "pgbench -M prepared" in migsafe("plan", migration, dsn=accounts)
        migsafe("run", plan, dsn=accounts)
        load.process.wait(timeout=30)  # every client is aborted, so pgbench ends by itself
        _, errors = load.process.communicate()
    assert "cached plan must not change result type" in errors


@pytest.mark.parametrize(
    "wanted", [10, pytest.param(200, marks=[pytest.mark.proof, pytest.mark.timeout(900)])]
)
def test_kills_of_the_commands_at_any_moment_change_nothing(
    server: Server, template: str, migration: Path, wanted: int
) -> None:
    """Moments are spread evenly over the command's whole life, start-up and ending included."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    rng, kills = random.Random(seed), 0
    plan = migration.with_suffix(".plan.toml")
    usual = {("run", plan): 8.0, ("contract", plan, "--drop"): 1.0}  # seconds; measured as they succeed
    while kills < wanted:
        with (
            copy_of(server, template) as dsn,
            pgbench.load(server, dsn, protocol="extended", rate=500) as load,
        ):
            migsafe("plan", migration, "--keep", "0s", "--force", dsn=dsn)
            for command, seconds in tuple(usual.items()):
                while True:
                    # Bounded, so that a slow machine has its kills within minutes too.
                    moment = rng.uniform(0, min(seconds, 10.0)) if kills < wanted else None
                    if (took := run_and_kill_after(command, dsn, moment)) is not None:
                        break
                    kills += 1
                usual[command] = took
            load.finish()
            load.require_clean()
            pgbench.require_right_balances(dsn)
            require_consistent_ledger(dsn)
    assert kills >= wanted


def run_and_kill_after(command: tuple[str | Path, ...], dsn: str, seconds: float | None) -> float | None:
    """Kill the command after so many seconds; None when that was needed, else how long it took."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "migsafe", *command],
        env={**os.environ, "MIGSAFE_DATABASE_URL": dsn},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None
    assert process.returncode == 0, output
    return time.monotonic() - began


def require_consistent_ledger(dsn: str) -> None:
    with connect(dsn) as conn:
        (rollout,) = list_rollouts(conn)
        assert rollout.stage is Stage.DROPPED
        states = conn.execute("SELECT DISTINCT state FROM migsafe.step").fetchall()
        assert states == [("done",)]
        stages = conn.execute("SELECT detail->>'stage' FROM migsafe.audit WHERE event = 'stage'").fetchall()
        assert len(stages) == len(set(stages)), "a stage was reached twice"


@pytest.mark.proof
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
    require_consistent_ledger(accounts)
