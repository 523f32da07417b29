"""How much memory the runner takes: a process for each size of table, from ten thousand rows on.

`python benchmarks/bench_memory.py [--rows N]`: up to so many rows, ten times as many each time.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import measuring
import psycopg
from measuring import PLAN, Shape, make_table, require_complete, server

from migsafe.plan.toml.file import dump_plan

_RUN = """
import resource, sys
from migsafe.cli.main import app
try:
    app(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def main() -> None:
    """Print the largest resident size of `migsafe run`, in MB, by rows."""
    given = measuring.arguments(20_000_000)
    sizes = [10_000]
    while sizes[-1] < given.rows:
        sizes.append(min(given.rows, sizes[-1] * 10))
    with (
        server() as running,
        psycopg.connect(running.dsn(), autocommit=True) as conn,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder, "plan.toml")
        file.write_text(dump_plan(PLAN))
        for rows in sizes:
            make_table(conn, Shape(rows=rows))
            command = [
                sys.executable,
                "-c",
                _RUN,
                "run",
                str(file),
                "--database",
                running.dsn(),
                "--to",
                "backfilled",
            ]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            require_complete(conn)
            print(f"  {rows:>12,} rows: {int(ended.stderr.splitlines()[-1]) / 1024:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
