"""`migsafe set`, and what `run` and `status` say about the pace, as processes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from migsafe.catalog.live import read_catalog
from migsafe.cli.main import app
from migsafe.config.limits import NAMES
from migsafe.errors import UsageError
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.toml.file import dump_plan, load_plan
from migsafe.run.runner import hold

NAME = "rename_users_name_to_full_name"
CONFIG = """
[run.pace]
replica-lag = "2s..4s"

[[run.pace.signals]]
name = "jobs"
kind = "sql"
query = "SELECT count(*) FROM jobs"
limit = "1..3"
"""


class Place:
    """A folder with a configuration, a database with a table, and a plan for it."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder, self.dsn = folder, dsn
        clean = {key: value for key, value in os.environ.items() if "DATABASE_URL" not in key}
        self.environment = {**clean, "MIGSAFE_DATABASE_URL": dsn, "NO_COLOR": "1"}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "migsafe", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def migsafe(self, *arguments: str) -> str:
        """A command within this process: it is the answers that matter here."""
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return str(result.output)

    def refused(self, *arguments: str) -> str:
        with pytest.raises(UsageError) as refused:
            self.migsafe(*arguments)
        return str(refused.value)

    def status(self) -> dict[str, Any]:
        found = json.loads(self.migsafe("status", "--format", "json"))["rollouts"]
        return dict(found[0]) if found else {}


@pytest.fixture
def place(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MIGSAFE_DATABASE_URL", database)
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL)")
        conn.execute("INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i")
        conn.execute("CREATE TABLE jobs (id int)")
        plan = plan_migration(
            "ALTER TABLE users RENAME COLUMN name TO full_name", read_catalog(conn), PlanOptions()
        )
    (tmp_path / "rename.toml").write_text(dump_plan(plan))
    (tmp_path / "migsafe.toml").write_text(CONFIG)
    return Place(tmp_path, database)


def test_without_a_plan_it_lists_what_can_be_set_and_where_values_come_from(place: Place) -> None:
    lines = place.migsafe("set").splitlines()
    assert [line.split()[0] for line in lines] == [*NAMES, "jobs"]
    assert ["replica-lag", "2s..4s", "migsafe.toml:3"] in values("\n".join(lines))
    document = json.loads(place.migsafe("set", "--format", "json"))
    found = {each["name"]: (each["value"], each["source"]) for each in document["settings"]}
    assert found["jobs"] == ("1..3", "migsafe.toml:9")
    assert found["slot-wal"] == ("5GB..10GB", "default")


def test_mistakes_are_refused_with_a_suggestion(place: Place) -> None:
    with hold(load_plan(place.folder / "rename.toml"), place.dsn):
        pass  # the ledger knows it now
    assert "did you mean 'replica-lag'?" in place.refused("set", NAME, "replica_lga", "1s")
    assert "Give a limit like 250ms, 10s" in place.refused("set", NAME, "replica-lag", "soon")
    assert "no value for 'replica-lag'" in place.refused("set", NAME, "replica-lag")
    assert "no rollout named 'x'" in place.refused("set", "x", "replica-lag", "1s")
    assert "did you mean 'replica-lag'?" in place.refused("run", "rename.toml", "--limit", "replica-lga=1s")
    assert ["replica-lag", "2s..4s", "migsafe.toml:3"] in values(place.migsafe("set", NAME))


def test_what_is_set_counts_most_and_default_takes_it_back(place: Place) -> None:
    with hold(load_plan(place.folder / "rename.toml"), place.dsn):
        pass
    said = place.migsafe("set", "rename.toml", "replica-lag", "9s..20s")
    assert said == "replica-lag: 9s..20s (migsafe set), was 2s..4s (migsafe.toml:3); for the next run\n"
    assert ["replica-lag", "9s..20s", "migsafe set"] in values(place.migsafe("set", NAME))
    document = json.loads(place.migsafe("set", NAME, "replica-lag", "default", "--format", "json"))
    assert (document["value"], document["source"], document["former"]) == (
        "2s..4s",
        "migsafe.toml:3",
        "9s..20s",
    )


def values(text: str) -> list[list[str]]:
    """Name, value and source of each line."""
    return [
        line.split("  ")[0:1] + [part.strip() for part in line.split("  ")[1:] if part][:2]
        for line in text.splitlines()
    ]


def test_a_run_that_waits_says_so_and_goes_on_when_its_limit_is_raised(place: Place) -> None:
    with psycopg.connect(place.dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO jobs SELECT generate_series(1, 5)")
    with place.start("run", "rename.toml", "--limit", "lock-waiters=3..9") as process:
        try:
            ends = time.monotonic() + 30
            while not ((place.status().get("pace") or {}).get("waiting_for")):
                assert process.poll() is None
                assert time.monotonic() < ends
            text = place.migsafe("status")
            assert "waits for    jobs is 5, limit 1..3, since 20" in text
            assert "    stop    jobs: 5, limit 1..3" in text
            assert "    go      lock-waiters: 0, limit 3..9, nobody waits" in text
            assert ["lock-waiters", "3..9", "--limit"] in values(place.migsafe("set", NAME))
            said = place.migsafe("set", NAME, "jobs", "10..20")
            assert said.startswith("jobs: 10..20 (migsafe set), was 1..3 (migsafe.toml:9); the run at work")
            output, _ = process.communicate(timeout=30)
            assert process.returncode == 0
        finally:
            process.kill()
    assert "jobs is 5, limit 1..3" in output
    assert "going on after" in output
    pace = place.status()["pace"]
    assert pace["throttled_by"]["jobs"] > 0
    assert "signals" not in pace
    assert "throttled" in place.migsafe("status")
