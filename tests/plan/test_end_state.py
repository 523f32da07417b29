"""Carried out by the real runner, a plan leaves the schema that the migration alone would have left.

Taken back, from any stage before the last one, it leaves what was there before.
"""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import conninfo, sql

from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog
from migsafe.plan.model import Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.postgres.server import Server
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from tests.conftest import drop_database

SCHEMA = """
CREATE TABLE shops (code text PRIMARY KEY, city text);
CREATE TABLE orders (id bigint PRIMARY KEY, shop text, total integer, note text);
CREATE TABLE pairs (left_id integer NOT NULL, right_id integer);
CREATE TABLE events (id bigint, at date NOT NULL, kind text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')
    PARTITION BY LIST (kind);
CREATE TABLE events_2025_a PARTITION OF events_2025 FOR VALUES IN ('a');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO shops SELECT 's' || n, 'city ' || n FROM generate_series(1, 20) n;
INSERT INTO orders SELECT n, 's' || n % 20 + 1, n, 'note ' || n FROM generate_series(1, 2000) n;
INSERT INTO pairs SELECT n, n FROM generate_series(1, 100) n;
INSERT INTO events SELECT n, date '2025-03-01' + n % 200, 'a' FROM generate_series(1, 500) n;
"""
MIGRATIONS = {
    "not null": "ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
    "check": "ALTER TABLE orders ADD CONSTRAINT total_is_positive CHECK (total > 0)",
    "check without a name": "ALTER TABLE orders ADD CHECK (total > 0 AND note <> '')",
    "foreign key": "ALTER TABLE orders ADD FOREIGN KEY (shop) REFERENCES shops (code) ON DELETE CASCADE",
    "unique": "ALTER TABLE orders ADD CONSTRAINT one_note UNIQUE (note, id) DEFERRABLE INITIALLY DEFERRED",
    "primary key": "ALTER TABLE pairs ADD PRIMARY KEY (left_id, right_id)",
    "index": "CREATE INDEX ON orders USING btree (lower(note) DESC) INCLUDE (total) WHERE total > 5",
    "unique index": 'CREATE UNIQUE INDEX "One Per Note" ON public.orders (note, id)',
    "index of a partitioned table": "CREATE INDEX events_kind ON events (kind, id)",
    "volatile default": "ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()",
    "rename": "ALTER TABLE orders RENAME COLUMN note TO remark",
    "wider": "ALTER TABLE orders ALTER COLUMN total TYPE bigint",
    "rows": "UPDATE orders SET note = 'order ' || id, total = 0 WHERE id % 3 = 0 AND shop IS NOT NULL",
    "empty rows": "UPDATE orders SET shop = 'none' || id WHERE shop IS NULL AND id > 5",
    "several": """
        SET lock_timeout = '2s';
        BEGIN;
        CREATE TABLE carriers (id bigint PRIMARY KEY, name text NOT NULL);
        CREATE INDEX ON carriers (name);
        ALTER TABLE orders ADD COLUMN carrier bigint, ADD COLUMN weight integer DEFAULT 0 NOT NULL;
        ALTER TABLE orders ADD CONSTRAINT orders_carrier FOREIGN KEY (carrier) REFERENCES carriers (id);
        CREATE INDEX ON orders (carrier);
        COMMIT;
    """,
}


class Places:
    """Databases with the schema and rows in them, each thrown away at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._names: list[str] = []

    def make(self) -> str:
        name = f"end_state_{len(self._names)}"
        self._names.append(name)
        with psycopg.connect(self._server.dsn(), autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = conninfo.make_conninfo(self._server.dsn(), dbname=name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
        return dsn

    def drop(self) -> None:
        for name in self._names:
            drop_database(self._server, name)


@pytest.fixture
def places(server: Server) -> Iterator[Places]:
    found = Places(server)
    yield found
    found.drop()


def schema_of(dsn: str) -> Catalog:
    """What is there, without sizes and the order of columns."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = read_catalog(connection)
    tables = {
        name: replace(
            table,
            columns=tuple(sorted(table.columns, key=lambda column: column.name)),
            row_estimate=None,
            size_bytes=None,
        )
        for name, table in found.tables.items()
    }
    return replace(found, tables=tables)


def made(migration: str, dsn: str) -> Plan:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return plan_migration(migration, read_catalog(connection), PlanOptions(name="end_state"))


@pytest.mark.parametrize("case", MIGRATIONS)
def test_the_end_is_what_the_migration_alone_would_have_left(places: Places, case: str) -> None:
    naive, planned = places.make(), places.make()
    with psycopg.connect(naive) as connection:
        connection.execute(MIGRATIONS[case].encode())
    plan = made(MIGRATIONS[case], planned)
    with hold(plan, planned) as runner:
        for stage in stages_of(plan)[1:]:
            runner.advance(stage)
    assert schema_of(planned) == schema_of(naive)


@pytest.mark.parametrize("case", MIGRATIONS)
def test_taken_back_from_any_stage_everything_is_as_it_was(places: Places, case: str) -> None:
    dsn = places.make()
    before = schema_of(dsn)
    plan = made(MIGRATIONS[case], dsn)
    reached = [stage for stage in stages_of(plan)[1:] if stage is not Stage.DROPPED]
    for last in range(1, len(reached) + 1):
        with hold(plan, dsn) as runner:
            for stage in reached[:last]:
                runner.advance(stage)
            for stage in reversed(reached[:last]):
                runner.undo(stage)
        assert schema_of(dsn) == before, reached[last - 1]


@pytest.mark.parametrize("case", ["rows", "empty rows"])
def test_a_backfill_leaves_the_rows_that_one_update_would_have_left(places: Places, case: str) -> None:
    naive, planned = places.make(), places.make()
    rows = []
    for dsn in (naive, planned):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("UPDATE orders SET shop = NULL WHERE id % 7 = 0")
            if dsn == naive:
                connection.execute(MIGRATIONS[case].encode())
    plan = made(MIGRATIONS[case], planned)
    with hold(plan, planned) as runner:
        for stage in stages_of(plan)[1:]:
            runner.advance(stage)
    for dsn in (naive, planned):
        with psycopg.connect(dsn, autocommit=True) as connection:
            rows.append(connection.execute("SELECT * FROM orders ORDER BY id").fetchall())
    assert rows[0] == rows[1]
