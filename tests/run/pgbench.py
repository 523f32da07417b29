"""pgbench's own schema and load, and the plan that makes its balances bigint."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import conninfo

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.postgres.server import Server

MIGRATION = "ALTER TABLE pgbench_accounts ALTER COLUMN abalance TYPE bigint;"


def make_plan(dsn: str) -> Plan:
    with psycopg.connect(dsn, autocommit=True) as conn:
        return plan_migration(MIGRATION, read_catalog(conn), PlanOptions())


@dataclass(slots=True)
class Load:
    """A running pgbench, and what it said once it ended."""

    process: "subprocess.Popen[str]"
    output: str = ""
    errors: str = ""

    def require_running(self) -> None:
        assert self.process.poll() is None, self.process.communicate()

    def finish(self) -> None:
        """End it as if its time was over: it uses an alarm for that itself."""
        self.require_running()
        self.process.send_signal(signal.SIGALRM)
        self.output, self.errors = self.process.communicate(timeout=60)

    def require_clean(self) -> None:
        """No client aborted (they say so on stderr), no transaction failed, and something was done."""
        assert self.process.returncode == 0, self.errors
        assert "aborted" not in self.errors + self.output
        assert "number of failed transactions: 0 (0.000%)" in self.output
        done = next(line for line in self.output.splitlines() if "actually processed" in line)
        assert int(done.split(":")[1].split("/")[0]) > 100, self.output


@contextlib.contextmanager
def load(server: Server, dsn: str, *, protocol: str, rate: int = 0) -> Iterator[Load]:
    """pgbench's standard transactions from four clients while the block runs; `rate` is per second."""
    database = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    limit = (f"--rate={rate}",) if rate else ()
    arguments = ("-n", "-M", protocol, "-c", "4", "-j", "2", "-T", "3600", *limit, database)
    process = subprocess.Popen(
        [server.binaries.program("pgbench"), *arguments],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Load(process)
        finally:
            if process.poll() is None:
                process.kill()


def require_right_balances(dsn: str) -> None:
    """The column is bigint, nothing else is left, and no balance was lost or counted twice."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        columns = conn.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
            "WHERE attrelid = 'pgbench_accounts'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1"
        ).fetchall()
        assert columns == [
            ("abalance", "bigint"),
            ("aid", "integer"),
            ("bid", "integer"),
            ("filler", "character(84)"),
        ]
        left = conn.execute(
            "SELECT tgname::text FROM pg_trigger WHERE tgrelid = 'pgbench_accounts'::regclass "
            "UNION ALL SELECT proname::text FROM pg_proc WHERE proname LIKE 'sync%' "
            "UNION ALL SELECT indexrelid::regclass::text FROM pg_index "
            "WHERE indrelid = 'pgbench_accounts'::regclass AND NOT indisprimary"
        ).fetchall()
        assert left == []
        sums = conn.execute(
            "SELECT (SELECT sum(abalance) FROM pgbench_accounts)::bigint, "
            "(SELECT sum(delta) FROM pgbench_history)::bigint, (SELECT count(*) FROM pgbench_accounts)"
        ).fetchone()
        assert sums is not None
        assert sums[0] == sums[1]
        assert sums[2] == 1_000_000
