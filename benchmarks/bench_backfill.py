"""Our backfill against one plain UPDATE of the same rows: rows per second, WAL, growth.

`python benchmarks/bench_backfill.py [ROWS]` takes three to five minutes for a million rows. The second part
compares workers, on one table and on four partitions, within one run.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg

from migsafe.plan.model import BackfillStep, Change, ColumnChange, DownMap, Plan
from migsafe.plan.stages import Compatibility, Stage, Window
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import scratch_server
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
WORKERS = (1, 2, 4)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a method cost."""

    seconds: float
    wal_bytes: int
    growth_bytes: int  # of the table and its indexes
    hot_percent: float


def make_table(conn: psycopg.Connection, extra_indexes: int, partitions: int = 0) -> None:
    """Rows of about 85 bytes, as many as wanted, vacuumed."""
    conn.execute("DROP SCHEMA IF EXISTS migsafe CASCADE")
    conn.execute("DROP TABLE IF EXISTS t")
    conn.execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, n int, a int, b int, filler text, n_new bigint)"
        + (" PARTITION BY HASH (id)" if partitions else "")
    )
    for number in range(partitions):
        conn.execute(
            f"CREATE TABLE t{number} PARTITION OF t "
            f"FOR VALUES WITH (MODULUS {partitions}, REMAINDER {number})".encode()
        )
    conn.execute(
        "INSERT INTO t SELECT i, i, i %% 1000, (i * 7919) %% 100000, repeat('x', 32) "
        "FROM generate_series(1::bigint, %s) i",
        (ROWS,),
    )
    for column in ("a", "b")[:extra_indexes]:
        conn.execute(f"CREATE INDEX ON t ({column})".encode())
    conn.execute("VACUUM (ANALYZE) t")
    conn.execute("CHECKPOINT")


def measure(conn: psycopg.Connection, work: Callable[[], None]) -> Figures:
    """Time and cost of the work, on a table just made."""
    query = (
        "SELECT pg_current_wal_lsn(), (SELECT sum(pg_total_relation_size(oid))::int8 FROM pg_class "
        "WHERE relname ~ '^t[0-9]?$')"
    )
    before = conn.execute(query).fetchone()
    began = time.monotonic()
    work()
    seconds = time.monotonic() - began
    after = conn.execute(query).fetchone()
    time.sleep(1.2)  # until the counters are written
    row = conn.execute(
        "SELECT pg_wal_lsn_diff(%s, %s)::bigint, 100.0 * sum(n_tup_hot_upd) / greatest(sum(n_tup_upd), 1), "
        "(SELECT count(*) FROM t WHERE n_new IS DISTINCT FROM n) "
        "FROM pg_stat_user_tables WHERE relname ~ '^t[0-9]?$'",
        (after[0], before[0]) if before and after else (),
    ).fetchone()
    assert row is not None
    assert before is not None
    assert after is not None
    assert row[2] == 0
    return Figures(
        seconds=seconds, wal_bytes=row[0], growth_bytes=after[1] - before[1], hot_percent=float(row[1])
    )


def best(
    conn: psycopg.Connection, extra_indexes: int, works: list[Callable[[], None]], partitions: int = 0
) -> list[Figures]:
    """The faster of two rounds of each, in turn, for other programs may disturb one."""
    rounds: list[list[Figures]] = [[] for _ in works]
    for _ in range(2):
        for number, work in enumerate(works):
            make_table(conn, extra_indexes, partitions)
            rounds[number].append(measure(conn, work))
    return [min(found, key=lambda figures: figures.seconds) for found in rounds]


def show(name: str, figures: Figures) -> None:
    """One line."""
    print(
        f"  {name:<16}{ROWS / figures.seconds:>12,.0f} rows/s{figures.wal_bytes / 1e6:>9,.0f} MB WAL"
        f"{figures.growth_bytes / 1e6:>9,.0f} MB growth{figures.hot_percent:>7.0f} % HOT"
    )


def plain(conn: psycopg.Connection) -> None:
    """All rows in one statement."""
    conn.execute("UPDATE t SET n_new = n WHERE n_new IS DISTINCT FROM n")


def ours(dsn: str, workers: int = 1) -> None:
    """The same by the runner, ledger and sweep included."""
    with hold(PLAN, dsn, settings=Settings(workers=workers)) as runner:
        runner.advance(Stage.BACKFILLED)


def compare_workers(conn: psycopg.Connection, dsn: str) -> None:
    """1, 2 and 4 workers on the same table, against one UPDATE."""
    for partitions in (0, 4):
        print(f"workers, 2 extra indexes, {partitions or 'no'} partitions")
        works: list[Callable[[], None]] = [lambda: plain(conn)]
        works += [partial(ours, dsn, count) for count in WORKERS]
        one, *found = best(conn, 2, works, partitions)
        show("one UPDATE", one)
        for count, figures in zip(WORKERS, found, strict=True):
            show(f"{count} of migsafe", figures)
            print(
                f"  ratio{one.seconds / figures.seconds:>22.2f}x speed"
                f"{figures.wal_bytes / one.wal_bytes:>10.2f}x WAL"
                f"{figures.growth_bytes / one.growth_bytes:>9.2f}x growth"
            )


def main() -> None:
    """Print all figures."""
    with scratch_server(
        binaries=embedded_binaries(), settings={"fsync": "on", "max_wal_size": "4GB"}
    ) as server:
        dsn = server.dsn()
        with psycopg.connect(dsn, autocommit=True) as conn:
            for extra in (0, 2):
                print(f"{ROWS:,} rows, {extra} extra indexes, PostgreSQL {conn.info.server_version // 10000}")
                one, batches = best(conn, extra, [lambda: plain(conn), lambda: ours(dsn)])
                show("one UPDATE", one)
                show("migsafe", batches)
                print(
                    f"  ratio{one.seconds / batches.seconds:>22.2f}x speed"
                    f"{batches.wal_bytes / one.wal_bytes:>10.2f}x WAL"
                    f"{batches.growth_bytes / one.growth_bytes:>9.2f}x growth"
                )
            compare_workers(conn, dsn)


if __name__ == "__main__":
    main()
