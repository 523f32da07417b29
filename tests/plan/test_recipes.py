"""What can be planned, and what is refused with a reason."""

import re

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.errors import PlanError
from migsafe.plan.conversion.casts import convert
from migsafe.plan.conversion.conversions import Conversion, fill
from migsafe.plan.model import ColumnChange, DdlStep, DownMap, IndexStep, Plan, VerifyStep
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage, Version
from migsafe.sql.operations import (
    TypeName,
)

from .conftest import Planner, carry_out

RENAME = "ALTER TABLE t RENAME COLUMN a TO b"
WIDEN = "ALTER TABLE t ALTER COLUMN a TYPE bigint"


def column_of(plan: Plan) -> ColumnChange:
    (change,) = plan.changes
    assert change.column is not None
    return change.column


@pytest.mark.parametrize(
    ("schema", "migration", "message"),
    [
        ("CREATE TABLE t (a int) PARTITION BY RANGE (a)", RENAME, "partitioned"),
        (
            "CREATE TABLE t (a int); CREATE MATERIALIZED VIEW v AS SELECT a FROM t",
            RENAME,
            "used by: materialized view public.v",
        ),
        ("CREATE TABLE t (a int, c int GENERATED ALWAYS AS (a) STORED)", RENAME, "generated column c"),
        (
            "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT max(a) FROM t; END",
            RENAME,
            "used by: function public.f",
        ),
        (
            "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql"
            " AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER only_a AFTER UPDATE OF a ON t FOR EACH ROW"
            " EXECUTE FUNCTION f()",
            RENAME.replace("TO b", "TO c"),
            "would not fire for what the new version writes",
        ),
        ("CREATE TABLE t (a int UNIQUE REFERENCES t (a))", RENAME, "on both of its sides"),
        ("CREATE TABLE t (a int, EXCLUDE (a WITH =))", RENAME, "exclusion constraint t_a_excl"),
        ("CREATE TABLE t (b int, a int GENERATED ALWAYS AS (1) STORED)", WIDEN, "no primary key"),
        ("CREATE TABLE t (a timestamp)", "ALTER TABLE t ALTER a TYPE timestamptz", "asks for a time zone"),
        ("CREATE TABLE t (a money)", "ALTER TABLE t ALTER a TYPE numeric", "settings of each session"),
        ("CREATE TABLE t (a int, b int)", RENAME, "already has a column b"),
        ("CREATE TABLE t (x int)", RENAME, "no column a; it has: x"),
        ("CREATE TABLE other (a int)", RENAME, r"table t is not known \(known tables: public.other\)"),
        ("CREATE TABLE t (a int)", "CLUSTER t", "no plan makes this safe"),
        ("CREATE TABLE t (a int)", "ALTER TABLE t ADD RIDDLE !", "a statement could not be read"),
        (
            "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS trigger"
            " LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
            "CREATE TRIGGER zzzz BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            RENAME,
            "trigger zzzz on public.t would fire after the sync triggers",
        ),
    ],
)
def test_what_cannot_be_carried_out_safely_is_refused(
    plan_for: Planner, schema: str, migration: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(schema, migration)


def test_a_rename_never_lets_a_version_meet_a_schema_it_does_not_know(plan_for: Planner) -> None:
    plan = plan_for("CREATE TABLE t (a int)", RENAME)
    allowed = plan.compatibility.allows
    assert [stage for stage in Stage if not allowed(Version.BLUE, stage)] == [Stage.TOMBSTONED, Stage.DROPPED]
    assert [stage for stage in Stage if not allowed(Version.GREEN, stage)] == [
        Stage.PLANNED,
        Stage.EXPANDED,
        Stage.BACKFILLED,
    ]
    assert plan.compatibility.violation(Stage.TOMBSTONED, 99) is not None
    assert plan.compatibility.violation(Stage.CANARY, 5) is None


def test_rows_are_verified_after_everything_that_takes_long_and_before_the_swap(plan_for: Planner) -> None:
    plan = plan_for("CREATE TABLE t (id int PRIMARY KEY, a int CHECK (a > 0)); CREATE INDEX ON t (a)", WIDEN)
    verify = plan.steps_to(Stage.VERIFIED)
    kinds = [type(step) for step in verify]
    assert kinds == [IndexStep, DdlStep, DdlStep, DdlStep, VerifyStep, DdlStep]
    assert verify[-1].id == "verify.swap"
    assert plan.down_map is DownMap.LOSSY
    assert "pgbench -M prepared" in plan.warnings[0]


def test_no_default_means_no_scan_under_a_strong_lock(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    plan = plan_for("CREATE TABLE t (a int NOT NULL CHECK (a > 0) UNIQUE); INSERT INTO t VALUES (1)", RENAME)
    notices: list[str] = []
    connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
    connection.execute("SET client_min_messages = debug1")
    carry_out(connection, plan, Stage.EXPANDED)
    connection.execute("UPDATE t SET b = a")
    for step in plan.steps_to(Stage.VERIFIED):
        notices.clear()
        match step:
            case DdlStep(patient=False):
                for statement in step.sql:
                    connection.execute(statement.encode())
                heavy = [text for text in notices if text.startswith(("rewriting", "verifying", "building"))]
                assert heavy == [], step.id
            case DdlStep():
                for statement in step.sql:
                    connection.execute(statement.encode())
            case IndexStep():
                connection.execute(step.sql.encode())
            case _:
                pass


@pytest.mark.parametrize("of", ["TABLE t", "ALL TABLES", "TABLES IN SCHEMA public"])
def test_what_subscribers_need_before_each_stage_is_told(
    plan_for: Planner, connection: psycopg.Connection, of: str
) -> None:
    if "SCHEMA" in of and connection.info.server_version < 150000:
        pytest.skip("for PostgreSQL 15 and newer")
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, a int)")
    connection.execute(f"CREATE PUBLICATION feed FOR {of}".encode())
    told = [text for text in plan_for("", WIDEN).warnings if "is published by feed" in text]
    assert len(told) == 1
    assert "'missing replicated column'" in told[0]
    assert re.search(r"migsafe_new_a_\w+ \(before 'expanded'\)", told[0])
    assert re.search(r"migsafe_tomb_a_\w+ \(before 'verified'\)", told[0])


def test_a_table_that_nobody_subscribes_to_is_not_told_of(plan_for: Planner) -> None:
    plan = plan_for("CREATE TABLE t (id int PRIMARY KEY, a int)", WIDEN)
    assert not any("is published by" in text for text in plan.warnings)


@pytest.mark.parametrize(
    ("schema", "migration"),
    [
        (
            "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "DROP FUNCTION f(int); CREATE FUNCTION f(int) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        ),
        ("CREATE TYPE mood AS ENUM ('a', 'b')", "DROP TYPE mood; CREATE TYPE mood AS ENUM ('a')"),
        (
            "CREATE TABLE t (id int PRIMARY KEY, a int)",
            "ALTER TABLE t DROP COLUMN a; ALTER TABLE t ADD COLUMN a bigint",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE MATERIALIZED VIEW m AS SELECT a FROM t",
            f"DROP MATERIALIZED VIEW m; {WIDEN}; CREATE MATERIALIZED VIEW m AS SELECT a FROM t",
        ),
    ],
)
def test_what_takes_a_name_that_is_not_free_yet_is_refused(
    plan_for: Planner, schema: str, migration: str
) -> None:
    with pytest.raises(PlanError, match="get into each other's way"):
        plan_for(schema, migration)


INTEGERS = ("smallint", "integer", "bigint")
MISFITS = {  # values that no smaller type holds
    "integer": "2147483647",
    "bigint": "9223372036854775807",
    "numeric": "1e30::numeric",
    "text": "'abcdefg'::text",
    "smallint": "32767",
    "timestamp without time zone": "'2024-02-29 12:00'::timestamp",
}


OLD_TYPES = (*INTEGERS, "date", "real", "character varying")
NEW_TYPES = (*INTEGERS, "numeric", "text", "double precision", "timestamp without time zone")


def conversion_of(old: str, new: str) -> Conversion | None:
    modifiers = ("5",) if old == "character varying" else ()
    return convert(TypeName(name=old, modifiers=modifiers), TypeName(name=new))


KNOWN = [(old, new) for old in OLD_TYPES for new in NEW_TYPES if conversion_of(old, new)]


def test_what_a_cast_would_ask_the_session_for_is_not_known() -> None:
    assert conversion_of("date", "timestamp with time zone") is None
    assert conversion_of("date", "bigint") is None
    assert len(KNOWN) > 10


@pytest.mark.parametrize(("old", "new"), KNOWN)
def test_every_known_conversion_holds_on_a_server(old: str, new: str, connection: psycopg.Connection) -> None:
    modifiers = ("5",) if old == "character varying" else ()
    conversion = conversion_of(old, new)
    assert conversion is not None
    samples = {"date": "'2024-02-29'", "character varying": "'abcde'"}.get(old, "'-32768'")
    value = f"{samples}::{old}" + ("(5)" if modifiers else "")
    there_and_back = fill(conversion.down, f"({fill(conversion.up, f'({value})')})")
    query = f"SELECT ({there_and_back}) = {value}, pg_typeof({there_and_back})::text"
    assert connection.execute(query.encode()).fetchone() == (True, old)
    if conversion.fits:
        misfit = f"({MISFITS[new]})"
        nearest = fill(conversion.nearest or "NULL", misfit)
        check = f"SELECT {fill(conversion.fits, misfit)}, ({nearest}) IS NULL"
        assert connection.execute(check.encode()).fetchone() == (False, False)


@pytest.mark.parametrize("using", ["a", '"a"::bigint', "CAST(a AS int8)", "(a)::bigint"])
def test_a_using_clause_that_only_casts_changes_nothing(plan_for: Planner, using: str) -> None:
    plan = plan_for("CREATE TABLE t (a int)", f"{WIDEN} USING {using}")
    assert column_of(plan).new_type == "bigint"


@pytest.mark.parametrize(
    ("using", "message"),
    [
        ("a + b", "reads b as well"),
        ("t.a * 2", "names a column with its table"),
        ("a * random()", "another value every time"),
        ("a + (SELECT 1)", "more than an expression"),
    ],
)
def test_an_expression_that_is_not_one_of_the_columns_value_is_refused(
    plan_for: Planner, using: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for("CREATE TABLE t (a int, b int)", f"{WIDEN} USING {using}")


def test_two_columns_of_a_table_may_be_on_their_way_at_once(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    connection.execute("CREATE TABLE t (a int, x int)")
    connection.execute("CREATE FUNCTION s() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    connection.execute(
        "CREATE TRIGGER zzz_migsafe_0123abcd_update BEFORE UPDATE ON t FOR EACH ROW"
        " WHEN (OLD.x IS DISTINCT FROM NEW.x) EXECUTE FUNCTION s()"
    )
    assert column_of(plan_for("", RENAME)).new == "b"
    with pytest.raises(PlanError, match="used by: trigger zzz_migsafe_0123abcd_update"):
        plan_migration("ALTER TABLE t RENAME x TO y", read_catalog(connection), PlanOptions())


@pytest.mark.parametrize(
    ("event", "fires"),
    [
        ("BEFORE UPDATE", True),
        ("AFTER INSERT OR UPDATE", True),
        ("BEFORE UPDATE OF x", False),
        ("AFTER INSERT OR DELETE", False),
        ("AFTER UPDATE OR DELETE", True),
    ],
)
def test_triggers_that_the_backfill_sets_off_are_told(
    plan_for: Planner, connection: psycopg.Connection, event: str, *, fires: bool
) -> None:
    connection.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    trigger = f"CREATE TRIGGER touch {event} ON t FOR EACH ROW EXECUTE FUNCTION f()"
    plan = plan_for(f"CREATE TABLE t (id int PRIMARY KEY, a int, x int); {trigger}", RENAME)
    assert any("these triggers fire each time: touch" in text for text in plan.warnings) == fires
