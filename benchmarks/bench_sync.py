"""What the sync triggers cost the application: the bare table, our triggers, and the way pgroll does it.

`python benchmarks/bench_sync.py [ROWS]` takes some minutes for 50,000 rows; Linux only. Everything is
measured in turns in one run, several times, and the best of each counts. Of statements over all rows it is
the processor time of the server's process, which other work on the machine hardly touches. Of single rows it
is that, and what a client waits for a statement that commits, with the server's default durability. Two
changes are measured: a column gets a new name (text), or a wider type under another name (integer to bigint).
pgroll's triggers are written after a description of their shape: one function for each direction, a variable
for each column, and a comparison of the whole search_path with the version's name.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import psycopg
from pgroll import PGROLL

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import DdlStep
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.postgres.binaries import embedded_binaries
from migsafe.postgres.server import scratch_server

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
ROUNDS = 7
SINGLE = 3000
BLOCK = 200
TABLE = "CREATE TABLE t (id bigint PRIMARY KEY, {}, a int, b int, filler text)"
KINDS = ("bare", "migsafe", "pgroll")

# The disk is no part of the question for statements over all rows; of a single one it is most of the answer.
SETTINGS = {"autovacuum": "off", "fsync": "off", "shared_buffers": "512MB", "max_wal_size": "4GB"}

NOTE_SYNC = """
CREATE SCHEMA IF NOT EXISTS migsafe;
CREATE OR REPLACE FUNCTION migsafe.note_sync(rollout text, relation text, kind text, detail text) RETURNS void
LANGUAGE plpgsql AS 'BEGIN END';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change to measure: the column as it is and as it will be."""

    title: str
    old: str
    type: str
    new: str
    new_type: str
    migration: str
    options: dict[str, str] = field(default_factory=dict)
    value: str  # of the column, for row i
    bump: str  # its next value


CHANGES = (
    Change(
        title="new name (text)",
        old="name",
        type="text",
        new="label",
        new_type="text",
        migration="ALTER TABLE t RENAME name TO label",
        value="'name ' || i",
        bump="'n' || id",
    ),
    Change(
        title="integer to bigint",
        old="n",
        type="int",
        new="n_new",
        new_type="bigint",
        migration="ALTER TABLE t ALTER n TYPE bigint",
        options={"new_column": "n_new"},
        value="i",
        bump="n + 1",
    ),
)


def make(dsn: str, kind: str, change: Change) -> None:
    """A table of one kind, filled, with both columns equal."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(TABLE.format(f"{change.old} {change.type}").encode())
        if kind == "migsafe":
            conn.execute(NOTE_SYNC)
            plan = plan_migration(change.migration, read_catalog(conn), PlanOptions(**change.options))  # type: ignore[arg-type]  # two of its names
            for step in plan.steps_to(Stage.EXPANDED):
                assert isinstance(step, DdlStep)
                for statement in step.sql:
                    conn.execute(statement.encode())
        elif kind == "pgroll":
            conn.execute(
                f"ALTER TABLE t ADD {change.new} {change.new_type}, "
                "ADD _pgroll_needs_backfill boolean DEFAULT true".encode()
            )
            ways = (("up", "!=", change.new, change.old), ("down", "=", change.old, change.new))
            for direction, sign, target, expression in ways:
                text = PGROLL.format(
                    direction=direction,
                    sign=sign,
                    target=target,
                    expression=expression,
                    old=change.old,
                    new=change.new,
                )
                conn.execute(text.encode())
        conn.execute(rows_of(change))


def say(text: str, change: Change, **more: object) -> bytes:
    """SQL with the names and values of a change in it."""
    values = {"old": change.old, "value": change.value, "bump": change.bump, "rows": ROWS}
    return Template(text).substitute(values, **more).encode()


def rows_of(change: Change, first: int = 1) -> bytes:
    """INSERT of the rows."""
    text = (
        "INSERT INTO t (id, $old, a, b, filler) SELECT i, $value, i % 1000, i, repeat('x', 32) "
        "FROM generate_series($first, $last) i"
    )
    return say(text, change, first=first, last=first + ROWS - 1)


def bulk(conn: psycopg.Connection, change: Change) -> dict[str, Callable[[], object]]:
    """The statements over all rows."""
    text = (
        "SELECT string_agg(concat_ws(E'\\t', i, $value, i % 1000, i, repeat('x', 32)) || E'\\n', '') "
        "FROM generate_series(3 * $rows, 4 * $rows - 1) i"
    )
    (lines,) = conn.execute(say(text, change)).fetchall()[0]

    def copy() -> None:
        with conn.cursor().copy(say("COPY t (id, $old, a, b, filler) FROM STDIN", change)) as target:
            target.write(lines)

    unrelated = say("UPDATE t SET a = a + 1 WHERE id <= $rows", change)
    synced = say("UPDATE t SET $old = $bump WHERE id <= $rows", change)
    return {
        "UPDATE of unrelated columns": lambda: conn.execute(unrelated),
        "UPDATE of the synced column": lambda: conn.execute(synced),
        "INSERT ... SELECT": lambda: conn.execute(rows_of(change, first=ROWS + 1)),
        "COPY": copy,
    }


def processor_seconds(conn: psycopg.Connection) -> float:
    """What the server's process of this connection has used so far."""
    return int(Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def timed(conn: psycopg.Connection, work: Callable[[], object]) -> float:
    """Seconds of the server's processor."""
    began = processor_seconds(conn)
    work()
    return processor_seconds(conn) - began


def measure_bulk(conns: dict[str, psycopg.Connection], change: Change) -> dict[str, dict[str, float]]:
    """Seconds, the best of all rounds, by statement and kind."""
    works = {kind: bulk(conn, change) for kind, conn in conns.items()}
    best: dict[str, dict[str, float]] = {name: {} for name in works["bare"]}
    for number in range(ROUNDS):
        kinds = KINDS[number % 3 :] + KINDS[: number % 3]
        for name, kept in best.items():
            for kind in kinds:
                seconds = timed(conns[kind], works[kind][name])
                kept[kind] = min(kept.get(kind, seconds), seconds)
        for kind in kinds:
            conns[kind].execute(say("DELETE FROM t WHERE id > $rows", change))
            conns[kind].execute("VACUUM t")
    return best


def measure_single(
    conns: dict[str, psycopg.Connection], change: Change
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Of one statement over a connection, by statement and kind: what a client waits, what the server works.

    Seconds. A client's wait is the median.
    """
    statements = {
        "UPDATE of an unrelated column": "UPDATE t SET a = a + 1 WHERE id = %s",
        "UPDATE of the synced column": "UPDATE t SET $old = $bump WHERE id = %s",
        "INSERT": "INSERT INTO t (id, $old, a) VALUES (%s, '1', 2)",
    }
    waits: dict[str, dict[str, float]] = {}
    works: dict[str, dict[str, float]] = {}
    for name, text in statements.items():
        statement = say(text, change)
        taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
        before = {kind: processor_seconds(conn) for kind, conn in conns.items()}
        offset = 10 * ROWS if name == "INSERT" else 0
        keys = [number * 7919 % ROWS + 1 + offset for number in range(SINGLE)]
        for block in range(0, SINGLE, BLOCK):  # in turns, but not so often that no cache is ever warm
            for kind, conn in conns.items():
                for key in keys[block : block + BLOCK]:
                    began = time.perf_counter()
                    conn.execute(statement, (key,), prepare=True)
                    taken[kind].append(time.perf_counter() - began)
        waits[name] = {kind: statistics.median(times) for kind, times in taken.items()}
        works[name] = {
            kind: (processor_seconds(conn) - before[kind]) / SINGLE for kind, conn in conns.items()
        }
    return waits, works


def durability(conn: psycopg.Connection, fsync: str) -> None:
    """Let the server wait for its disk at every commit, as it does by default, or not.

    https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-FSYNC
    """
    conn.execute(f"ALTER SYSTEM SET fsync = {fsync}".encode())
    conn.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while conn.execute("SHOW fsync").fetchone() != (fsync,):
        if time.monotonic() > deadline:
            sys.exit("the server did not take the setting")
        time.sleep(0.05)


def tell(title: str, found: dict[str, dict[str, float]], scale: float, unit: str) -> None:
    """Print a table."""
    print(f"\n{title} ({unit}; x of the bare table)\n")
    print("| statement | bare | migsafe | | pgroll's way | |\n|---|---|---|---|---|---|")
    for name, kinds in found.items():
        bare = kinds["bare"]
        cells = [f"{kinds[kind] * scale:.2f} | {kinds[kind] / bare:.2f}x" for kind in KINDS[1:]]
        print(f"| {name} | {bare * scale:.2f} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measure everything and print it."""
    with scratch_server(binaries=embedded_binaries(), settings=SETTINGS) as server:
        for change in CHANGES:
            conns = {}
            for kind in KINDS:
                name = f"{kind}_{change.old}"
                with psycopg.connect(server.dsn(), autocommit=True) as admin:
                    admin.execute(f"CREATE DATABASE {name}".encode())
                make(server.dsn(name), kind, change)
                conns[kind] = psycopg.connect(server.dsn(name), autocommit=True)
                conns[kind].execute("VACUUM ANALYZE t")
            tell(f"{change.title}: {ROWS} rows", measure_bulk(conns, change), 1e6 / ROWS, "us per row")
            durability(conns["bare"], "on")
            waits, works = measure_single(conns, change)
            durability(conns["bare"], "off")
            tell(f"{change.title}: single rows, what a client waits, fsync on", waits, 1e6, "us, median")
            tell(f"{change.title}: single rows, what the server works", works, 1e6, "us per statement")
            for conn in conns.values():
                conn.close()


if __name__ == "__main__":
    main()
