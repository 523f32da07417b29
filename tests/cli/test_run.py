"""The commands that act on a rollout, as processes, the way a person meets them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from migsafe.demo.envoy import Envoy
from migsafe.plan.model import Gate, Traffic
from migsafe.rollout.providers.envoy import envoy_provider

NAME = "rename_users_name_to_full_name"
PROGRAM = [sys.executable, "-m", "migsafe"]


def environment(dsn: str | None) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if "DATABASE_URL" not in key}
    return {**clean, "MIGSAFE_DATABASE_URL": dsn} if dsn else clean


def migsafe(*arguments: str, dsn: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, *arguments], env=environment(dsn), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def running(*arguments: str, dsn: str) -> Iterator["subprocess.Popen[str]"]:
    """A command in the background; killed at the end when it still runs."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        env=environment(dsn),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: "subprocess.Popen[str]", text: str) -> str:
    """Read the output up to the line with this text."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if re.search(text, line):
            return seen
    pytest.fail(f"no line with {text!r} in:\n{seen}")


@contextmanager
def watching_green(plan: str, dsn: str) -> Iterator["subprocess.Popen[str]"]:
    """A run that has given green its first 5 % and watches it."""
    with running("run", plan, dsn=dsn) as runner:
        wait_for(runner, "watching 5 % green")
        yield runner


def slow(proxy: Envoy, *gates: Gate, **times: float) -> Traffic:
    """A canary that would take minutes."""
    times = {"step_seconds": 120.0, **times}
    return Traffic(provider="envoy", options=proxy.options, steps=(5, 100), gates=gates, **times)


def split(proxy: Envoy) -> int:
    return envoy_provider(proxy.options).read().green_percent


def columns(dsn: str) -> set[str]:
    query = (
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.users'::regclass "
        "AND attnum > 0 AND NOT attisdropped"
    )
    with psycopg.connect(dsn) as conn:
        return {row[0] for row in conn.execute(query)}


def ledger_exists(dsn: str) -> bool:
    with psycopg.connect(dsn) as conn:
        return conn.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'migsafe'").fetchone() is not None


def status(dsn: str) -> dict[str, object]:
    document = json.loads(migsafe("status", NAME, "--format", "json", dsn=dsn).stdout)
    found: dict[str, object] = document["rollouts"][0]
    return found


# --- all the way ---


def test_without_traffic_run_stops_at_verified_and_says_what_to_deploy(
    users: str, write_plan: Callable[..., str]
) -> None:
    plan = write_plan()
    done = migsafe("run", plan, dsn=users)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning: Clients that prepare" in done.stdout
    assert "stage verified reached" in done.stdout
    assert "\x1b" not in done.stdout
    assert (
        f"deploy the new version; when the old one is gone: `migsafe contract {plan} --old-version-gone`"
        in (done.stdout)
    )
    again = migsafe("run", plan, dsn=users)
    assert again.returncode == 0
    assert "stage verified reached" not in again.stdout

    refused = migsafe("contract", plan, dsn=users)
    assert refused.returncode == 2
    assert "nothing proves that the old version is gone" in refused.stderr
    assert "name" in columns(users)

    gone = migsafe("contract", plan, "--old-version-gone", dsn=users)
    assert gone.returncode == 0, gone.stderr
    assert "stage tombstoned reached" in gone.stdout
    assert migsafe("retreat", plan, dsn=users).returncode == 2
    back = migsafe("revert", plan, dsn=users)
    assert back.returncode == 2
    assert "--new-version-gone" in back.stderr
    assert migsafe("contract", plan, "--old-version-gone", "--drop", dsn=users).returncode == 0
    assert columns(users) == {"id", "full_name"}
    last = migsafe("revert", plan, dsn=users)
    assert last.returncode == 2
    assert "no way back" in last.stderr


def test_without_traffic_revert_asks_about_the_new_version(
    users: str, write_plan: Callable[..., str]
) -> None:
    plan = write_plan()
    migsafe("run", plan, dsn=users)
    refused = migsafe("revert", plan, dsn=users)
    assert refused.returncode == 2
    assert "the new version may be in service" in refused.stderr
    done = migsafe("revert", plan, "--new-version-gone", dsn=users)
    assert done.returncode == 0, done.stderr
    assert "reverted: stage 'planned'" in done.stdout
    assert columns(users) == {"id", "name"}
    assert migsafe("run", plan, dsn=users).returncode == 0


def test_json_is_one_document_on_stdout_and_progress_goes_to_stderr(
    users: str, write_plan: Callable[..., str]
) -> None:
    done = migsafe("run", write_plan(), "--format", "json", dsn=users)
    document = json.loads(done.stdout)
    assert (document["format_version"], document["rollout"], document["ok"]) == (1, NAME, True)
    assert document["stage"] == "verified"
    assert document["rows"] == 500
    assert [entry["stage"] for entry in document["stages"]] == ["expanded", "backfilled", "verified"]
    assert "stage verified reached" in done.stderr


def test_the_plan_with_traffic_runs_to_soaked_and_then_contracts(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy, step_seconds=0.2))
    done = migsafe("run", plan, dsn=users)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "traffic: green 100 %, blue 0 % (confirmed in" in done.stdout
    assert split(proxy) == 100
    assert f"stop the old version, then `migsafe contract {plan}`" in done.stdout
    assert migsafe("contract", plan, "--old-version-gone", "--drop", dsn=users).returncode == 0
    assert "done" in migsafe("status", plan, dsn=users).stdout


def test_a_plan_of_nothing_but_contract_goes_from_run_to_contract(database: str, tmp_path: Path) -> None:
    migration, plan = tmp_path / "drop.sql", str(tmp_path / "plan.toml")
    migration.write_text("DROP TABLE old_things;")
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE old_things (id int PRIMARY KEY)")
        planned = migsafe("plan", str(migration), "-o", plan, "--keep", "0s", dsn=database)
        assert planned.returncode == 0, planned.stderr
        done = migsafe("run", plan, dsn=database)
        assert f"when the old one is gone: `migsafe contract {plan} --old-version-gone`" in done.stdout
        dropped = migsafe("contract", plan, "--old-version-gone", "--drop", dsn=database)
        assert dropped.returncode == 0, dropped.stderr
        assert conn.execute("SELECT to_regclass('old_things')").fetchone() == (None,)


# --- from another terminal ---


def test_pause_and_resume_from_another_terminal(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users) as runner:
        shown = status(users)
        assert (shown["stage"], shown["state"], shown["green_percent"]) == ("canary", "running", 5)
        assert str(runner.pid) in str(shown["holder"])
        asked = migsafe("pause", NAME, dsn=users)
        assert asked.returncode == 0, asked.stderr
        assert f"asked pid {runner.pid}" in asked.stdout
        assert runner.wait(timeout=10) == 0
    assert status(users)["state"] == "paused"
    assert split(proxy) == 5
    with running("resume", plan, dsn=users) as runner:
        wait_for(runner, "watching 5 % green")


def test_retreat_from_another_terminal_moves_traffic_and_keeps_the_schema(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users) as runner:
        done = migsafe("retreat", plan, dsn=users)
        assert done.returncode == 0, done.stderr
        assert split(proxy) == 0
        assert runner.wait(timeout=10) == 0
    assert "retreated: stage 'dark', traffic green 0 %, blue 100 %" in done.stdout
    assert columns(users) == {"id", "name", "full_name"}


def test_retreat_takes_over_from_a_runner_that_does_not_answer(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users) as runner:
        runner.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        done = migsafe("retreat", plan, dsn=users)
        took = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        assert "does not answer: its right to this rollout is taken over" in done.stdout
        assert split(proxy) == 0
        assert took < 10
        runner.send_signal(signal.SIGCONT)
        assert runner.wait(timeout=10) == 2
        assert runner.stdout is not None
        assert "another runner took over" in runner.stdout.read()
    assert split(proxy) == 0


def test_revert_from_another_terminal_takes_everything_back(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users):
        done = migsafe("revert", NAME, dsn=users)
        assert done.returncode == 0, done.stderr
    assert "reverted: stage 'planned'" in done.stdout
    assert columns(users) == {"id", "name"}
    assert split(proxy) == 0


def test_control_commands_act_themselves_when_nobody_runs_the_rollout(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy))
    assert migsafe("run", plan, "--to", "canary", dsn=users).returncode == 0
    assert "paused: stage 'canary'" in migsafe("pause", NAME, dsn=users).stdout
    assert migsafe("retreat", NAME, dsn=users).returncode == 0
    assert split(proxy) == 0
    assert migsafe("revert", NAME, dsn=users).returncode == 0
    assert columns(users) == {"id", "name"}


# --- what cannot be taken back ---


def test_the_data_point_of_no_return_is_in_the_json_of_the_run_that_finds_it_passed(
    database: str, tmp_path: Path
) -> None:
    migration, plan = tmp_path / "wider.sql", str(tmp_path / "plan.toml")
    migration.write_text("ALTER TABLE sales ALTER COLUMN total TYPE bigint;")
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE sales (id int PRIMARY KEY, total int); INSERT INTO sales VALUES (1, 1)")
        planned = migsafe("plan", str(migration), "-o", plan, "--new-column", "total_wide", dsn=database)
        assert planned.returncode == 0, planned.stderr
        before = migsafe("run", plan, "--to", "expanded", "--format", "json", dsn=database)
        assert json.loads(before.stdout)["points_of_no_return_passed"] == []
        conn.execute("UPDATE sales SET total_wide = 3000000000")
    done = migsafe("run", plan, "--format", "json", dsn=database)
    assert done.returncode == 0, done.stderr
    passed = json.loads(done.stdout)["points_of_no_return_passed"]
    assert [point["kind"] for point in passed] == ["data"]
    assert done.stderr.count("the data point of no return is passed") == 1


# --- interruptions ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(
    users: str, write_plan: Callable[..., str], proxy: Envoy, number: signal.Signals
) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users) as runner:
        runner.send_signal(number)
        assert runner.wait(timeout=10) == 130
        assert runner.stdout is not None
        assert f"go on with `migsafe resume {plan}`" in runner.stdout.read()
    shown = status(users)
    assert (shown["state"], shown["holder"], split(proxy)) == ("paused", None, 5)


@pytest.fixture
def killed(users: str, write_plan: Callable[..., str], tmp_path: Path) -> tuple[str, Path]:
    """The plan of a run that died after traffic had moved and before it could record that."""
    state, hang = tmp_path / "green", tmp_path / "hang"
    state.write_text("0")
    hang.touch()
    moves = Traffic(
        provider="command",
        options={
            "set": f"echo {{green}} > {state}; while [ -e {hang} ]; do sleep 0.05; done",
            "read": f"cat {state}",
        },
        steps=(5, 100),
        step_seconds=0.1,
    )
    plan = write_plan(moves)
    with running("run", plan, dsn=users) as runner:
        wait_for(runner, "stage canary reached")
        while state.read_text().strip() != "5":
            time.sleep(0.02)
        runner.kill()
        runner.wait()
    hang.unlink()
    shown = status(users)
    assert (shown["green_percent"], shown["intended_green_percent"]) == (0, 5)
    return plan, state


def test_a_run_killed_between_set_and_record_is_reconciled(users: str, killed: tuple[str, Path]) -> None:
    plan, state = killed
    done = migsafe("run", plan, dsn=users)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "traffic is at 5 % green, as was intended before the interruption" in done.stdout
    assert state.read_text().strip() == "100"


def test_a_retreat_after_that_finds_the_traffic_that_nobody_recorded(
    users: str, killed: tuple[str, Path]
) -> None:
    plan, state = killed
    done = migsafe("retreat", plan, dsn=users)
    assert done.returncode == 0, done.stderr
    assert state.read_text().strip() == "0"
    assert status(users)["intended_green_percent"] == 0


def test_a_database_connection_that_breaks_is_made_again_and_the_canary_stays_watched(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users) as runner:
        with psycopg.connect(users, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'migsafe%' AND datname = current_database()"
            )
        said = wait_for(runner, "connected again after")
        assert re.search(r"was lost \(.+\): trying again", said)
        assert migsafe("pause", plan, dsn=users).returncode == 0
        assert runner.wait(timeout=10) == 0
    assert split(proxy) == 5


def test_a_gate_that_fails_ends_with_exit_code_1_and_says_why(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    sick = Gate(
        name="health", kind="sql", options={"query": "SELECT count(*) FROM users WHERE id = -1", "max": 0}
    )
    plan = write_plan(slow(proxy, sick))
    with watching_green(plan, users) as runner:
        with psycopg.connect(users, autocommit=True) as conn:
            conn.execute("INSERT INTO users (id, name) VALUES (-1, 'bad')")
        assert runner.wait(timeout=10) == 1
        assert runner.stdout is not None
        said = runner.stdout.read()
    assert "gate 'health' failed at 5 % green: 1, wanted at most 0" in said
    assert split(proxy) == 0
    assert columns(users) == {"id", "name", "full_name"}


# --- bad input ---


def test_two_runners_on_one_plan(users: str, write_plan: Callable[..., str], proxy: Envoy) -> None:
    plan = write_plan(slow(proxy))
    with watching_green(plan, users) as runner:
        second = migsafe("run", plan, dsn=users)
        assert second.returncode == 2
        assert f"is being run by pid {runner.pid}" in second.stderr
        assert runner.poll() is None


def test_a_plan_that_was_edited_while_it_runs(users: str, write_plan: Callable[..., str]) -> None:
    plan = write_plan()
    assert migsafe("run", plan, "--to", "expanded", dsn=users).returncode == 0
    text = Path(plan).read_text()
    Path(plan).write_text(text.replace('keep = "0s"', 'keep = "9d"'))
    assert Path(plan).read_text() != text
    for command in ("run", "resume", "revert"):
        refused = migsafe(command, plan, dsn=users)
        assert refused.returncode == 2
        assert "was changed since" in refused.stderr
    assert status(users)["stage"] == "expanded"
    assert migsafe("run", NAME, dsn=users).returncode == 0


def test_a_ledger_of_a_newer_migsafe(users: str, write_plan: Callable[..., str]) -> None:
    plan = write_plan()
    migsafe("run", plan, "--to", "expanded", dsn=users)
    with psycopg.connect(users, autocommit=True) as conn:
        conn.execute("UPDATE migsafe.meta SET version = 999")
    for command in ("run", "status", "pause", "retreat", "revert", "contract"):
        refused = migsafe(command, plan, dsn=users)
        assert (command, refused.returncode) == (command, 2)
        assert "newer" in refused.stderr
    assert columns(users) == {"id", "name", "full_name"}


@pytest.mark.parametrize("command", ["run", "resume", "status", "pause", "retreat", "revert", "contract"])
def test_a_database_that_cannot_be_used(command: str, users: str, write_plan: Callable[..., str]) -> None:
    plan = write_plan()
    password = users.split(":")[2].partition("@")[0]
    wrong = migsafe(command, plan, dsn=users.replace(password, "n0t-the-password"))
    assert wrong.returncode == 2
    assert "password authentication failed" in wrong.stderr
    assert "n0t-the-password" not in wrong.stderr + wrong.stdout
    if command not in ("run", "status"):  # the others find and open their database in the same way
        return
    away = migsafe(command, plan, "--database", "postgresql://me:s3cret@127.0.0.1:1/shop")
    assert away.returncode == 2
    assert "cannot connect to shop on 127.0.0.1:1" in away.stderr
    assert "s3cret" not in away.stderr + away.stdout
    none = migsafe(command, plan)
    assert none.returncode == 2
    assert "no database was given" in none.stderr
    assert not ledger_exists(users)


@pytest.mark.parametrize("command", ["run", "resume", "status", "pause", "retreat", "revert", "contract"])
def test_a_plan_that_is_none(command: str, users: str, tmp_path: Path) -> None:
    missing = migsafe(command, str(tmp_path / "missing.toml"), dsn=users)
    assert missing.returncode == 2
    assert "missing.toml" in missing.stderr
    assert "Traceback" not in missing.stderr
    if command not in ("run", "status", "retreat"):
        return
    (tmp_path / "other.toml").write_text("[tool]\nx = 1\n")
    other = migsafe(command, str(tmp_path / "other.toml"), dsn=users)
    assert other.returncode == 2
    assert "other.toml" in other.stderr
    unknown = migsafe(command, "nobody-knows-it", dsn=users)
    assert unknown.returncode == 2
    assert "no rollout named 'nobody-knows-it'" in unknown.stderr
    for result in (missing, other, unknown):
        assert "Traceback" not in result.stderr
    assert not ledger_exists(users)


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        (Traffic(provider="envoi"), "did you mean 'envoy'?"),
        (
            Traffic(provider="envoy", options={"runtime_prefix": "x", "admin_ur": "y"}),
            "did you mean 'admin_url'?",
        ),
        (
            Traffic(provider="envoy", options={"runtime_prefix": "x", "admin_url": "http://127.0.0.1:1"}),
            "http://127.0.0.1:1 did not answer",
        ),
        (
            Traffic(
                provider="command",
                options={"set": "true", "read": "echo 0"},
                gates=(Gate(name="errors", kind="canarry"),),
            ),
            "did you mean 'canary'?",
        ),
        (
            Traffic(
                provider="command",
                options={"set": "true", "read": "echo 0"},
                gates=(Gate(name="errors", kind="canary"),),
            ),
            "has no statistics",
        ),
    ],
)
def test_traffic_that_cannot_work_is_told_before_anything_is_touched(
    users: str, write_plan: Callable[..., str], traffic: Traffic, message: str
) -> None:
    refused = migsafe("run", write_plan(traffic), dsn=users)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert not ledger_exists(users)


def test_stages_that_run_does_not_go_to(users: str, write_plan: Callable[..., str]) -> None:
    plan = write_plan()
    unknown = migsafe("run", plan, "--to", "verifyed", dsn=users)
    assert (unknown.returncode, "did you mean 'verified'?" in unknown.stderr) == (2, True)
    contract = migsafe("run", plan, "--to", "dropped", dsn=users)
    assert (contract.returncode, "migsafe contract" in contract.stderr) == (2, True)
    early = migsafe("contract", plan, "--old-version-gone", dsn=users)
    assert (early.returncode, "too early to contract" in early.stderr) == (2, True)


def test_a_retreat_where_blue_does_not_work_any_more_is_refused(
    users: str, write_plan: Callable[..., str], proxy: Envoy
) -> None:
    plan = write_plan(slow(proxy, step_seconds=0.1))
    migsafe("run", plan, dsn=users)
    migsafe("contract", plan, "--old-version-gone", dsn=users)
    refused = migsafe("retreat", plan, dsn=users)
    assert refused.returncode == 2
    assert "renames the old shape back first" in refused.stderr
    assert split(proxy) == 100
    assert migsafe("revert", plan, dsn=users).returncode == 0
    assert (columns(users), split(proxy)) == ({"id", "name"}, 0)
