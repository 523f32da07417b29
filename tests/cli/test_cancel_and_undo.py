"""`cancel` and `undo`, as processes: giving a rollout up at once, and renaming the old shape back."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from migsafe.demo.envoy import Envoy
from migsafe.plan.model import Contract, DdlStep, Traffic
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.run.execute import undo_step
from migsafe.run.runner import hold
from tests.cli.test_run import (
    NAME,
    columns,
    migsafe,
    running,
    slow,
    split,
    status,
    wait_for,
    watching_green,
)
from tests.run.plans import make_plan


def audit(dsn: str, event: str) -> list[dict[str, object]]:
    with psycopg.connect(dsn) as conn:
        rows = conn.execute("SELECT detail FROM migsafe.audit WHERE event = %s ORDER BY id", (event,))
        return [row[0] for row in rows]


def test_cancel_gives_a_canary_up_traffic_first(
    users: str,
    write_plan: Callable[..., str],
    proxy: Envoy,
) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users) as runner:
        done = migsafe("cancel", plan, "--reason", "not today", "--format", "json", dsn=users)
        assert done.returncode == 0, done.stderr
        assert runner.wait(timeout=10) == 0
    document = json.loads(done.stdout)
    assert (document["state"], document["stage"], document["green_percent"]) == ("reverted", "planned", 0)
    assert columns(users) == {"id", "name"}
    assert split(proxy) == 0
    assert audit(users, "cancel asked for") == [{"reason": "not today"}]
    again = migsafe("cancel", NAME, dsn=users)
    assert again.returncode == 2
    assert "was taken back already" in again.stderr


def test_cancel_ends_a_statement_that_would_take_hours(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
    step = DdlStep(
        id="add",
        stage=Stage.EXPANDED,
        title="Add",
        sql=("ALTER TABLE users ADD COLUMN extra int",),
        undo=("ALTER TABLE users DROP COLUMN extra",),
    )
    sleep = DdlStep(
        id="long", stage=Stage.VERIFIED, title="Takes hours", sql=("SELECT pg_sleep(3600)",), patient=True
    )
    path = tmp_path / "plan.toml"
    path.write_text(dump_plan(make_plan((step, sleep))))
    with running("run", str(path), dsn=database) as runner:
        wait_for(runner, "Takes hours")
        time.sleep(0.5)
        began = time.monotonic()
        done = migsafe("cancel", "rename", dsn=database)
        took = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        assert runner.wait(timeout=10) == 2
    assert took < 15
    assert columns(database) == {"id", "name"}
    assert "reverted: stage 'planned'" in done.stdout


def test_cancel_is_refused_where_it_would_lose_something_or_has_nothing_to_stop(
    users: str,
    write_plan: Callable[..., str],
) -> None:
    plan = write_plan()
    assert migsafe("run", plan, "--to", "backfilled", dsn=users).returncode == 0
    with psycopg.connect(users, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO migsafe.sync_event (rollout, relation, kind, detail) "
            "VALUES (%s, 'users', 'unrepresentable', '{}')",
            (NAME,),
        )
        lost = migsafe("cancel", plan, dsn=users)
        assert lost.returncode == 2
        assert "data point of no return: 1 values" in lost.stderr
        assert f"migsafe revert {NAME}" in lost.stderr
        conn.execute("DELETE FROM migsafe.sync_event")
    assert migsafe("run", plan, dsn=users).returncode == 0
    done = migsafe("contract", plan, "--old-version-gone", "--drop", dsn=users)
    assert done.returncode == 0, done.stderr
    gone = migsafe("cancel", plan, dsn=users)
    assert gone.returncode == 2
    assert "no way back" in gone.stderr
    undone = migsafe("undo", plan, dsn=users)
    assert undone.returncode == 2
    assert "nothing to rename back" in undone.stderr


def test_undo_renames_the_old_shape_back_with_its_data_current_and_leaves_the_traffic(
    users: str,
    write_plan: Callable[..., str],
    proxy: Envoy,
) -> None:
    traffic = Traffic(provider="envoy", options=proxy.options, steps=(100,), gates=(), step_seconds=0.0)
    plan = write_plan(traffic, Contract(keep_seconds=0, soak_seconds=0))
    assert migsafe("run", plan, dsn=users).returncode == 0
    early = migsafe("undo", plan, dsn=users)
    assert early.returncode == 2
    assert "stands in stage 'soaked': the old shape has its name" in early.stderr
    contracted = migsafe("contract", plan, "--old-version-gone", dsn=users)
    assert contracted.returncode == 0, contracted.stderr
    assert "name" not in columns(users)
    with psycopg.connect(users, autocommit=True) as conn:
        conn.execute("UPDATE users SET full_name = 'new' WHERE id = 1")
        conn.execute("INSERT INTO users (id, full_name) VALUES (1000, 'newer')")
        done = migsafe("undo", NAME, "--format", "json", dsn=users)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        assert (document["stage"], document["state"], document["green_percent"]) == (
            "fenced",
            "waiting",
            100,
        )
        assert "the old shape has its name back" in done.stderr
        found = conn.execute("SELECT name FROM users WHERE id IN (1, 1000) ORDER BY id").fetchall()
    assert found == [("new",), ("newer",)]
    assert split(proxy) == 100
    assert status(users)["state"] == "waiting"
    assert migsafe("retreat", plan, dsn=users).returncode == 0
    assert split(proxy) == 0


def test_undo_asks_a_runner_that_waits_before_the_drop(
    users: str,
    write_plan: Callable[..., str],
) -> None:
    plan = write_plan(None, Contract(keep_seconds=50))
    assert migsafe("run", plan, dsn=users).returncode == 0
    with running("contract", plan, "--old-version-gone", "--drop", dsn=users) as runner:
        wait_for(runner, "the old shape is kept")
        done = migsafe("undo", plan, dsn=users)
        assert done.returncode == 0, done.stderr
        assert runner.wait(timeout=10) == 0
    assert {"name", "full_name"} <= columns(users)
    assert status(users)["stage"] == "verified"


def test_an_undo_that_broke_off_between_two_steps_goes_on_when_it_is_asked_for_again(
    database: str, tmp_path: Path
) -> None:
    """The stage falls with the first step that is taken back; the others are still to do."""
    fill_users_with_two_names(database)
    steps = tuple(
        DdlStep(
            id=name,
            stage=Stage.TOMBSTONED,
            title=f"Hide {name}",
            sql=(f"ALTER TABLE users RENAME COLUMN {name} TO {name}_gone",),
            undo=(f"ALTER TABLE users RENAME COLUMN {name}_gone TO {name}",),
        )
        for name in ("first", "second")
    )
    plan = make_plan(steps)
    path = tmp_path / "plan.toml"
    path.write_text(dump_plan(plan))
    with hold(plan, database) as runner:
        runner.advance(Stage.TOMBSTONED)
        undo_step(runner.session, steps[1], falls_to=Stage.PLANNED)
        assert (runner.rollout().stage, runner.rollout().furthest) == (Stage.PLANNED, Stage.TOMBSTONED)
    assert columns(database) == {"id", "first_gone", "second"}
    done = migsafe("undo", str(path), dsn=database)
    assert done.returncode == 0, done.stderr
    assert columns(database) == {"id", "first", "second"}
    again = migsafe("undo", str(path), dsn=database)
    assert again.returncode == 2
    assert "the old shape has its name" in again.stderr


def fill_users_with_two_names(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id int PRIMARY KEY, first text, second text)")


@pytest.mark.parametrize("command", ["cancel", "undo"])
def test_an_unknown_rollout_is_said(command: str, database: str) -> None:
    refused = migsafe(command, "nowhere", dsn=database)
    assert refused.returncode == 2
    assert "no rollout named 'nowhere'" in refused.stderr
