"""Whole tables get other names, keys and ends: what is refused, and what PostgreSQL makes of the steps."""

import psycopg
import pytest

from migsafe.errors import PlanError
from migsafe.plan.model import DdlStep
from migsafe.plan.stages import Stage, Version

from .conftest import Planner, carry_out

_ORDERS = """
CREATE TABLE clients (id bigint PRIMARY KEY);
CREATE TABLE rates (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, client bigint REFERENCES clients, rate bigint REFERENCES rates,
    region integer NOT NULL DEFAULT 1);
"""
_RIGHTS = """
CREATE ROLE clerk_of_sales;
GRANT SELECT, INSERT (id, region), TRUNCATE ON orders TO clerk_of_sales;
"""


def test_the_old_version_keeps_its_table_until_it_is_gone(plan_for: Planner) -> None:
    plan = plan_for(_ORDERS, "ALTER TABLE orders RENAME TO sales;")
    before = [step for step in plan.steps if step.stage.position <= Stage.FENCED.position]
    assert all("ALTER" not in statement for step in before for statement in getattr(step, "sql", ()))
    assert plan.compatibility.allows(Version.GREEN, Stage.EXPANDED)
    assert not plan.compatibility.allows(Version.BLUE, Stage.TOMBSTONED)


def test_the_view_gives_the_rights_that_the_table_gives(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    try:
        plan = plan_for(_ORDERS + _RIGHTS, "ALTER TABLE orders RENAME TO sales;")
        carry_out(connection, plan, Stage.EXPANDED)
        connection.execute("SET ROLE clerk_of_sales")
        connection.execute("INSERT INTO sales (id, region) VALUES (1, 2)")
        assert connection.execute("SELECT region FROM sales").fetchall() == [(2,)]
        for refused in ("INSERT INTO sales (id, client) VALUES (2, 1)", "DELETE FROM sales"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused.encode())
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP OWNED BY clerk_of_sales; DROP ROLE clerk_of_sales")


AFTER = [
    "ALTER TABLE sales ADD COLUMN note text;",
    "CREATE INDEX ON sales (client);",
    "CREATE TABLE orders (id bigint);",
]


@pytest.mark.parametrize("statement", AFTER)
def test_nothing_else_may_touch_either_name_meanwhile(plan_for: Planner, statement: str) -> None:
    with pytest.raises(PlanError, match="touched again"):
        plan_for(_ORDERS, f"ALTER TABLE orders RENAME TO sales; {statement}")


def test_a_table_whose_column_gets_another_name_keeps_its_own(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="migration of its own"):
        plan_for(
            _ORDERS, "ALTER TABLE orders RENAME COLUMN region TO area; ALTER TABLE orders RENAME TO sales;"
        )


def test_a_drop_never_locks_two_parents_at_once(plan_for: Planner) -> None:
    plan = plan_for(_ORDERS, "DROP TABLE orders;")
    for step in plan.steps:
        assert isinstance(step, DdlStep)
        assert len({lock.relation.name for lock in step.locks} & {"clients", "rates"}) <= 1, step.id


def test_what_needs_the_table_is_named_when_it_cannot_be_dropped(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="orders_client_fkey"):
        plan_for(_ORDERS, "DROP TABLE clients;")


def test_a_view_is_never_dropped_along(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="latest"):
        plan_for(_ORDERS + "CREATE VIEW latest AS SELECT * FROM orders;", "DROP TABLE orders CASCADE;")


def test_a_primary_key_that_a_foreign_key_needs_stays(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="orders_client_fkey"):
        plan_for(
            _ORDERS + "ALTER TABLE clients ADD COLUMN region integer;",
            "ALTER TABLE clients DROP CONSTRAINT clients_pkey, ADD PRIMARY KEY (id, region);",
        )


def test_the_way_back_from_another_primary_key_can_be_repeated_from_any_statement(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    plan = plan_for(_ORDERS, "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (region, id);")
    carry_out(connection, plan, Stage.VERIFIED)
    carry_out(connection, plan, Stage.TOMBSTONED)
    (swap,) = plan.steps_to(Stage.TOMBSTONED)
    for last in range(1, len(swap.undo) + 1):
        for statement in swap.undo[:last]:
            connection.execute(statement.encode())
    row = connection.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'orders'::regclass AND "
        "contype = 'p'"
    ).fetchone()
    assert row == ("PRIMARY KEY (id)",)
    carry_out(connection, plan, Stage.TOMBSTONED)


def test_a_partition_gets_the_name_that_postgresql_would_give_its_index(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    plan = plan_for(
        "CREATE TABLE events (at integer NOT NULL, kind text) PARTITION BY RANGE (at);"
        "CREATE INDEX ON events (lower(kind), at);"
        "CREATE TABLE more (at integer NOT NULL, kind text);",
        "ALTER TABLE events ATTACH PARTITION more FOR VALUES FROM (1) TO (20);",
    )
    carry_out(connection, plan, Stage.VERIFIED)
    found = connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'more'").fetchall()
    assert found == [("more_lower_at_idx",)]
