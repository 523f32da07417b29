"""What the benchmarks of backfills share: tables, what a piece of work costs, medians, a table of ratios.

What is compared runs in one run, in turns (A B A B), each time on a table just made; medians count.
Beside the time that passed stands the processor time of the server and of this process: on a machine that
other programs use, too, it is the steadier of the two.
"""

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import psycopg

from migsafe.plan.model import BackfillStep, Change, ColumnChange, DownMap, Plan
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import Server, scratch_server
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name

TABLE = Name("t", "public")
ALWAYS = Window(first=Stage.PLANNED, last=Stage.DROPPED)
PLAN = Plan(
    name="bench",
    summary="fill t.n_new",
    changes=(
        Change(
            kind="change_type",
            summary="",
            subject=TABLE,
            down_map=DownMap.TOTAL,
            application_change=False,
            column=ColumnChange(old="n", new="n_new", old_type="integer", new_type="bigint"),
        ),
    ),
    compatibility=Compatibility(blue=ALWAYS, green=ALWAYS),
    steps=(
        BackfillStep(
            id="fill",
            stage=Stage.BACKFILLED,
            title="Fill n_new",
            table=TABLE,
            assignments="n_new = n",
            pending="n_new IS DISTINCT FROM n",
        ),
    ),
)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table. Rows have about 85 bytes, or `wide` ones about 1 kB."""

    rows: int
    indexes: int = 0
    wide: bool = False
    shuffled: bool = False
    partitions: int = 0
    filled_column: bool = True  # n_new is there already, empty
    autovacuum: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a piece of work cost. `cpu` is processor time of server and client together."""

    seconds: float
    cpu: float
    wal: float  # bytes
    growth: float  # bytes, of the table and its indexes
    hot: float  # percent


def arguments(rows: int, rounds: int = 3, **more: tuple[type, object, str]) -> argparse.Namespace:
    """`--rows`, `--rounds`, and more of the benchmark's own."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--rounds", type=int, default=rounds, help="of each; medians count")
    for name, (kind, default, text) in more.items():
        parser.add_argument(f"--{name}", type=kind, default=default, help=text)
    return parser.parse_args()


@contextlib.contextmanager
def server(*, autovacuum: bool = False) -> Iterator[Server]:
    """A server that writes to the disk as one in production does."""
    settings = {"fsync": "on", "max_wal_size": "4GB", "autovacuum": "on" if autovacuum else "off"}
    if autovacuum:
        settings |= {"autovacuum_naptime": "5s"}
    with scratch_server(binaries=embedded_binaries(), settings=settings) as running:
        yield running


def make_table(conn: psycopg.Connection, shape: Shape) -> None:
    """The table, vacuumed, after a checkpoint; no ledger."""
    conn.execute("DROP SCHEMA IF EXISTS migsafe CASCADE")
    conn.execute("DROP TABLE IF EXISTS t CASCADE")
    new = ", n_new bigint" if shape.filled_column else ""
    conn.execute(
        (
            f"CREATE TABLE t (id bigint PRIMARY KEY, n int, a int, b int, filler text{new})"
            + (" PARTITION BY HASH (id)" if shape.partitions else "")
        ).encode()
    )
    for number in range(shape.partitions):
        conn.execute(
            f"CREATE TABLE t{number} PARTITION OF t "
            f"FOR VALUES WITH (MODULUS {shape.partitions}, REMAINDER {number})".encode()
        )
    order = "ORDER BY random()" if shape.shuffled else ""
    query = (
        "INSERT INTO t SELECT i, i, i %% 1000, (i::bigint * 7919 %% 100000)::int, repeat('x', %s) "
        "FROM generate_series(1, %s::int) i "
    )
    conn.execute((query + order).encode(), (980 if shape.wide else 32, shape.rows))
    for column in ("a", "b")[: shape.indexes]:
        conn.execute(f"CREATE INDEX ON t ({column})".encode())
    conn.execute("VACUUM (ANALYZE) t")
    conn.execute("CHECKPOINT")


def measure(conn: psycopg.Connection, work: Callable[[], None]) -> Figures:
    """What the work costs, on a table just made."""
    query = (
        "SELECT pg_current_wal_insert_lsn() - '0/0', (SELECT sum(pg_total_relation_size(oid))::int8 "
        "FROM pg_class WHERE relname ~ '^t[0-9]?$')"
    )
    before, cpu, began = conn.execute(query).fetchone(), _cpu(conn), time.monotonic()
    work()
    seconds, cpu, after = time.monotonic() - began, _cpu(conn) - cpu, conn.execute(query).fetchone()
    time.sleep(1.2)  # until the counters are written
    row = conn.execute(
        "SELECT 100.0 * sum(n_tup_hot_upd) / greatest(sum(n_tup_upd), 1) FROM pg_stat_user_tables "
        "WHERE relname ~ '^t[0-9]?$'"
    ).fetchone()
    assert row is not None
    assert before is not None
    assert after is not None
    return Figures(
        seconds=seconds,
        cpu=cpu,
        wal=float(after[0] - before[0]),
        growth=float(after[1] - before[1]),
        hot=float(row[0] or 0),
    )


def in_turns(
    conn: psycopg.Connection, shape: Shape, works: Mapping[str, Callable[[], None]], rounds: int
) -> dict[str, Figures]:
    """The medians of so many rounds of each, in turns, for other programs may disturb one."""
    found: dict[str, list[Figures]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            make_table(conn, shape)
            found[name].append(measure(conn, work))
    return {name: median(each) for name, each in found.items()}


def median(found: list[Figures]) -> Figures:
    """Of each figure by itself."""
    return Figures(
        **{
            field.name: statistics.median(getattr(each, field.name) for each in found)
            for field in fields(Figures)
        }
    )


def show(title: str, rows: int, found: Mapping[str, Figures]) -> None:
    """A line for each, and below it the ratios to the first one."""
    print(title, flush=True)
    base = next(iter(found.values()))
    for name, each in found.items():
        print(
            f"  {name:<18}{rows / each.seconds:>12,.0f} rows/s{each.cpu:>8.2f} s cpu"
            f"{each.wal / 1e6:>9,.0f} MB WAL{each.growth / 1e6:>9,.0f} MB growth{each.hot:>6.0f} % HOT"
        )
        if each is not base:
            print(
                f"    ratio{base.seconds / each.seconds:>21.2f}x speed{base.cpu / each.cpu:>9.2f}x cpu"
                f"{each.wal / max(base.wal, 1):>9.2f}x WAL{each.growth / max(base.growth, 1):>9.2f}x growth",
                flush=True,
            )


def plain(conn: psycopg.Connection) -> None:
    """All rows in one statement."""
    conn.execute("UPDATE t SET n_new = n WHERE n_new IS DISTINCT FROM n")


def ours(dsn: str, plan: Plan = PLAN, **settings: int) -> None:
    """The same by the runner, with its ledger and sweep."""
    with hold(plan, dsn, settings=Settings(**settings)) as runner:  # type: ignore[arg-type]  # ints only
        runner.advance(Stage.BACKFILLED)


def require_complete(conn: psycopg.Connection) -> None:
    """No row was missed."""
    row = conn.execute("SELECT count(*) FROM t WHERE n_new IS DISTINCT FROM n").fetchone()
    assert row == (0,), f"{row} rows were missed"


@contextlib.contextmanager
def pgbench(
    running: Server, script: str, *, clients: int = 4, rate: float = 0.0
) -> Iterator[Callable[[], list[float]]]:
    """Clients that run the script over and over; ends with the block. Gives the latencies so far, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "script.sql")
        file.write_text(script)
        limit = (f"--rate={rate}",) if rate else ()
        process = subprocess.Popen(
            [
                running.binaries.program("pgbench"),
                *("-n", "-c", str(clients), "-j", "2", "-T", "36000", "-l", "-f", str(file), *limit),
                "postgres",
            ],
            env=running.environment,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def latencies() -> list[float]:
            lines = [
                line for log in Path(folder).glob("pgbench_log.*") for line in log.read_text().splitlines()
            ]
            return [int(line.split()[2]) / 1000 for line in lines if len(line.split()) >= 6]

        try:
            yield latencies
        finally:
            process.terminate()
            process.wait()


def quantile(values: list[float], share: float) -> float:
    """E.g. 0.99 of them are not above this."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def _cpu(conn: psycopg.Connection) -> float:
    """Of the server, with those of its processes that have ended, and of this process. Linux only."""
    row = conn.execute("SHOW data_directory").fetchone()
    assert row is not None
    postmaster = int(Path(row[0], "postmaster.pid").read_text().splitlines()[0])
    own = resource.getrusage(resource.RUSAGE_SELF)
    ticks = sum(_stat(postmaster)[11:15])
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            stat = _stat(int(entry.name))
            if stat[1] == postmaster:
                ticks += stat[11] + stat[12]
    return ticks / _TICKS + own.ru_utime + own.ru_stime


def _stat(pid: int) -> list[int]:
    """The fields of /proc/PID/stat behind the name, the first one (the state) as 0."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return [0, *(int(word) for word in words[1:])]
