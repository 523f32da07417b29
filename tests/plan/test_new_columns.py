"""New columns whose values the server makes, on a real server, with rows that come at any time."""

import psycopg

from migsafe.plan.model import BackfillStep, Plan
from migsafe.plan.stages import Stage

from .conftest import Planner, carry_out, take_back

ITEMS = "CREATE TABLE items (id int PRIMARY KEY, price int)"


def backfill(connection: psycopg.Connection, plan: Plan) -> None:
    for step in plan.steps_to(Stage.BACKFILLED):
        assert isinstance(step, BackfillStep)
        connection.execute(f"UPDATE items SET {step.assignments} WHERE {step.pending}".encode())


def values(connection: psycopg.Connection, column: str) -> list[int]:
    found = connection.execute(f"SELECT {column} FROM items ORDER BY id".encode()).fetchall()
    return [row[0] for row in found]


def test_an_identity_goes_on_where_the_numbers_stand_forward_and_back(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    numbers = "GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 5)"
    plan = plan_for(ITEMS, f"ALTER TABLE items ADD COLUMN n int {numbers}")
    connection.execute("INSERT INTO items (id) VALUES (1), (2)")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO items (id) VALUES (3)")
    backfill(connection, plan)
    connection.execute("INSERT INTO items (id) VALUES (4)")
    carry_out(connection, plan, Stage.VERIFIED)
    connection.execute("INSERT INTO items (id) VALUES (5)")
    take_back(connection, plan, Stage.VERIFIED)
    connection.execute("INSERT INTO items (id) VALUES (6)")
    carry_out(connection, plan, Stage.VERIFIED)
    connection.execute("INSERT INTO items (id) VALUES (7)")
    found = values(connection, "n")
    assert found[2] == 100
    assert sorted(found[:4]) == [100, 105, 110, 115]
    assert found[4:] == sorted(found[4:])
    assert len(set(found)) == len(found)


def test_what_a_stored_column_would_compute_is_computed_by_the_trigger(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    stored = "ALTER TABLE items ADD COLUMN gross int GENERATED ALWAYS AS (price * 2) STORED"
    plan = plan_for(ITEMS, stored)
    assert "does NOT become a generated column" in plan.warnings[0]
    connection.execute("INSERT INTO items VALUES (1, 10)")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO items VALUES (2, 20, 7), (3, NULL, 1)")
    backfill(connection, plan)
    connection.execute("UPDATE items SET price = 50 WHERE id = 2")
    connection.execute("UPDATE items SET gross = 1 WHERE id = 1")
    assert values(connection, "gross") == [20, 100, None]
