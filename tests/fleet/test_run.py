"""`migsafe fleet run`, as a process, over a handful of databases."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from migsafe.fleet.check import check_fleet
from migsafe.fleet.child import environment_for
from migsafe.fleet.model import Database
from migsafe.plan.stages import Stage
from tests.fleet.conftest import NAME, ROWS, Process, Shards

# Many processes, one after the other: on a busy machine they take their time.
pytestmark = pytest.mark.timeout(900)

# A row that cannot be changed: the database's run ends with it in quarantine.
POISON = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not this row''; END';
CREATE TRIGGER refuse BEFORE UPDATE ON users FOR EACH ROW WHEN (OLD.id = 7) EXECUTE FUNCTION refuse();
"""
CURE = "DROP TRIGGER refuse ON users"
STUCK = "a | no lock yet"


@contextmanager
def busy(shards: Shards, name: str) -> Iterator[None]:
    """A session that is idle in a transaction: the first step of a run gets no lock until it is over."""
    with psycopg.connect(shards.dsn(name)) as conn:
        conn.execute("SELECT 1 FROM users LIMIT 1")
        yield
        conn.rollback()


def results(document: Mapping[str, Any]) -> dict[str, str]:
    return {each["database"]: each["result"] for each in document["databases"]}


def wait_for(process: Process, text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    pytest.fail(f"no line with {text!r} in:\n{seen}")


def wait_until_free(shards: Shards, *names: str, seconds: float = 15) -> None:
    """Until nobody holds a lease there."""
    ends = time.monotonic() + seconds
    for name in names:
        while shards.rollout(name) is not None:
            with psycopg.connect(shards.dsn(name)) as conn:
                if conn.execute("SELECT holder FROM migsafe.lease").fetchone() in (None, (None,)):
                    break
            assert time.monotonic() < ends, f"{name} is still held"
            time.sleep(0.1)


def test_a_failing_database_stops_the_waves_and_mended_the_same_command_goes_on(
    make_shards: Callable[[int], Shards],
) -> None:
    shards = make_shards(3)
    shards.write('canary = "b"', 'waves = [1, "rest"]', "parallel = 1")
    shards.sql("a", POISON)
    failed = shards.fleet("run", "--format", "json")
    assert failed.returncode == 2, failed.stderr
    document = json.loads(failed.stdout)
    assert results(document) == {"b": "done", "a": "failed", "c": "not_begun"}
    assert document["waves"] == [["b"], ["a"], ["c"]]
    assert (document["stopped_by"], document["ok"]) == ("a failed", False)
    trouble = next(each for each in document["databases"] if each["database"] == "a")
    assert "quarantine" in trouble["error"]
    assert trouble["advice"]
    assert shards.rollout("c") is None
    assert "b | stage verified reached" in failed.stderr

    shown = shards.fleet("status")
    assert shown.returncode == 0
    assert "1 planned, 1 expanded, 1 verified" in shown.stdout
    assert "on all of these databases works: the old version\n" in shown.stdout
    rows = [line for line in shown.stdout.splitlines() if line.startswith("a ")]
    assert "failed" in rows[0]
    assert "quarantine" in rows[0]
    assert f"/{ROWS}" in rows[0]

    shards.sql("a", CURE)
    events = shards.folder / "events.jsonl"
    done = shards.fleet("run", "--events", str(events))
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in events.read_text().splitlines()]
    reached = {(each["fleet_database"], each["stage"]) for each in told if each["event"] == "stage_reached"}
    assert {("a", "verified"), ("c", "expanded"), ("c", "verified")} <= reached
    assert "done       3 of 3 in stage 'verified', 1 of them were before" in done.stdout
    assert "deploy the new version; when the old one is gone: `migsafe fleet contract" in done.stdout
    assert "\x1b" not in done.stdout
    for name in "abc":
        assert shards.columns(name) == {"id", "name", "full_name"}
    again = shards.fleet("run", "--format", "json")
    assert set(results(json.loads(again.stdout)).values()) == {"was_done"}


@pytest.mark.proof
def test_who_runs_beside_a_failing_one_finishes_its_piece_of_work_and_goes_on_later(
    make_shards: Callable[[int], Shards],
) -> None:
    shards = make_shards(3)
    shards.sql("b", POISON)
    shards.fleet("run", "--only", "a")
    with busy(shards, "c"):
        stopped = shards.fleet("run", "--waves", "rest", "--format", "json")
    document = json.loads(stopped.stdout)
    assert results(document) == {"a": "was_done", "b": "failed", "c": "stopped"}
    assert document["stopped_by"] == "b failed"
    assert shards.rollout("c") == ("planned", "paused")
    shards.sql("b", CURE)
    done = shards.fleet("run")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.proof
def test_with_keep_going_only_the_failing_one_is_left(make_shards: Callable[[int], Shards]) -> None:
    shards = make_shards(3)
    shards.sql("a", POISON)
    done = shards.fleet("run", "--keep-going", "--parallel", "3", "--waves", "rest", "--format", "json")
    assert done.returncode == 2
    assert results(json.loads(done.stdout)) == {"a": "failed", "b": "done", "c": "done"}


@pytest.mark.proof
def test_sigterm_stops_what_runs_and_kill_9_of_the_fleet_leaves_nobody_at_work(
    make_shards: Callable[[int], Shards],
) -> None:
    shards = make_shards(2)
    with busy(shards, "a"), shards.start("run") as process:
        wait_for(process, STUCK)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[0]
        assert process.returncode == 130, said
    assert "stopped    1: a" in said
    assert "not begun  1: b" in said
    assert shards.rollout("a") == ("planned", "paused")
    with busy(shards, "a"), shards.start("run") as process:
        wait_for(process, STUCK)
        process.kill()
        process.wait()
    wait_until_free(shards, "a")
    assert shards.rollout("a") == ("planned", "paused")
    assert shards.rollout("b") is None
    done = shards.fleet("run")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.proof
def test_a_killed_database_process_is_a_failure_and_its_work_is_followed(
    make_shards: Callable[[int], Shards],
) -> None:
    shards = make_shards(2)
    with busy(shards, "a"), shards.start("run") as process:
        wait_for(process, STUCK)
        with psycopg.connect(shards.dsn("a")) as conn:
            row = conn.execute("SELECT holder ->> 'pid' FROM migsafe.lease").fetchone()
        assert row is not None
        os.kill(int(row[0]), signal.SIGKILL)
        said = process.communicate(timeout=20)[0]
        assert process.returncode == 2
    assert "a: its process was ended by SIGKILL" in said
    assert shards.fleet("run").returncode == 0


def test_pause_stops_the_fleet_and_a_second_fleet_is_told_who_is_at_work(
    make_shards: Callable[[int], Shards],
) -> None:
    shards = make_shards(2)
    with busy(shards, "a"), shards.start("run") as process:
        wait_for(process, STUCK)
        second = shards.fleet("run")
        assert second.returncode == 2
        assert "nothing was begun" in second.stderr
        assert "runs this rollout here" in second.stdout
        shown = json.loads(shards.fleet("status", "--format", "json").stdout)["databases"][0]
        assert (shown["stage"], shown["state"]) == ("planned", "running")
        assert shown["holder"]
        asked = shards.fleet("pause", plan=NAME)
        assert asked.returncode == 0, asked.stderr
        assert "a  paused, stage 'planned'" in asked.stdout
        assert "b  left alone: not begun here" in asked.stdout
        said = process.communicate(timeout=20)[0]
        assert process.returncode == 1, said
    assert "next: `migsafe fleet run` again" in said
    assert shards.rollout("b") is None


@pytest.mark.proof
def test_pause_also_stops_a_fleet_that_waits_between_two_waves(make_shards: Callable[[int], Shards]) -> None:
    shards = make_shards(2)
    with shards.start("run", "--pause", "60s") as process:
        wait_for(process, "pause of 60 s")
        asked = shards.fleet("pause")
        assert "a  left alone: nobody is at work, in stage 'verified'" in asked.stdout
        said = process.communicate(timeout=20)[0]
        assert process.returncode == 1, said
    assert "somebody asked the fleet to stop" in said
    assert shards.rollout("a") == ("verified", "waiting")
    resumed = shards.fleet("resume")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr


@pytest.mark.proof
def test_a_plan_that_changes_meanwhile_is_not_given_to_the_others(
    make_shards: Callable[[int], Shards],
) -> None:
    shards = make_shards(2)
    with shards.start("run", "--pause", "60s") as process:
        wait_for(process, "pause of 60 s")
        text = shards.plan_file.read_text()
        shards.plan_file.write_text(text.replace("both names are in use", "changed"))
        said = process.communicate(timeout=20)[0]
    assert process.returncode == 1, said
    assert "was changed meanwhile" in said
    assert shards.rollout("b") is None
    other = shards.fleet("check")
    assert other.returncode == 2
    assert "a: it was begun with another plan" in other.stdout
    shown = json.loads(shards.fleet("status", "--format", "json").stdout)["databases"]
    assert [each["plan_differs"] for each in shown] == [True, False]


# --- before it begins ---


@pytest.mark.proof
def test_nothing_is_begun_when_one_database_is_not_ready(make_shards: Callable[[int], Shards]) -> None:
    shards = make_shards(2)
    lost = 'name = "lost"\nurl = "postgresql://postgres@127.0.0.1:1/x"'
    shards.file.write_text(shards.file.read_text() + f"[[databases]]\n{lost}\n")
    refused = shards.fleet("run", "--format", "json")
    assert refused.returncode == 2
    assert "not all databases are ready: lost" in refused.stderr
    found = {each["database"]: each["error"] for each in json.loads(refused.stdout)["databases"]}
    assert found["a"] is None
    assert "cannot connect" in found["lost"]
    assert shards.rollout("a") is None
    shown = shards.fleet("status")
    assert shown.returncode == 2
    assert "unreachable" in shown.stdout
    rest = shards.fleet("run", "--keep-going", "--parallel", "2", "--waves", "rest", "--format", "json")
    assert rest.returncode == 2
    assert results(json.loads(rest.stdout)) == {"a": "done", "b": "done", "lost": "failed"}


def test_missing_privileges_and_other_schemas_are_found_before_anything_begins(
    make_shards: Callable[[int], Shards],
) -> None:
    shards = make_shards(4)
    role = f"{shards.real['a']}_role"
    shards.sql("a", f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    try:
        shards.sql("c", "ALTER TABLE users RENAME COLUMN name TO nom")
        shards.sql("d", f"ALTER TABLE users OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}")
        theirs = psycopg.conninfo.make_conninfo(shards.dsn("a"), user=role, password="x")  # noqa: S106  # of a role for this test
        owned = psycopg.conninfo.make_conninfo(shards.dsn("d"), user=role, password="x")  # noqa: S106  # of a role for this test
        databases = [
            Database(name="a", dsn=theirs),
            shards.database("b"),
            shards.database("c"),
            Database(name="d", dsn=owned),
            Database(name="b again", dsn=shards.dsn("b").replace("127.0.0.1", "localhost")),
        ]
        found = {each.name: each for each in check_fleet(shards.plan, databases, Stage.VERIFIED)}
    finally:
        for name in shards.real:
            shards.sql(name, f"DROP OWNED BY {role} CASCADE")
        shards.sql("a", f"DROP ROLE {role}")
    assert "it does not own users (postgres does)" in found["a"].problem
    assert "may not create the schema of the ledger" in found["d"].problem
    assert "does not own" not in found["d"].problem
    assert "does not fit the database" in found["c"].problem
    assert found["b"].problem == "it is the same database as b again"
    assert shards.rollout("b") is None


def test_urls_of_other_databases_do_not_get_into_a_child() -> None:
    ours = environment_for(
        Database(name="a", dsn="postgresql://h/a"),
        {"DATABASE_URL": "x", "MIGSAFE_DIRECT_DATABASE_URL": "y", "PGPASSWORD": "z"},
    )
    assert "DATABASE_URL" not in ours
    assert "MIGSAFE_DIRECT_DATABASE_URL" not in ours
    assert (ours["MIGSAFE_DATABASE_URL"], ours["PGPASSWORD"]) == ("postgresql://h/a", "z")


@pytest.mark.proof
def test_passwords_are_on_no_command_line(make_shards: Callable[[int], Shards]) -> None:
    shards = make_shards(1)
    with busy(shards, "a"), shards.start("run") as process:
        wait_for(process, STUCK)
        shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=20)[0]
    assert shards.server.password not in shown + said


@pytest.mark.proof
def test_events_on_standard_output_are_only_events(make_shards: Callable[[int], Shards]) -> None:
    shards = make_shards(2)
    done = subprocess.run(
        shards.command("run", "--events", "-"),
        env=shards.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["fleet_database"] for each in told} == {"a", "b"}
    assert "done       2 of 2" in done.stderr
    both = shards.fleet("run", "--events", "-", "--format", "json")
    assert both.returncode == 2
    assert "would both write to standard output" in both.stderr
