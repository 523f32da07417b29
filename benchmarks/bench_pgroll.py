"""Our backfill against pgroll's method: its two triggers, its column, its batches of 1,000 by the key.

`python benchmarks/bench_pgroll.py [--rows N] [--rounds N]`. The method is written after a description of it,
none of its code is here: each batch selects the next keys that still need it FOR NO KEY UPDATE and sets the
key to itself, so that the triggers do the work; the cursor is kept by the client. Ours is the whole plan for
the same change (integer to bigint under another name), with its triggers and its ledger.
"""

from collections.abc import Callable

import measuring
import psycopg
from measuring import Shape, in_turns, ours, server, show
from pgroll import PGROLL

from migsafe.catalog.live import read_catalog
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.run.runner import hold

_BATCH = """
    WITH batch AS (
        SELECT id FROM t WHERE _pgroll_needs_backfill = true AND id > %s ORDER BY id LIMIT 1000
        FOR NO KEY UPDATE
    ), changed AS (
        UPDATE t SET id = t.id FROM batch WHERE t.id = batch.id RETURNING t.id
    )
    SELECT max(id) FROM changed
"""


def go_through(conn: psycopg.Connection) -> None:
    """The whole backfill; triggers and columns are there."""
    last = 0
    while True:
        row = conn.execute(_BATCH, (last,)).fetchone()
        if row is None or row[0] is None:
            return
        last = int(row[0])


def expand_pgroll(conn: psycopg.Connection) -> None:
    """As it is after its start."""
    conn.execute("ALTER TABLE t ADD COLUMN n_new bigint, ADD COLUMN _pgroll_needs_backfill bool DEFAULT true")
    conn.execute("DROP FUNCTION IF EXISTS pgroll_up(), pgroll_down() CASCADE")
    names = {"old": "n", "new": "n_new"}
    for direction, sign, target, expression in (
        ("up", "<>", "n_new", "NEW.n"),
        ("down", "=", "n", "NEW.n_new"),
    ):
        text = PGROLL.format(direction=direction, sign=sign, target=target, expression=expression, **names)
        conn.execute(text.encode())


def main() -> None:
    """Print both, with 0 and 2 more indexes."""
    given = measuring.arguments(2_000_000)
    with server() as running, psycopg.connect(running.dsn(), autocommit=True) as conn:
        dsn = running.dsn()
        for indexes in (0, 2):
            shape = Shape(rows=given.rows, indexes=indexes, filled_column=False)
            measuring.make_table(conn, shape)
            migration = "ALTER TABLE t ALTER COLUMN n TYPE bigint;"
            plan = plan_migration(migration, read_catalog(conn), PlanOptions())
            timed: dict[str, Callable[[], None]] = {"pgroll's method": lambda: go_through(conn)}
            timed["migsafe"] = lambda plan=plan: ours(dsn, plan)  # type: ignore[misc]

            def prepared(name: str) -> Callable[[], None]:
                def prepare() -> None:
                    if name == "migsafe":
                        with hold(plan, dsn) as runner:  # noqa: B023 - used in this turn of the loop
                            runner.advance(Stage.EXPANDED)
                    else:
                        expand_pgroll(conn)
                    timed[name]()  # noqa: B023 - used in this turn of the loop

                return prepare

            found = in_turns(conn, shape, {name: prepared(name) for name in timed}, given.rounds)
            show(f"{given.rows:,} rows, {indexes} more indexes, expand included", given.rows, found)


if __name__ == "__main__":
    main()
