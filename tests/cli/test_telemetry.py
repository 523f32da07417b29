"""Commands as processes that tell other programs what they do."""

import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from standardwebhooks import Webhook

from tests.cli.test_run import NAME, PROGRAM, environment, migsafe

SECRET = "whsec_c2l4dGVlbiBieXRlcyBvciBtb3JlLi4="  # noqa: S105
Plan = Callable[..., str]


@pytest.fixture
def hooks() -> Iterator[tuple[str, list[str]]]:
    """A receiver that verifies what it gets: its URL, and the events."""
    events: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            events.append(Webhook(SECRET).verify(body, headers)["event"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", events
        server.shutdown()
        thread.join()


def free_port() -> int:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port


def scrape(port: int, process: "subprocess.Popen[str]", name: str) -> str:
    """The metrics, once there is one of this name."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
                text: str = answer.read().decode()
            if name in text:
                return text
        except OSError:
            pass
        time.sleep(0.05)
    pytest.fail(f"no {name} at port {port}: {process.communicate()}")


def test_a_run_tells_a_file_prometheus_and_a_webhook_and_adds_up_at_the_end(
    write_plan: Plan, users: str, tmp_path: Path, hooks: tuple[str, list[str]]
) -> None:
    with psycopg.connect(users, autocommit=True) as conn:
        conn.execute("INSERT INTO users SELECT i, 'user' FROM generate_series(501, 4000) i")
        conn.execute("ANALYZE users")
    (url, told), events, port = hooks, tmp_path / "events.jsonl", free_port()
    command = [*PROGRAM, "run", write_plan(), "--events", str(events), "--webhook", url, "--format", "json"]
    with subprocess.Popen(
        [*command, "--metrics", str(port), "--max-rows-per-second", "1000"],
        env={**environment(users), "MIGSAFE_WEBHOOK_SECRET": SECRET},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        text = scrape(port, process, "migsafe_step_fraction")
        status = migsafe("status", NAME, "--format", "prometheus", dsn=users).stdout
        output, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    document = json.loads(output)
    assert document["throttled_seconds"] > 1
    assert document["throttled_by"].keys() == {"max-rows-per-second"}
    assert document["blocked_seconds"] == 0

    for each in (text, status):
        values = {
            (sample.name, sample.labels.get("step"), sample.labels.get("stage")): sample.value
            for family in text_string_to_metric_families(each)
            for sample in family.samples
        }
        (fraction,) = [value for (name, _, _), value in values.items() if name == "migsafe_step_fraction"]
        (rows,) = [value for (name, _, _), value in values.items() if name == "migsafe_step_rows_estimated"]
        assert 0 < fraction < 1
        assert rows == 4000
        assert values["migsafe_rollout_stage", None, "expanded"] == 1

    lines = [json.loads(line) for line in events.read_text().splitlines()]
    assert {line["rollout"] for line in lines if line["sequence"] > 5} == {NAME}
    names = [line["event"] for line in lines]
    assert "rollout_opened" in names
    assert names[-1] == "run_ended"
    assert lines[-1]["rows"] == 4000
    assert lines[-1]["throttled_seconds"] == pytest.approx(document["throttled_seconds"], abs=0.01)
    assert told == ["stage_reached"] * 3 + ["run_ended"]


def test_an_error_is_the_last_line_and_the_webhook_hears_of_it(
    write_plan: Plan, users: str, hooks: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIGSAFE_WEBHOOK_SECRET", SECRET)
    plan = write_plan()
    with psycopg.connect(users, autocommit=True) as conn:
        conn.execute("ALTER TABLE users ADD CHECK (id <> 7) NOT VALID")
    done = migsafe("run", plan, "--events", "-", "--webhook", hooks[0], dsn=users)
    assert done.returncode == 2
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["error"], last["exit_code"]) == ("run_failed", "Quarantined", 2)
    assert last["message"] in done.stderr
    assert all(json.loads(line)["format_version"] == 1 for line in done.stdout.splitlines())
    assert hooks[1][-1] == "run_failed"


def test_what_cannot_be_told_ends_a_run_before_it_begins_but_not_what_is_urgent(
    write_plan: Plan, users: str
) -> None:
    plan = write_plan()
    for wrong in (["--events", "/nowhere/x"], ["--metrics", "0.0.0.0:0"], ["--webhook", "https://a.example"]):
        done = migsafe("run", plan, *wrong, dsn=users)
        assert (done.returncode, done.stdout) == (2, "")
        assert wrong[0] in done.stderr
    with psycopg.connect(users) as conn:
        assert conn.execute("SELECT to_regclass('migsafe.rollout')").fetchone() == (None,)
    both = migsafe("run", plan, "--events", "-", "--format", "json", dsn=users)
    assert "would both write to standard output" in both.stderr
    assert migsafe("run", plan, dsn=users).returncode == 0
    done = migsafe("pause", plan, "--events", "/nowhere/x", dsn=users)
    assert done.returncode == 0
    assert "going on without it" in done.stderr
    assert re.search("^paused: stage 'verified'", done.stdout, re.MULTILINE)


def test_who_reads_the_events_may_go_away(write_plan: Plan, users: str) -> None:
    with subprocess.Popen(
        [*PROGRAM, "run", write_plan(), "--events", "-"],
        env=environment(users),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["sequence"] == 1
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert "events cannot be written to standard output: Broken pipe; the rollout goes on" in said
    assert "stage verified reached" in said
