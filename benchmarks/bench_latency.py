"""What the application feels: latencies of pgbench alone and while a backfill runs at its default pace.

`python benchmarks/bench_latency.py [--rows N] [--rounds N] [--rate N]`. Four clients change and read single
rows of the table that is backfilled, at a steady rate; alone and beside the backfill in turns.
"""

import statistics
import time

import measuring
import psycopg
from measuring import Shape, make_table, ours, pgbench, quantile, server

SCRIPT = """
\\set id random(1, {rows})
BEGIN;
UPDATE t SET a = a + 1 WHERE id = :id;
SELECT filler FROM t WHERE id = :id;
COMMIT;
"""


def main() -> None:
    """Print p50, p99 and the longest of both, and how long anybody waited for us."""
    given = measuring.arguments(
        2_000_000, rate=(float, 200.0, "transactions per second"), seconds=(float, 15.0, "alone")
    )
    alone: list[list[float]] = []
    beside: list[list[float]] = []
    with server() as running, psycopg.connect(running.dsn(), autocommit=True) as conn:
        script = SCRIPT.format(rows=given.rows)
        for _ in range(given.rounds):
            make_table(conn, Shape(rows=given.rows, indexes=2))
            with pgbench(running, script, rate=given.rate) as latencies:
                time.sleep(given.seconds)
                alone.append(latencies())
            with pgbench(running, script, rate=given.rate) as latencies:
                began = time.monotonic()
                ours(running.dsn())
                seconds = time.monotonic() - began
                beside.append(latencies())
            row = conn.execute(
                "SELECT seconds, longest_seconds, waits, gave_way FROM migsafe.blocked"
            ).fetchone()
            print(
                f"  backfill {seconds:.1f} s; blocked by us (total s, longest s, waits, gave way): {row}",
                flush=True,
            )
    for name, found in (("alone", alone), ("beside", beside)):
        counts = sum(map(len, found))
        shown = [statistics.median(quantile(each, share) for each in found) for share in (0.5, 0.99, 1.0)]
        print(
            f"  {name:<8}{counts:>8,} transactions, p50 {shown[0]:.2f} ms, p99 {shown[1]:.2f} ms, "
            f"longest {shown[2]:.0f} ms"
        )
    ratio = statistics.median(
        quantile(after, 0.99) / quantile(before, 0.99) for before, after in zip(alone, beside, strict=True)
    )
    print(f"  ratio of p99: {ratio:.2f}x")


if __name__ == "__main__":
    main()
