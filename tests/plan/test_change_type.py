"""Changes of type: keys that stay proven, values that do not fit, expressions of one's own."""

from collections.abc import Iterator

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, DdlStep, DownMap, IndexStep, Plan, VerifyStep
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage

from .conftest import Planner, carry_out

ORDERS = """
CREATE TABLE orders (id serial PRIMARY KEY, note text);
CREATE TABLE lines (order_id integer NOT NULL REFERENCES orders (id));
INSERT INTO orders (note) SELECT 'x' FROM generate_series(1, 10);
INSERT INTO lines SELECT n FROM generate_series(1, 10) n;
"""
WIDEN = "ALTER TABLE orders ALTER COLUMN id TYPE bigint"
PROVEN = """
SELECT count(*) FROM pg_constraint
WHERE conrelid = 'lines'::regclass AND contype = 'f' AND convalidated
"""
PEOPLE = "CREATE TABLE people (id int PRIMARY KEY, born text, name text)"


def one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query.encode()).fetchone()
    return None if row is None else row[0]


def each_step(connection: psycopg.Connection, plan: Plan) -> Iterator[str]:
    """Carries out all steps but the last; yields after each of them."""
    for step in plan.steps:
        match step:
            case DdlStep() if step.stage is not Stage.DROPPED:
                with connection.transaction():
                    for statement in step.sql:
                        connection.execute(statement.encode())
            case IndexStep():
                connection.execute(step.sql.encode())
            case BackfillStep():
                update = f"UPDATE {step.table.sql} SET {step.assignments} WHERE {step.pending}"
                connection.execute(update.encode())
            case VerifyStep():
                query = f"SELECT count(*) FROM {step.table.sql} WHERE {step.mismatch}"
                assert one(connection, query) == 0, step.id
            case _:
                continue
        yield step.id


def each_undo(connection: psycopg.Connection, plan: Plan) -> Iterator[str]:
    """Takes all of it back; yields after each statement that stands by itself, else after each step."""
    for step in reversed(plan.steps):
        if step.undo_apart:
            for statement in step.undo:
                connection.execute(statement.encode())
                yield statement
        elif isinstance(step, IndexStep):
            connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {step.index.sql}".encode())
        else:
            with connection.transaction():
                for statement in step.undo:
                    connection.execute(statement.encode())
            yield step.id


def test_a_reference_to_a_key_is_proven_after_every_step_there_and_back(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(ORDERS, WIDEN)
    for step in each_step(connection, plan):
        assert one(connection, PROVEN) in {1, 2}, step
    assert one(connection, "SELECT pg_typeof(max(id))::text FROM orders") == "bigint"
    for step in each_undo(connection, plan):
        assert one(connection, PROVEN) in {1, 2}, step
    assert one(connection, PROVEN) == 1
    assert one(connection, "SELECT pg_typeof(max(id))::text FROM orders") == "integer"
    assert one(connection, "INSERT INTO orders (note) VALUES ('y') RETURNING id") == 11


def test_the_exchange_of_a_key_locks_one_table_only(plan_for: Planner) -> None:
    plan = plan_for(ORDERS, WIDEN)
    (swap,) = [step for step in plan.steps if step.id == "verify.swap"]
    assert isinstance(swap, DdlStep)
    assert not [statement for statement in swap.sql if "lines" in statement]


def test_numbers_beyond_the_old_type_are_written_right_after_the_swap(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(ORDERS, WIDEN)
    for _ in each_step(connection, plan):
        pass
    connection.execute("SELECT setval('orders_id_seq', 3000000000)")
    connection.execute("INSERT INTO orders (note) VALUES ('a'), ('b')")
    assert one(connection, "SELECT max(id) FROM orders") == 3_000_000_002
    assert one(connection, "SELECT count(*) FROM migsafe.noted WHERE kind = 'unrepresentable'") == 2
    with pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("INSERT INTO orders (id) VALUES (3000000001)")


def test_the_key_must_be_first_when_what_refers_to_it_changes_too(
    connection: psycopg.Connection,
) -> None:
    connection.execute(ORDERS)
    both = [WIDEN, "ALTER TABLE lines ALTER order_id TYPE bigint"]
    catalog = read_catalog(connection)
    assert len(plan_migration("; ".join(both), catalog, PlanOptions()).changes) == 2
    with pytest.raises(PlanError, match="is referenced by order_id"):
        plan_migration("; ".join(reversed(both)), catalog, PlanOptions())


def test_a_value_without_one_of_the_new_type_never_fails_the_application_and_is_found(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(PEOPLE, "ALTER TABLE people ALTER born TYPE date USING born::date")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO people VALUES (1, 'yesterday or so'), (2, '2001-02-03'), (3, NULL)")
    connection.execute("UPDATE people SET born = '30 Feb 2001' WHERE id = 2")
    verify = [step for step in plan.steps if isinstance(step, VerifyStep)]
    assert [step.id for step in verify] == ["backfill.prove", "verify.rows"]
    for step in verify:
        found = connection.execute(f"SELECT id FROM people WHERE {step.mismatch} ORDER BY id".encode())
        assert found.fetchall() == [(1,), (2,)]
    (backfill,) = [step for step in plan.steps if isinstance(step, BackfillStep)]
    assert one(connection, f"SELECT count(*) FROM people WHERE {backfill.pending}") == 0


def test_both_versions_see_each_others_values_through_an_expression_of_ones_own(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    migration = (
        "-- migsafe: down CASE WHEN active THEN 'Y' ELSE 'N' END\n"
        "ALTER TABLE flags ALTER active TYPE boolean USING active = 'Y'"
    )
    plan = plan_for("CREATE TABLE flags (id int PRIMARY KEY, active text NOT NULL)", migration)
    connection.execute("INSERT INTO flags VALUES (1, 'Y'), (2, 'N')")
    for _ in each_step(connection, plan):
        pass
    connection.execute("UPDATE flags SET active = NOT active")
    connection.execute("INSERT INTO flags (id, active) VALUES (3, true)")
    assert plan.down_map is DownMap.LOSSY
    for _ in each_undo(connection, plan):
        pass
    assert connection.execute("SELECT id, active FROM flags ORDER BY id").fetchall() == [
        (1, "N"),
        (2, "Y"),
        (3, "Y"),
    ]


def test_without_a_way_down_the_plan_says_that_going_back_loses_values(plan_for: Planner) -> None:
    plan = plan_for(PEOPLE, "ALTER TABLE people ALTER born TYPE int USING length(born)")
    assert plan.down_map is DownMap.NONE
    assert any("no way down is known" in warning for warning in plan.warnings)


def test_an_expression_of_the_wrong_type_is_found_before_anything_is_changed(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(PEOPLE, "ALTER TABLE people ALTER born TYPE date USING born * 2")
    with pytest.raises(psycopg.errors.UndefinedFunction):
        carry_out(connection, plan, Stage.EXPANDED)
    assert one(connection, "SELECT count(*) FROM pg_attribute WHERE attname ~ 'migsafe'") == 0


def test_a_session_with_settings_of_its_own_gets_the_same_dates(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(PEOPLE, "ALTER TABLE people ALTER born TYPE date USING born::date")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("SET datestyle = 'German, DMY'")
    connection.execute("INSERT INTO people VALUES (1, '02/03/2001')")
    connection.execute("SET datestyle = 'ISO, MDY'")
    (step,) = [step for step in plan.steps if step.id == "verify.rows"]
    assert isinstance(step, VerifyStep)
    assert one(connection, f"SELECT count(*) FROM people WHERE {step.mismatch}") == 0


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_times_pass_both_ways_and_the_hour_that_comes_twice_is_noted(
    plan_for: Planner, connection: psycopg.Connection, zone: str
) -> None:
    migration = f"ALTER TABLE visits ALTER at TYPE timestamptz USING at AT TIME ZONE '{zone}'"
    plan = plan_for("CREATE TABLE visits (id int PRIMARY KEY, at timestamp)", migration)
    connection.execute("INSERT INTO visits VALUES (1, '2025-07-01 12:00'), (2, '2025-10-26 02:30')")
    for _ in each_step(connection, plan):
        pass
    connection.execute("SET timezone = 'UTC'")
    connection.execute("UPDATE visits SET at = '2025-10-26 00:30+00' WHERE id = 1")
    noted = one(connection, "SELECT count(*) FROM migsafe.noted WHERE kind = 'unrepresentable'")
    assert noted == (0 if zone == "UTC" else 1)
    for _ in each_undo(connection, plan):
        pass
    expected = "2025-10-26 00:30:00" if zone == "UTC" else None  # NULL, since the column allows it
    assert one(connection, "SELECT at::text FROM visits WHERE id = 1") == expected


def test_a_domain_that_is_not_null_is_refused(plan_for: Planner) -> None:
    domains = "CREATE DOMAIN base AS text NOT NULL; CREATE DOMAIN code AS base"
    with pytest.raises(PlanError, match="is NOT NULL"):
        plan_for(f"{PEOPLE}; {domains}", "ALTER TABLE people ALTER COLUMN name TYPE code")
