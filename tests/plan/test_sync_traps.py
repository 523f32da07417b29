"""Where triggers that keep two columns equal go wrong: each trap on a real server."""

import uuid
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from migsafe.catalog.live import read_catalog
from migsafe.plan.conversion.conversions import IDENTITY
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.plan.sync.pair import Side, Sync, create_triggers
from migsafe.rollout.gates import Situation, Verdict
from migsafe.rollout.gates.database import SyncGate
from migsafe.run.runner import hold
from migsafe.sql.names import Name
from migsafe.sql.operations import TypeName

from .conftest import NOTE_SYNC, Planner, carry_out

USERS = "CREATE TABLE users (id int PRIMARY KEY, name text, other int)"
RENAME = "ALTER TABLE users RENAME name TO full_name"
ACCOUNTS = "CREATE TABLE accounts (id int PRIMARY KEY, balance int, note int)"
WIDEN = "ALTER TABLE accounts ALTER balance TYPE bigint"
TEXT = TypeName(name="text")


def rows(connection: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query.encode()).fetchall()


def both(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows(connection, "SELECT id, name, full_name FROM users ORDER BY id")


def noted(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return rows(connection, "SELECT kind, detail FROM migsafe.noted ORDER BY 1, 2")


@pytest.fixture
def renaming(plan_for: Planner, connection: psycopg.Connection) -> psycopg.Connection:
    """The table of users while both names are in use."""
    carry_out(connection, plan_for(USERS, RENAME), Stage.EXPANDED)
    return connection


@pytest.fixture
def widening(plan_for: Planner, connection: psycopg.Connection) -> psycopg.Connection:
    """The table of accounts while both types are in use."""
    carry_out(connection, plan_for(ACCOUNTS, WIDEN, new_column="balance64"), Stage.EXPANDED)
    return connection


def calls(connection: psycopg.Connection, statement: str) -> int:
    """How often a statement enters our functions."""
    with connection.transaction():
        connection.execute("SET LOCAL track_functions = 'all'")
        query = "SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions WHERE schemaname = 'migsafe'"
        before = int(rows(connection, query)[0][0])  # what was not yet reported counts as well
        connection.execute(statement.encode())
        return int(rows(connection, query)[0][0]) - before


def test_what_does_not_concern_both_sides_never_enters_a_function(renaming: psycopg.Connection) -> None:
    insert = "INSERT INTO users (id, name) SELECT i, 'n' FROM generate_series(1, 10) i"
    assert calls(renaming, insert) == 10
    assert calls(renaming, "UPDATE users SET other = 1") == 0
    assert calls(renaming, "UPDATE users SET name = name, other = 2") == 0
    assert calls(renaming, "UPDATE users SET name = 'x', full_name = 'x'") == 0
    assert calls(renaming, "INSERT INTO users (id, other) VALUES (11, 1)") == 0
    assert calls(renaming, "INSERT INTO users (id, name, full_name) VALUES (12, 'y', 'y')") == 0
    assert calls(renaming, "UPDATE users SET full_name = 'green' WHERE id = 1") == 1


def test_a_value_that_did_not_fit_stays_while_other_columns_are_written(
    widening: psycopg.Connection,
) -> None:
    widening.execute("INSERT INTO accounts (id, balance64) VALUES (1, 3000000000)")
    widening.execute("UPDATE accounts SET note = 1")
    widening.execute("UPDATE accounts SET balance = balance, note = 2")
    assert rows(widening, "SELECT balance, balance64 FROM accounts") == [(None, 3_000_000_000)]
    assert noted(widening) == [("unrepresentable", '{"id": 1}')]
    widening.execute("UPDATE accounts SET balance = 5")
    assert rows(widening, "SELECT balance, balance64 FROM accounts") == [(5, 5)]


def test_merge_is_synced_on_both_branches(renaming: psycopg.Connection) -> None:
    if renaming.info.server_version < 150000:
        pytest.skip("MERGE is of PostgreSQL 15")
    renaming.execute("INSERT INTO users (id, name) VALUES (1, 'old')")
    merge = (
        "MERGE INTO users u USING (VALUES (1, 'm1'), (2, 'm2')) v (id, name) ON u.id = v.id "
        "WHEN MATCHED THEN UPDATE SET {0} = v.name "
        "WHEN NOT MATCHED THEN INSERT (id, {0}) VALUES (v.id, v.name)"
    )
    renaming.execute(sql.SQL(merge).format(sql.Identifier("name")))
    assert both(renaming) == [(1, "m1", "m1"), (2, "m2", "m2")]
    renaming.execute("UPDATE users SET name = 'x'")
    renaming.execute(sql.SQL(merge).format(sql.Identifier("full_name")))
    assert both(renaming) == [(1, "m1", "m1"), (2, "m2", "m2")]
    assert noted(renaming) == []


def test_on_conflict_sees_both_sides_in_what_was_excluded(renaming: psycopg.Connection) -> None:
    for given, kept in (("name", "full_name"), ("full_name", "name")):
        renaming.execute(
            sql.SQL(
                "INSERT INTO users (id, {0}) VALUES (1, {2}) "
                "ON CONFLICT (id) DO UPDATE SET {1} = excluded.{1}"
            ).format(sql.Identifier(given), sql.Identifier(kept), sql.Literal(f"by {given}"))
        )
        assert both(renaming) == [(1, f"by {given}", f"by {given}")]
    assert noted(renaming) == []


def test_returning_gives_what_sync_made_of_the_row(renaming: psycopg.Connection) -> None:
    insert = "INSERT INTO users (id, name) VALUES (1, 'a') RETURNING full_name"
    assert rows(renaming, insert) == [("a",)]
    assert rows(renaming, "UPDATE users SET full_name = 'b' RETURNING name, full_name") == [("b", "b")]


def test_rows_of_the_old_shape_and_of_both_may_be_inserted_by_position(renaming: psycopg.Connection) -> None:
    renaming.execute("CREATE TABLE staging (id int, name text, other int)")
    renaming.execute("INSERT INTO staging VALUES (1, 'a', 1), (2, NULL, 2)")
    renaming.execute("INSERT INTO users SELECT * FROM staging")
    renaming.execute("CREATE TABLE copy AS SELECT * FROM users; DELETE FROM users")
    renaming.execute("INSERT INTO users SELECT * FROM copy")
    assert both(renaming) == [(1, "a", "a"), (2, None, None)]
    assert noted(renaming) == []


def test_copy_without_a_column_list_is_synced(renaming: psycopg.Connection) -> None:
    with renaming.cursor().copy("COPY users FROM STDIN") as copy:
        copy.write("1\tx\t\\N\tx\n2\ty\t\\N\t\\N\n3\t\\N\t\\N\tz\n")
    assert both(renaming) == [(1, "x", "x"), (2, "y", "y"), (3, "z", "z")]


def test_foreign_keys_that_cascade_are_synced(plan_for: Planner, connection: psycopg.Connection) -> None:
    schema = (
        "CREATE TABLE teams (code text PRIMARY KEY);"
        "CREATE TABLE users (id int PRIMARY KEY, other int,"
        " name text REFERENCES teams ON UPDATE CASCADE ON DELETE SET NULL)"
    )
    plan = plan_for(schema, RENAME)
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute(
        "INSERT INTO teams VALUES ('a'), ('b'); INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b')"
    )
    connection.execute("UPDATE teams SET code = 'c' WHERE code = 'a'; DELETE FROM teams WHERE code = 'b'")
    assert both(connection) == [(1, "c", "c"), (2, None, None)]
    carry_out(connection, plan, Stage.VERIFIED)  # now there is a foreign key on each side
    connection.execute("UPDATE teams SET code = 'd' WHERE code = 'c'")
    assert both(connection) == [(1, "d", "d"), (2, None, None)]
    connection.execute("DELETE FROM teams")
    assert both(connection) == [(1, None, None), (2, None, None)]
    assert noted(connection) == []


def test_rows_that_move_between_partitions_are_synced(connection: psycopg.Connection) -> None:
    connection.execute(NOTE_SYNC)
    connection.execute(
        "CREATE TABLE users (id int, name text, full_name text, other int) PARTITION BY RANGE (other);"
        "CREATE TABLE users_1 PARTITION OF users FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE users_2 PARTITION OF users FOR VALUES FROM (10) TO (20)"
    )
    sync = Sync(
        rollout="r",
        tag="0123abcd",
        table=Name("users", "public"),
        key=("id",),
        old=Side(column="name", type=TEXT),
        new=Side(column="full_name", type=TEXT),
        conversion=IDENTITY,
    )
    for statement in create_triggers(sync):
        connection.execute(statement.encode())
    connection.execute("INSERT INTO users (id, name, other) VALUES (1, 'a', 1), (2, 'b', 11)")
    connection.execute("UPDATE users SET other = 15, full_name = 'moved' WHERE id = 1")
    connection.execute("UPDATE users SET other = 5, name = 'back' WHERE id = 2")
    connection.execute("UPDATE users SET other = 11 - other / 2")
    assert both(connection) == [(1, "moved", "moved"), (2, "back", "back")]
    assert noted(connection) == []


def test_what_a_trigger_of_the_application_changes_is_synced(renaming: psycopg.Connection) -> None:
    renaming.execute(
        "CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN NEW.name := lower(NEW.name); RETURN NEW; END';"
        "CREATE TRIGGER tidy BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION tidy()"
    )
    renaming.execute("INSERT INTO users (id, name) VALUES (1, 'ABC')")
    renaming.execute("UPDATE users SET name = 'X'")
    assert both(renaming) == [(1, "x", "x")]
    renaming.execute("ALTER TABLE users DISABLE TRIGGER tidy; UPDATE users SET name = 'LOUD'")
    renaming.execute("ALTER TABLE users ENABLE TRIGGER tidy; UPDATE users SET other = 1")  # and not the name
    assert both(renaming) == [(1, "loud", "loud")]


def test_a_generated_column_beside_them_is_right(plan_for: Planner, connection: psycopg.Connection) -> None:
    schema = USERS.replace("other int", "other int, twice int GENERATED ALWAYS AS (other * 2) STORED")
    carry_out(connection, plan_for(schema, RENAME), Stage.EXPANDED)
    connection.execute("INSERT INTO users (id, name, other) VALUES (1, 'a', 2)")
    connection.execute("UPDATE users SET full_name = 'b', other = 3")
    assert rows(connection, "SELECT name, full_name, twice FROM users") == [("b", "b", 6)]


def test_an_application_without_rights_or_search_path_is_synced_and_noted(
    connection: psycopg.Connection, database: str
) -> None:
    """With row-level security, too, which hides some of the rows from it."""
    role = f"app_{uuid.uuid4().hex[:8]}"
    connection.execute(USERS)
    connection.execute(
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY mine ON users USING (other < 10) WITH CHECK (other <> 7)"
    )
    connection.execute("INSERT INTO users VALUES (90, 'hidden', 90)")
    connection.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'p'; GRANT SELECT, INSERT, UPDATE ON users TO {role}".encode()
    )
    plan = plan_migration(RENAME, read_catalog(connection), PlanOptions())
    login = {**conninfo.conninfo_to_dict(database), "user": role, "password": "p"}
    dsn = conninfo.make_conninfo("", **{key: str(value) for key, value in login.items()})
    try:
        with hold(plan, database) as runner:
            runner.advance(Stage.EXPANDED)
        with psycopg.connect(dsn, autocommit=True) as app:
            app.execute("SET search_path = ''")
            app.execute("INSERT INTO public.users (id, name, other) VALUES (1, 'a', 1)")
            app.execute("UPDATE public.users SET full_name = 'b'")
            app.execute("UPDATE public.users SET name = 'c', full_name = 'd' WHERE id = 1")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                app.execute("UPDATE public.users SET full_name = 'e', other = 7")
        assert both(connection) == [(1, "d", "d"), (90, "hidden", None)]
        events = "SELECT kind, detail FROM migsafe.sync_event"
        assert rows(connection, events) == [("both_written", '{"id": 1}')]
    finally:
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_rows_that_replication_applies_are_synced(renaming: psycopg.Connection) -> None:
    """A subscription's worker runs so; and where both sides come already, nothing is done again."""
    renaming.execute("SET session_replication_role = replica")
    renaming.execute("INSERT INTO users (id, name) VALUES (1, 'a'), (2, 'b')")
    renaming.execute("UPDATE users SET full_name = 'c' WHERE id = 2")
    assert both(renaming) == [(1, "a", "a"), (2, "c", "c")]
    assert calls(renaming, "INSERT INTO users (id, name, full_name) VALUES (3, 'd', 'd')") == 0


def test_the_gate_notices_triggers_that_are_switched_off(
    connection: psycopg.Connection, database: str
) -> None:
    connection.execute(USERS)
    plan = plan_migration(RENAME, read_catalog(connection), PlanOptions())
    with hold(plan, database) as runner:
        runner.advance(Stage.EXPANDED)
    gate = SyncGate("sync", {}, dsn=database, rollout=plan.name)
    try:
        assert gate.read(Situation(green_percent=5)).verdict is Verdict.PASS
        connection.execute("ALTER TABLE users DISABLE TRIGGER ALL")
        seen = gate.read(Situation(green_percent=5))
        assert (seen.verdict, "of users is switched off" in seen.text) == (Verdict.FAIL, True)
        connection.execute("ALTER TABLE users ENABLE TRIGGER ALL")  # as ORIGIN: good enough for it
        assert gate.read(Situation(green_percent=5)).verdict is Verdict.PASS
    finally:
        gate.close()


def test_a_big_value_that_is_not_changed_stays_where_it_is(renaming: psycopg.Connection) -> None:
    renaming.execute(
        "ALTER TABLE users ALTER name SET STORAGE EXTERNAL, ALTER full_name SET STORAGE EXTERNAL;"
        "INSERT INTO users (id, name) VALUES (1, repeat('abc', 100000))"
    )
    size = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = 'users'"
    before = rows(renaming, size)
    for _ in range(5):
        renaming.execute("UPDATE users SET other = coalesce(other, 0) + 1")
    assert rows(renaming, size) == before
    assert rows(renaming, "SELECT name = full_name, length(full_name) FROM users") == [(True, 300_000)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("double precision", ["'NaN'", "'-0'", "'0'", "'-0'", "'Infinity'", "NULL", "1"]),
        ("real", ["'NaN'", "0", "'-0'", "NULL"]),
        ("numeric", ["'NaN'", "1.0", "1.00", "NULL", "'1e-3'"]),
        ("char(5)", ["'a'", "'a  '", "'b'", "NULL", "''"]),
        ("json", ["'{}'", "'{ }'", "'null'", "NULL"]),
        ("jsonb", ["'{\"a\": 1.0}'", "'{\"a\": 1.00}'", "'null'", "NULL"]),
        ("point", ["'(1,2)'", "'(1,2.0000000001)'", "NULL"]),
        ("interval", ["'24 hours'", "'1 day'", "NULL"]),
        ("timetz", ["'12:00+01'", "'11:00+00'", "NULL"]),
        ("text[]", ["'{a}'", "'{a,NULL}'", "'[2:2]={a}'", "'{}'", "NULL"]),
        ("inet", ["'10.0.0.1'", "'10.0.0.1/8'", "NULL"]),
        ("bit varying", ["'10'", "'100'", "''", "NULL"]),
        ("tsvector", ["'a:1'", "'a:1A'", "NULL"]),
        ("int4range", ["'[1,3)'", "'[1,2]'", "'empty'", "NULL"]),
        ("uuid", ["'00000000-0000-0000-0000-000000000001'", "NULL"]),
        ("bytea", ["'\\x00'", "''", "NULL"]),
        ("timestamptz", ["'infinity'", "'2025-01-01 00:00+00'", "NULL"]),
        ("mood", ["'good'", "'bad'", "NULL"]),
        ("pair", ["'(1,a)'", "'(1,)'", "'(,)'", "NULL"]),
    ],
)
def test_every_change_of_a_value_of_every_type_is_seen_from_both_sides(
    plan_for: Planner, connection: psycopg.Connection, kind: str, values: list[str]
) -> None:
    schema = (
        "CREATE TYPE mood AS ENUM ('good', 'bad'); CREATE TYPE pair AS (n int, t text);"
        f"CREATE TABLE users (id int PRIMARY KEY, name {kind}, other int)"
    )
    carry_out(connection, plan_for(schema, RENAME), Stage.EXPANDED)
    connection.execute("INSERT INTO users (id) VALUES (1)")
    for column in ("name", "full_name"):
        for value in values:
            connection.execute(f"UPDATE users SET {column} = {value}".encode())
            same = rows(connection, "SELECT ROW(name)::record *= ROW(full_name)::record FROM users")
            wanted = rows(connection, f"SELECT ({value}::{kind})::text")
            assert same == [(True,)], (column, value)
            assert rows(connection, f"SELECT {column}::{kind}::text FROM users") == wanted
    assert noted(connection) == []


def test_a_collation_for_which_other_letters_are_equal_hides_no_change(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    try:
        connection.execute(
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("a server without ICU")
    plan = plan_for(USERS.replace("name text", "name text COLLATE loose"), RENAME)
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("INSERT INTO users (id, name) VALUES (1, 'Abc')")
    connection.execute("UPDATE users SET name = 'ABC'")
    assert both(connection) == [(1, "ABC", "ABC")]
    connection.execute("UPDATE users SET full_name = 'abc'")
    assert both(connection) == [(1, "abc", "abc")]
