"""The example of deploy/procrastinate, for real: 50 databases, one of which fails until it is mended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from migsafe.postgres.server import Server
from tests.fleet.conftest import ROWS, Process, Shards

FOLDER = Path(__file__).parents[2] / "deploy" / "procrastinate"
COUNT = 12 if os.environ.get("MIGSAFE_PROOF") == "sample" else 50
BROKEN = COUNT // 2

# What no look at the table's own privileges finds: its trigger writes where our role may not.
AUDITED = """
CREATE TABLE audit_log (at timestamptz, what text);
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO audit_log VALUES (now(), NEW.id::text); RETURN NEW; END';
CREATE TRIGGER log_change AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION log_change();
"""

# Everything about a database's end: the table, its triggers and constraints, the ledger, rows that differ.
END = """
SELECT (SELECT array_agg(attname::text || ' ' || attnotnull ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped),
       (SELECT array_agg(tgname::text ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'users'::regclass),
       (SELECT array_agg(conname::text || ' ' || convalidated ORDER BY conname) FROM pg_constraint
        WHERE conrelid = 'users'::regclass),
       (SELECT array_agg(stage || ' ' || fingerprint) FROM migsafe.rollout),
       (SELECT sum(rows) FROM migsafe.step),
       (SELECT count(*) FROM migsafe.quarantine),
       (SELECT count(*) FILTER (WHERE name IS DISTINCT FROM full_name) FROM users),
       (SELECT count(*) FROM audit_log)
"""


class Jobs:
    """The example with its worker."""

    def __init__(self, shards: Shards, jobs: str, role: str) -> None:
        self.shards, self.jobs, self.role = shards, jobs, role
        url = f"postgresql://{role}@127.0.0.1:{shards.server.port}/{{dbname}}"
        lines = shards.file.read_text().splitlines()
        shards.file.write_text("\n".join([f'url = "{url}"', *lines[1:]]) + "\n")
        self.environment = {
            **shards.environment,
            "JOBS_DATABASE_URL": jobs,
            "MIGSAFE_PLAN": str(shards.plan_file),
            "MIGSAFE_FLEET": str(shards.file),
            "FLEET_LOOK_EVERY_SECONDS": "1",
        }

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words],
            cwd=FOLDER,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @contextmanager
    def worker(self) -> Iterator[Process]:
        words = ["-m", "procrastinate", "--app=fleet_jobs.app", "worker", "--concurrency", "4"]
        with (self.shards.folder / "worker.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, *words, "-p", "1"],
                cwd=FOLDER,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    process.wait(60)

    def count(self, task: str, *statuses: str) -> int:
        with psycopg.connect(self.jobs) as conn:
            row = conn.execute(
                "SELECT count(*) FROM procrastinate_jobs WHERE task_name = %s AND status::text = ANY (%s)",
                (task, list(statuses)),
            ).fetchone()
        return int(row[0]) if row else 0

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 3000) -> None:
        ends = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > ends:
                pytest.fail(
                    f"waited in vain {what}:\n{(self.shards.folder / 'worker.log').read_text()[-3000:]}"
                )
            time.sleep(0.5)

    def wait_until_over(self) -> None:
        self.wait_until(
            lambda: not self.count("advance", "todo", "doing") and not self.count("migrate", "todo", "doing"),
            "until no job is left",
        )


@pytest.fixture
def jobs(server: Server, make_shards: Callable[..., Shards], database: str) -> Iterator[Jobs]:
    role = f"fleet_app_{os.getpid()}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{server.password}'")
        own = (
            f"ALTER TABLE users OWNER TO {role}; GRANT CREATE ON SCHEMA public TO {role}; "
            f"GRANT SELECT, INSERT ON audit_log TO {role}"
        )
        shards: Shards = make_shards(COUNT, AUDITED + own)
        for real in shards.real.values():
            admin.execute(f"GRANT CREATE ON DATABASE {real} TO {role}")
        try:
            yield Jobs(shards, database, role)
        finally:
            for name, real in shards.real.items():
                shards.sql(name, f"DROP OWNED BY {role} CASCADE")
                admin.execute(f"REVOKE ALL ON DATABASE {real} FROM {role}")
            admin.execute(f"DROP ROLE {role}")


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_fifty_databases_under_a_job_engine_one_failing_one_worker_killed_same_end(
    jobs: Jobs, proof_row: Callable[[str], None]
) -> None:
    shards = jobs.shards
    names = list(shards.real)
    broken = names[BROKEN]
    role = jobs.role
    shards.sql(broken, f"REVOKE INSERT ON audit_log FROM {role}")
    applied = jobs.run("-m", "procrastinate", "--app=fleet_jobs.app", "schema", "--apply")
    assert applied.returncode == 0, applied.stderr
    began = time.monotonic()
    with jobs.worker():
        assert jobs.run("fleet_jobs.py", "start").returncode == 0
        again = jobs.run("fleet_jobs.py", "start")
        jobs.wait_until_over()
    shown = jobs.run("fleet_jobs.py", "show").stdout
    assert "advance: 1 failed" in shown, shown
    line = next(line for line in shown.splitlines() if line.startswith(broken))
    assert "failed" in line
    assert "permission denied for table audit_log" in line
    assert "at work" in again.stderr or again.returncode == 0
    begun = [name for name in names if shards.rollout(name) is not None]
    assert len(begun) < COUNT, "the last wave was begun"
    there = sum(1 for name in begun if shards.rollout(name) == ("verified", "waiting"))

    shards.sql(broken, f"GRANT INSERT ON audit_log TO {role}")
    with jobs.worker() as worker:
        started = jobs.run("fleet_jobs.py", "start")
        assert started.returncode == 0, started.stderr
        jobs.wait_until(lambda: jobs.count("migrate", "doing") > 1, "for jobs to kill")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    with jobs.worker():
        jobs.wait_until(
            lambda: jobs.run("fleet_jobs.py", "start").returncode == 0,
            "until the dead worker's jobs are free",
        )
        jobs.wait_until_over()
    shown = jobs.run("fleet_jobs.py", "show").stdout
    assert f"{COUNT} verified" in shown, shown

    ends = set()
    for name in names:
        with psycopg.connect(shards.dsn(name)) as conn:
            ends.add(str(conn.execute(END).fetchone()))
    assert len(ends) == 1, ends
    assert f", Decimal('{ROWS}'), 0, 0, {ROWS})" in ends.pop()
    proof_row(
        f"fleet: {COUNT} databases under procrastinate, stopped by 1 failure after {there}, 1 worker killed: "
        f"all at one end state, {ROWS} rows each changed once, in {time.monotonic() - began:.0f} s"
    )
