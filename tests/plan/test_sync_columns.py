"""Columns that are split, merged or new, on a real server, under writes of both versions in any order."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, Plan, VerifyStep
from migsafe.plan.stages import Stage

from .conftest import Planner, carry_out, take_back

PEOPLE = "CREATE TABLE people (id int PRIMARY KEY, name text, other int)"
SPLIT = """
ALTER TABLE people ADD COLUMN first text, ADD COLUMN last text;
UPDATE people SET first = split_part(name, ' ', 1), last = substr(name, strpos(name || ' ', ' ') + 1);
-- migsafe: down first || ' ' || last
ALTER TABLE people DROP COLUMN name;
"""
POINTS = "CREATE TABLE points (id int PRIMARY KEY, x int, y int, other int)"
MERGE = """
ALTER TABLE points ADD COLUMN place text;
UPDATE points SET place = x || ',' || y;
-- migsafe: down split_part(place, ',', 1)::integer
ALTER TABLE points DROP COLUMN x;
-- migsafe: down split_part(place, ',', 2)::integer
ALTER TABLE points DROP COLUMN y;
"""
TEST = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def noted(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows(connection, "SELECT kind, detail FROM migsafe.noted ORDER BY 1, 2")


def backfill(connection: psycopg.Connection, plan: Plan) -> None:
    for step in plan.steps_to(Stage.BACKFILLED):
        assert isinstance(step, BackfillStep)
        statement = f"UPDATE {step.table.sql} SET {step.assignments} WHERE {step.pending}"
        connection.execute(statement.encode())


def wrong(connection: psycopg.Connection, plan: Plan) -> list[tuple[Any, ...]]:
    return [
        row
        for step in plan.steps_to(Stage.VERIFIED)
        if isinstance(step, VerifyStep)
        for row in rows(connection, f"SELECT * FROM {step.table.sql} WHERE {step.mismatch}")
    ]


def start_again(connection: psycopg.Connection) -> None:
    connection.execute("DROP SCHEMA IF EXISTS migsafe CASCADE")
    for table in ("people", "points"):
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))


names = st.one_of(st.none(), st.sampled_from(["", "Ann", "Ann Lee", "Mary Ann Lee", " ", "Ann  Lee"]))
parts = st.one_of(st.none(), st.sampled_from(["", "Ann", "Mary Ann", "Lee"]))
Write = tuple[str, str, int, Any]
blue_writes = st.tuples(st.sampled_from(["insert", "update"]), st.just("blue"), st.integers(1, 3), names)
green_writes = st.tuples(
    st.sampled_from(["insert", "update"]), st.just("green"), st.integers(1, 3), st.tuples(parts, parts)
)
unrelated = st.tuples(st.just("unrelated"), st.just("blue"), st.integers(1, 3), st.none())
blues = st.lists(st.one_of(blue_writes, unrelated), max_size=8)
all_writes = st.lists(st.one_of(blue_writes, green_writes, unrelated), max_size=10)


@TEST
@given(before=blues, during=blues, after=all_writes, buried=st.lists(green_writes, max_size=3))
def test_a_split_column_says_the_same_to_both_versions_whatever_is_written_in_any_order(
    connection: psycopg.Connection,
    plan_for: Planner,
    before: list[Write],
    during: list[Write],
    after: list[Write],
    buried: list[Write],
) -> None:
    start_again(connection)
    plan = plan_for(PEOPLE, SPLIT)
    for write in before:
        apply(connection, write)
    carry_out(connection, plan, Stage.EXPANDED)
    for write in during:
        apply(connection, write)
    backfill(connection, plan)
    assert wrong(connection, plan) == []
    for write in after:
        check_written(connection, write)
        assert wrong(connection, plan) == []
    carry_out(connection, plan, Stage.TOMBSTONED)
    for write in buried:
        apply(connection, write)
    take_back(connection, plan, Stage.TOMBSTONED)
    assert wrong(connection, plan) == []


def apply(connection: psycopg.Connection, write: Write) -> int:
    """How many rows it wrote."""
    kind, side, key, value = write
    columns = ("name",) if side == "blue" else ("first", "last")
    values = (value,) if side == "blue" else value
    match kind:
        case "insert":
            places = ", ".join(["%s"] * (len(columns) + 1))
            query = f"INSERT INTO people (id, {', '.join(columns)}) VALUES ({places}) ON CONFLICT DO NOTHING"
            return connection.execute(query.encode(), (key, *values)).rowcount
        case "update":
            query = f"UPDATE people SET {', '.join(f'{column} = %s' for column in columns)} WHERE id = %s"
            return connection.execute(query.encode(), (*values, key)).rowcount
        case _:
            return connection.execute("UPDATE people SET other = id WHERE id = %s", (key,)).rowcount


def check_written(connection: psycopg.Connection, write: Write) -> None:
    """A version reads exactly what it wrote, and the other one what follows from it."""
    kind, side, key, value = write
    before = rows(connection, f"SELECT name, first, last FROM people WHERE id = {key}")
    count = apply(connection, write)
    found = rows(connection, f"SELECT name, first, last FROM people WHERE id = {key}")
    if kind == "unrelated" or not count:
        assert found == before
    elif side == "blue":
        unchanged = kind == "update" and before[0][0] == value
        assert found == (before if unchanged else [(value, *taken_apart(value))])
    else:
        unchanged = kind == "update" and before[0][1:] == value
        absent = value == (None, None) and kind == "insert"
        (row,) = found
        assert row[1:] == value
        if not absent and not unchanged:
            assert row[0] == put_together(*value) or taken_apart(row[0]) == value


def taken_apart(name: str | None) -> tuple[str | None, str | None]:
    if name is None:
        return None, None
    return name.split(" ")[0], f"{name} "[name.find(" ") + 1 : -1] if " " in name else ""


def put_together(first: str | None, last: str | None) -> str | None:
    return None if first is None or last is None else f"{first} {last}"


numbers = st.one_of(st.none(), st.integers(-3, 3))
places = st.one_of(st.none(), st.sampled_from(["1,2", "0,0", "-3,1", "1", "", "no,place", "99999999999,1"]))
moves = st.one_of(
    st.tuples(st.just("blue"), st.integers(1, 3), st.tuples(numbers, numbers)),
    st.tuples(st.just("green"), st.integers(1, 3), places),
)
UPSERT = "INSERT INTO points (id, {0}) VALUES (%s, {1}) ON CONFLICT (id) DO UPDATE SET {2}"


@TEST
@given(before=st.lists(moves, max_size=4), after=st.lists(moves, max_size=10))
def test_merged_columns_never_fail_a_write_and_keep_what_each_version_wrote(
    connection: psycopg.Connection, plan_for: Planner, before: list[Any], after: list[Any]
) -> None:
    start_again(connection)
    plan = plan_for(POINTS, MERGE)
    for _, key, value in (each for each in before if each[0] == "blue"):
        move(connection, "blue", key, value)
    carry_out(connection, plan, Stage.EXPANDED)
    backfill(connection, plan)
    assert wrong(connection, plan) == []
    for side, key, value in after:
        move(connection, side, key, value)
        columns = "x, y" if side == "blue" else "place"
        (row,) = rows(connection, f"SELECT {columns} FROM points WHERE id = {key}")
        assert row == (value if side == "blue" else (value,))


def move(connection: psycopg.Connection, side: str, key: int, value: Any) -> None:
    columns, values = (("x", "y"), value) if side == "blue" else (("place",), (value,))
    query = UPSERT.format(
        ", ".join(columns),
        ", ".join(["%s"] * len(values)),
        ", ".join(f"{column} = excluded.{column}" for column in columns),
    )
    connection.execute(query.encode(), (key, *values))


def test_what_cannot_be_computed_is_null_and_noted(plan_for: Planner, connection: psycopg.Connection) -> None:
    carry_out(connection, plan_for(POINTS, MERGE), Stage.EXPANDED)
    connection.execute("INSERT INTO points (id, place) VALUES (1, 'nowhere'), (2, '1,2')")
    connection.execute("UPDATE points SET place = '3,here' WHERE id = 2")
    assert rows(connection, "SELECT x, y FROM points ORDER BY id") == [(None, None), (3, None)]
    assert noted(connection) == [("unrepresentable", '{"id": 1}')] * 2 + [("unrepresentable", '{"id": 2}')]


def test_both_sides_written_differently_the_new_one_wins_and_it_is_noted(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    carry_out(connection, plan_for(PEOPLE, SPLIT), Stage.EXPANDED)
    connection.execute("INSERT INTO people (id, name, first, last) VALUES (1, 'A B', 'C', 'D')")
    connection.execute("INSERT INTO people (id, name, first, last) VALUES (2, 'A B C', 'A B', 'C')")
    connection.execute("INSERT INTO people (id, name, first, last) VALUES (3, 'A B', 'A', 'B')")
    assert rows(connection, "SELECT name, first, last FROM people ORDER BY id") == [
        ("C D", "C", "D"),
        ("A B C", "A B", "C"),
        ("A B", "A", "B"),
    ]
    assert noted(connection) == [("both_written", '{"id": 1}')]


def test_a_mistake_in_an_expression_stops_the_plan_and_not_the_application(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(PEOPLE, SPLIT.replace("down first", "down lower(first, last)"))
    with pytest.raises(psycopg.errors.UndefinedFunction):
        carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO people (id, name) VALUES (1, 'A B')")


SLUG = """
ALTER TABLE people ADD COLUMN slug text;
UPDATE people SET slug = lower(name) || '!' WHERE slug IS NULL;
ALTER TABLE people ALTER COLUMN slug SET NOT NULL;
"""


def test_a_new_column_follows_until_the_new_version_gives_it_a_value_of_its_own(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(PEOPLE, SLUG)
    connection.execute("INSERT INTO people VALUES (1, 'Old'), (2, 'Moved')")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO people (id, name) VALUES (3, 'Blue')")
    connection.execute("UPDATE people SET other = 1 WHERE id = 2")
    assert rows(connection, "SELECT slug FROM people ORDER BY id") == [(None,), ("moved!",), ("blue!",)]
    backfill(connection, plan)
    assert wrong(connection, plan) == []
    carry_out(connection, plan, Stage.VERIFIED)
    connection.execute("UPDATE people SET name = 'Again' WHERE id = 3")
    connection.execute("UPDATE people SET slug = 'own' WHERE id = 1")
    connection.execute("UPDATE people SET name = 'Other' WHERE id = 1")
    connection.execute("INSERT INTO people (id, name, slug) VALUES (4, 'Green', 'green')")
    assert rows(connection, "SELECT slug FROM people ORDER BY id") == [
        ("own",),
        ("moved!",),
        ("again!",),
        ("green",),
    ]
    carry_out(connection, plan, Stage.TOMBSTONED)
    with pytest.raises(psycopg.errors.NotNullViolation):
        connection.execute("INSERT INTO people (id, name) VALUES (5, 'Blue')")


def test_a_column_that_goes_is_filled_for_rows_that_come_without_it(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    schema = "CREATE TABLE people (id int PRIMARY KEY, first text NOT NULL, name text NOT NULL)"
    drop = "-- migsafe: down 'Dr. ' || first\nALTER TABLE people DROP COLUMN name"
    plan = plan_for(schema, drop)
    for stage in (Stage.EXPANDED, Stage.TOMBSTONED):
        carry_out(connection, plan, stage)
    connection.execute("INSERT INTO people (id, first) VALUES (1, 'Ann')")
    take_back(connection, plan, Stage.TOMBSTONED)
    connection.execute("INSERT INTO people (id, first) VALUES (2, 'Lee')")
    connection.execute("UPDATE people SET first = 'Bob' WHERE id = 1")
    assert rows(connection, "SELECT name FROM people ORDER BY id") == [("Dr. Bob",), ("Dr. Lee",)]


@pytest.mark.parametrize(
    ("schema", "migration", "message"),
    [
        (PEOPLE, SPLIT.replace("-- migsafe: down", "--"), "nobody says how name of public.people comes from"),
        (PEOPLE.replace("name text", "name text UNIQUE"), SPLIT, "could refuse what the new version writes"),
        (PEOPLE, SPLIT.replace("first || ' '", "name || ' '"), "reads name, which is dropped"),
        (PEOPLE, SPLIT.replace("first || ' '", "(SELECT 1) || ' '"), "looks into tables"),
        (PEOPLE, SPLIT.replace("first || ' '", "random() || ' '"), "another value every time"),
        (PEOPLE, "ALTER TABLE people ADD COLUMN x int NOT NULL", "nobody says what column x"),
        (
            PEOPLE + "; CREATE VIEW v AS SELECT name FROM people",
            "ALTER TABLE people DROP COLUMN name",
            "used by: view public.v; PostgreSQL refuses to drop it",
        ),
        (
            PEOPLE + "; CREATE VIEW v AS SELECT name FROM people",
            "ALTER TABLE people DROP COLUMN name CASCADE",
            "used by: view public.v; CASCADE would drop them too",
        ),
        (PEOPLE, "ALTER TABLE people DROP COLUMN id", "part of the primary key"),
        (
            PEOPLE.replace("KEY", "KEY DEFAULT 0") + "; CREATE TABLE pets (person int REFERENCES people)",
            "ALTER TABLE people DROP COLUMN id CASCADE",
            "foreign key pets_person_fkey of public.pets",
        ),
        (
            PEOPLE.replace("name text", "name text DEFAULT 'x'"),
            "-- migsafe: down 'y'\nALTER TABLE people DROP COLUMN name",
            "to a trigger that is a value like any other",
        ),
    ],
)
def test_what_has_no_safe_way_is_refused(
    plan_for: Planner, schema: str, migration: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(schema, migration)
