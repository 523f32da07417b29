"""The sync triggers, on a real server, under writes of both versions in any order."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, Plan
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import OnMisfit

from .conftest import Planner, carry_out, take_back

USERS = "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, other int)"
RENAME = "ALTER TABLE users RENAME name TO full_name"
ACCOUNTS = "CREATE TABLE accounts (id int PRIMARY KEY, balance int DEFAULT 0)"
WIDEN = "ALTER TABLE accounts ALTER balance TYPE bigint"


def rows(connection: psycopg.Connection, columns: str, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT {columns} FROM {table} ORDER BY id".encode()).fetchall()


def noted(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT kind, detail FROM migsafe.noted ORDER BY 1, 2").fetchall()


def test_each_version_reads_what_the_other_wrote(plan_for: Planner, connection: psycopg.Connection) -> None:
    plan = plan_for(USERS, RENAME)
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO users (id, name) VALUES (1, 'blue')")
    connection.execute("INSERT INTO users (id, full_name) VALUES (2, 'green')")
    connection.execute("UPDATE users SET full_name = 'green was here' WHERE id = 1")
    connection.execute("UPDATE users SET name = 'blue was here' WHERE id = 2")
    connection.execute("UPDATE users SET other = 1")
    assert rows(connection, "name, full_name", "users") == [
        ("green was here", "green was here"),
        ("blue was here", "blue was here"),
    ]
    assert noted(connection) == []


def test_a_row_from_before_is_filled_by_any_update_of_it(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    connection.execute(USERS)
    connection.execute("INSERT INTO users VALUES (1, 'old', 0), (2, 'old', 0)")
    carry_out(connection, plan_for("", RENAME), Stage.EXPANDED)
    connection.execute("UPDATE users SET other = 1 WHERE id = 1")
    assert rows(connection, "full_name", "users") == [("old",), (None,)]


def test_an_unrelated_update_leaves_a_value_alone_that_did_not_fit(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(ACCOUNTS + "; ALTER TABLE accounts ADD note int", WIDEN, new_column="balance64")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO accounts (id, balance64) VALUES (1, 3000000000)")
    connection.execute("UPDATE accounts SET note = 1")
    assert rows(connection, "balance, balance64", "accounts") == [(None, 3_000_000_000)]


def test_the_new_side_wins_where_both_were_written_and_it_is_noted(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    carry_out(connection, plan_for(USERS, RENAME), Stage.EXPANDED)
    connection.execute("INSERT INTO users (id, name, full_name) VALUES (1, 'old', 'new')")
    connection.execute("INSERT INTO users (id, name, full_name) VALUES (2, 'same', 'same')")
    connection.execute("UPDATE users SET name = 'o', full_name = 'n' WHERE id = 2")
    assert rows(connection, "name, full_name", "users") == [("new", "new"), ("n", "n")]
    assert noted(connection) == [("both_written", '{"id": 1}'), ("both_written", '{"id": 2}')]


def test_copy_and_on_conflict_are_synced_too(plan_for: Planner, connection: psycopg.Connection) -> None:
    carry_out(connection, plan_for(USERS, RENAME), Stage.EXPANDED)
    with connection.cursor().copy("COPY users (id, name) FROM STDIN") as copy:
        copy.write_row((1, "copied"))
    upsert = (
        "INSERT INTO users (id, {0}) VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET {0} = excluded.{0}"
    )
    connection.execute(sql.SQL(upsert).format(sql.Identifier("full_name")))
    assert rows(connection, "name, full_name", "users") == [("again", "again")]


def test_a_value_that_does_not_fit_never_fails_the_application(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(ACCOUNTS, WIDEN, new_column="balance64")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO accounts (id, balance64) VALUES (1, 3000000000), (2, 7)")
    connection.execute("INSERT INTO accounts (id) VALUES (3)")
    assert rows(connection, "balance, balance64", "accounts") == [(None, 3_000_000_000), (7, 7), (0, 0)]
    assert noted(connection) == [("unrepresentable", '{"id": 1}')]


def test_a_column_that_refuses_null_gets_the_nearest_value(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(ACCOUNTS.replace("DEFAULT 0", "NOT NULL"), WIDEN, new_column="balance64")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO accounts (id, balance64) VALUES (1, 3000000000), (2, -3000000000)")
    assert rows(connection, "balance", "accounts") == [(2_147_483_647,), (-2_147_483_648,)]


def test_a_plan_may_let_such_a_write_fail(plan_for: Planner, connection: psycopg.Connection) -> None:
    plan = plan_for(ACCOUNTS, WIDEN, new_column="balance64", on_misfit=OnMisfit.FAIL)
    carry_out(connection, plan, Stage.EXPANDED)
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        connection.execute("INSERT INTO accounts (id, balance64) VALUES (1, 3000000000)")


def test_null_is_refused_as_a_substitute_where_the_column_forbids_it(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="NOT NULL"):
        plan_for(
            ACCOUNTS.replace("DEFAULT 0", "NOT NULL"),
            WIDEN,
            new_column="balance64",
            on_misfit=OnMisfit.NULL,
        )


def test_a_change_that_equality_does_not_see_is_a_change(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    schema = "CREATE TABLE facts (id int PRIMARY KEY, value numeric, doc json, at point)"
    for column in ("value", "doc", "at"):
        connection.execute("DROP SCHEMA IF EXISTS migsafe CASCADE; DROP TABLE IF EXISTS facts")
        rename = f"ALTER TABLE facts RENAME {column} TO renamed"
        carry_out(connection, plan_for(schema, rename), Stage.EXPANDED)
        before, after = {"value": ("1.0", "1.000"), "doc": ("{}", "{ }"), "at": ("(1,2)", "(1,3)")}[column]
        insert = sql.SQL("INSERT INTO facts (id, {}) VALUES (1, {})")
        connection.execute(insert.format(sql.Identifier(column), sql.Literal(before)))
        update = sql.SQL("UPDATE facts SET {} = {}").format(sql.Identifier(column), sql.Literal(after))
        connection.execute(update)
        assert rows(connection, "renamed::text", "facts") == [(after,)]


def test_an_insert_without_a_column_list_reaches_the_new_shape_after_the_swap(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for(ACCOUNTS, WIDEN)
    for stage in (Stage.EXPANDED, Stage.VERIFIED):
        carry_out(connection, plan, stage)
    connection.execute("INSERT INTO accounts VALUES (1, 42)")
    connection.execute("INSERT INTO accounts (id, balance) VALUES (2, 3000000000)")
    connection.execute("INSERT INTO accounts (id) VALUES (3)")
    assert rows(connection, "balance", "accounts") == [(42,), (3_000_000_000,), (0,)]
    assert noted(connection) == [("old_shape_written", '{"id": 1}'), ("unrepresentable", '{"id": 2}')]


def test_names_that_need_quotes_work_everywhere(plan_for: Planner, connection: psycopg.Connection) -> None:
    long = "é" * 30
    schema = f'CREATE SCHEMA "My Schema"; CREATE TABLE "My Schema"."a.b" (id int, "{long}" text DEFAULT \'\')'
    rename = f'ALTER TABLE "My Schema"."a.b" RENAME "{long}" TO "new ""name"""'
    plan = plan_for(schema, rename)
    for stage in (Stage.EXPANDED, Stage.VERIFIED, Stage.TOMBSTONED, Stage.DROPPED):
        carry_out(connection, plan, stage)
    columns = connection.execute(
        'SELECT attname FROM pg_attribute WHERE attrelid = \'"My Schema"."a.b"\'::regclass'
        " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    ).fetchall()
    assert columns == [("id",), ('new "name"',)]


Write = tuple[str, str, int, int | None]
values = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from([2**31 - 1, -(2**31)]))
writes = st.lists(
    st.tuples(
        st.sampled_from(["insert", "update", "both", "unrelated"]),
        st.sampled_from(["old", "new"]),
        st.integers(1, 3),
        values,
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=writes, during=writes, after=writes)
def test_both_sides_are_equal_whatever_is_written_in_any_order(
    connection: psycopg.Connection,
    plan_for: Planner,
    before: list[Write],
    during: list[Write],
    after: list[Write],
) -> None:
    connection.execute("DROP SCHEMA IF EXISTS migsafe CASCADE; DROP TABLE IF EXISTS accounts")
    plan = plan_for(ACCOUNTS.replace("DEFAULT 0", ", note int"), WIDEN, new_column="balance64")
    only_old = [write for write in before if write[1] == "old" and write[0] != "both"]
    apply(connection, only_old)
    carry_out(connection, plan, Stage.EXPANDED)
    only_blue = [write for write in during if write[1] == "old" and write[0] != "both"]
    apply(connection, only_blue)
    backfill(connection, plan)
    assert unequal(connection) == []
    apply(connection, after)
    assert unequal(connection) == []


def apply(connection: psycopg.Connection, wanted: list[Write]) -> None:
    columns = {"old": "balance", "new": "balance64"}
    for kind, side, key, value in wanted:
        column = columns[side]
        match kind:
            case "insert":
                query = (
                    f"INSERT INTO accounts (id, {column}) VALUES (%(id)s, %(value)s) ON CONFLICT DO NOTHING"
                )
            case "update":
                query = f"UPDATE accounts SET {column} = %(value)s WHERE id = %(id)s"
            case "both":
                query = "UPDATE accounts SET balance = %(value)s, balance64 = %(id)s WHERE id = %(id)s"
            case _:
                query = "UPDATE accounts SET note = %(value)s WHERE id = %(id)s"
        connection.execute(query.encode(), {"id": key, "value": value})


def backfill(connection: psycopg.Connection, plan: Plan) -> None:
    (step,) = plan.steps_to(Stage.BACKFILLED)
    assert isinstance(step, BackfillStep)
    connection.execute(f"UPDATE accounts SET {step.assignments} WHERE {step.pending}".encode())


def unequal(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    query = "SELECT id, balance, balance64 FROM accounts WHERE balance IS DISTINCT FROM balance64"
    return connection.execute(query).fetchall()


def test_taking_every_stage_back_restores_the_table(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    schema = (
        "CREATE TABLE teams (id int PRIMARY KEY);"
        "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x' CHECK (name <> ''), team int,"
        " UNIQUE (name, team)); CREATE INDEX lower_name ON users (lower(name)) WHERE name <> 'y'"
    )
    plan = plan_for(schema, RENAME)
    connection.execute("INSERT INTO users (id) VALUES (1)")
    before = describe(connection)
    forward = (Stage.EXPANDED, Stage.BACKFILLED, Stage.VERIFIED, Stage.TOMBSTONED)
    for stage in forward:
        carry_out(connection, plan, stage)
        if stage is Stage.BACKFILLED:
            connection.execute("UPDATE users SET full_name = name")
    connection.execute("INSERT INTO users (id, full_name) VALUES (2, 'green')")
    for stage in reversed(forward):
        take_back(connection, plan, stage)
    assert describe(connection) == before
    assert rows(connection, "name", "users") == [("x",), ("green",)]


def test_the_end_is_what_the_naive_migration_would_have_made(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    schema = (
        "CREATE TABLE teams (code text PRIMARY KEY);"
        "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x' CHECK (name <> '')"
        " REFERENCES teams (code) ON DELETE CASCADE, UNIQUE (name) DEFERRABLE);"
        "CREATE INDEX lower_name ON users (lower(name)) INCLUDE (name)"
    )
    plan = plan_for(schema, RENAME)
    for stage in (Stage.EXPANDED, Stage.VERIFIED, Stage.TOMBSTONED, Stage.DROPPED):
        carry_out(connection, plan, stage)
    ours = describe(connection)
    connection.execute("DROP TABLE users, teams")
    connection.execute(schema)
    connection.execute("ALTER TABLE users RENAME COLUMN name TO full_name")
    assert ours == describe(connection)


def describe(connection: psycopg.Connection) -> set[tuple[Any, ...]]:
    """Columns, constraints, indexes and triggers of `users`, but for PostgreSQL 18's names of NOT NULL."""
    query = """
        SELECT 'column', attname, format_type(atttypid, atttypmod) || attnotnull::text,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT 'constraint', conname, pg_get_constraintdef(oid), convalidated::text
        FROM pg_constraint WHERE conrelid = 'users'::regclass AND contype <> 'n'
        UNION ALL
        SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text
        FROM pg_index WHERE indrelid = 'users'::regclass
        UNION ALL
        SELECT 'trigger', tgname, '', ''
        FROM pg_trigger WHERE tgrelid = 'users'::regclass AND NOT tgisinternal
    """
    return set(connection.execute(query).fetchall())
