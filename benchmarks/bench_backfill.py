"""Our backfill against one plain UPDATE of the same rows: rows per second, WAL, growth.

`python benchmarks/bench_backfill.py [--rows N] [--rounds N] [--only NAME]`. Two million rows take an hour for
all shapes. Shapes: a key only, two more indexes, wide rows, rows in random order, autovacuum on, four writers
that change other rows all the time, workers. Writers move rows: none may be missed.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import measuring
import psycopg
from measuring import Shape, in_turns, ours, pgbench, plain, require_complete, server, show

from migsafe.postgres.server import Server

WRITES = """
\\set id random(1, {rows})
UPDATE t SET a = a WHERE id = :id;
SELECT filler FROM t WHERE id = :id;
"""


def shapes(rows: int) -> dict[str, Shape]:
    """By the names that `--only` knows."""
    narrow = Shape(rows=rows)
    return {
        "key": narrow,
        "indexes": replace(narrow, indexes=2),
        "random": replace(narrow, shuffled=True),
        "random-indexes": replace(narrow, shuffled=True, indexes=2),
        "wide": replace(narrow, rows=rows // 8, wide=True),
        "autovacuum": replace(narrow, indexes=2, autovacuum=True),
    }


def compare(running: Server, conn: psycopg.Connection, name: str, shape: Shape, rounds: int) -> None:
    """One UPDATE and ours."""
    dsn = running.dsn()

    def migsafe() -> None:
        ours(dsn)
        require_complete(conn)

    works: dict[str, Callable[[], None]] = {"one UPDATE": lambda: plain(conn), "migsafe": migsafe}
    found = in_turns(conn, shape, works, rounds)
    show(f"{name}: {shape.rows:,} rows, {shape.indexes} more indexes", shape.rows, found)


def with_writers(running: Server, conn: psycopg.Connection, indexes: int, rows: int, rounds: int) -> None:
    """The same while four clients write and read single rows as fast as they can."""
    shape, script = Shape(rows=rows, indexes=indexes), WRITES.format(rows=rows)

    def beside(work: Callable[[], None]) -> None:
        with pgbench(running, script):
            work()

    works = {
        "one UPDATE": partial(beside, lambda: plain(conn)),
        "migsafe": partial(beside, lambda: ours(running.dsn())),
    }
    found = in_turns(conn, shape, works, rounds)
    require_complete(conn)
    show(f"writers: {rows:,} rows, {indexes} more indexes, 4 writers", rows, found)


def workers(running: Server, conn: psycopg.Connection, rows: int, rounds: int) -> None:
    """1, 2 and 4 workers on one table, and on four partitions."""
    for partitions in (0, 4):
        shape = Shape(rows=rows, indexes=2, partitions=partitions)
        works: dict[str, Callable[[], None]] = {"one UPDATE": lambda: plain(conn)}
        works |= {f"{count} of migsafe": partial(ours, running.dsn(), workers=count) for count in (1, 2, 4)}
        found = in_turns(conn, shape, works, rounds)
        show(f"workers: {rows:,} rows, 2 more indexes, {partitions or 'no'} partitions", rows, found)


def main() -> None:
    """Print all figures."""
    given = measuring.arguments(2_000_000, only=(str, "", "one of the shapes, or writers, or workers"))
    wanted = {name: shape for name, shape in shapes(given.rows).items() if given.only in ("", name)}
    for autovacuum in (False, True):
        some = {name: shape for name, shape in wanted.items() if shape.autovacuum is autovacuum}
        if not some and (autovacuum or given.only not in ("writers", "workers", "")):
            continue
        with (
            server(autovacuum=autovacuum) as running,
            psycopg.connect(running.dsn(), autocommit=True) as conn,
        ):
            for name, shape in some.items():
                compare(running, conn, name, shape, given.rounds)
            if not autovacuum and given.only in ("", "writers"):
                for indexes in (0, 2):
                    with_writers(running, conn, indexes, given.rows, given.rounds)
            if not autovacuum and given.only in ("", "workers"):
                workers(running, conn, given.rows, given.rounds)


if __name__ == "__main__":
    main()
