"""Indexes, constraints, views, types and functions: what is refused, and what is made again exactly."""

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.errors import PlanError
from migsafe.plan.model import ConcurrentStep, DdlStep
from migsafe.plan.stages import Stage, Version

from .conftest import Planner

TABLE = "CREATE TABLE t (id int PRIMARY KEY, a int, b text);"
VIEW = f"{TABLE} CREATE VIEW v AS SELECT id, a FROM t;"
ENUM = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, mood mood);"
DOMAIN = "CREATE DOMAIN price AS int; CREATE TABLE t (id int PRIMARY KEY, price price);"
FUNCTION = "CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1';"
TRIGGER = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"


@pytest.mark.parametrize(
    ("schema", "migration", "message"),
    [
        (TABLE, "DROP INDEX t_pkey", "the index of the primary key t_pkey of public.t"),
        (TABLE, "DROP INDEX nothing", "index nothing is not known"),
        (TABLE, "DROP INDEX IF EXISTS nothing", "there is no index nothing"),
        (
            f"{TABLE} CREATE UNIQUE INDEX t_a ON t (a); CREATE TABLE u (a int REFERENCES t (a))",
            "DROP INDEX t_a",
            "the foreign key u_a_fkey of public.u needs t_a",
        ),
        (
            "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p DEFAULT;"
            "CREATE INDEX p_a ON p (a)",
            "DROP INDEX p1_a_idx",
            "p1_a_idx is part of the index public.p_a",
        ),
        (
            "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE INDEX p_a ON p (a)",
            "DROP INDEX p_a; CREATE INDEX p_a ON p (a DESC)",
            "its parts would change names",
        ),
        (TABLE, "REINDEX DATABASE postgres", "the system's catalogs"),
        (f"{TABLE} ALTER TABLE t ADD CONSTRAINT e EXCLUDE (a WITH =)", "REINDEX INDEX e", "never built CONC"),
        (
            TABLE,
            "ALTER TABLE t ADD CONSTRAINT e EXCLUDE (a WITH =)",
            "so a unique constraint refuses the same",
        ),
        (
            TABLE.replace(" PRIMARY KEY", ""),
            "ALTER TABLE t ADD CONSTRAINT e EXCLUDE (int4range(a, a) WITH &&)",
            "no primary key",
        ),
        (
            f"{TABLE} CREATE TABLE u (a int REFERENCES t)",
            "ALTER TABLE t DROP CONSTRAINT t_pkey",
            "the foreign key u_a_fkey of public.u needs t_pkey",
        ),
        (
            "CREATE TABLE t (a int CONSTRAINT c CHECK (a > 0)); CREATE TABLE u () INHERITS (t)",
            "ALTER TABLE u DROP CONSTRAINT c",
            "because its parent has it",
        ),
        (f"{VIEW} CREATE VIEW w AS SELECT a FROM v", "DROP VIEW v", "public.v is read by public.w"),
        (VIEW, "ALTER VIEW v RENAME COLUMN a TO b", "cannot have two names in one view"),
        (VIEW, "DROP VIEW v; CREATE VIEW v AS SELECT id FROM t", "has no a, which the version that runs"),
        (VIEW, "DROP VIEW v; CREATE VIEW v AS SELECT * FROM t", "cannot be told from its text"),
        (
            f"{VIEW} CREATE MATERIALIZED VIEW m AS SELECT id FROM v",
            "REFRESH MATERIALIZED VIEW m",
            "no unique",
        ),
        (
            "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE UNIQUE INDEX ON m (a)",
            "REFRESH MATERIALIZED VIEW m WITH NO DATA",
            "empties public.m",
        ),
        (ENUM, "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", "one name at a time"),
        (ENUM, "ALTER TYPE mood RENAME TO feeling", "a domain over it is not compared"),
        (DOMAIN, "ALTER DOMAIN price ADD CONSTRAINT c CHECK (VALUE > 0)", "while all writes there wait"),
        (DOMAIN, "ALTER DOMAIN price SET NOT NULL", "while all writes there wait"),
        (
            f"{DOMAIN} ALTER DOMAIN price ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID",
            "ALTER DOMAIN price VALIDATE CONSTRAINT c",
            "while all writes there wait",
        ),
        ("CREATE SEQUENCE s", "ALTER SEQUENCE s RENAME TO r", "nextval"),
        (FUNCTION, "DROP FUNCTION f(int) CASCADE", "CASCADE drops whatever uses"),
        (FUNCTION, "DROP FUNCTION f(text)", "function f is not known"),
        (
            TABLE + TRIGGER,
            "CREATE TRIGGER zzzz BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "would fire after the sync triggers",
        ),
    ],
)
def test_what_has_no_gentle_way_is_refused_with_its_reason(
    plan_for: Planner, schema: str, migration: str, message: str
) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(schema, migration)


@pytest.mark.parametrize(
    ("schema", "migration"),
    [
        (f"{TABLE} CREATE INDEX i ON t (a)", "DROP INDEX i"),
        (f"{TABLE} ALTER TABLE t ADD CONSTRAINT u UNIQUE (a)", "ALTER TABLE t DROP CONSTRAINT u"),
        (VIEW, "DROP VIEW v"),
        (FUNCTION, "DROP FUNCTION f(int)"),
        (
            f"{TABLE}{TRIGGER} CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "DROP TRIGGER x ON t",
        ),
    ],
)
def test_what_the_old_version_may_need_is_there_while_it_runs(
    plan_for: Planner, schema: str, migration: str
) -> None:
    plan = plan_for(schema, migration)
    assert {step.stage for step in plan.steps} <= {Stage.TOMBSTONED, Stage.DROPPED}
    assert plan.compatibility.allows(Version.BLUE, Stage.FENCED)
    assert not plan.compatibility.allows(Version.BLUE, Stage.TOMBSTONED)
    assert plan.compatibility.allows(Version.GREEN, Stage.CANARY)


def test_an_exclusion_constraint_goes_last_because_it_cannot_come_back(plan_for: Planner) -> None:
    schema = f"{TABLE} ALTER TABLE t ADD CONSTRAINT e EXCLUDE (a WITH =)"
    (step,) = plan_for(schema, "ALTER TABLE t DROP CONSTRAINT e").steps
    assert (step.stage, step.undo) == (Stage.DROPPED, ())


def test_what_a_broken_reindex_left_is_found_and_cleared_away(
    plan_for: Planner, connection: psycopg.Connection
) -> None:
    schema = f"{TABLE} CREATE INDEX i ON t (a); INSERT INTO t SELECT n, 1 FROM generate_series(1, 9) n"
    build, clear = plan_for(schema, "REINDEX INDEX i").steps
    assert isinstance(build, ConcurrentStep)
    assert isinstance(clear, ConcurrentStep)

    def holds(condition: str) -> object:
        row = connection.execute(f"SELECT {condition}".encode()).fetchone()
        return row[0] if row else None

    assert (holds(build.broken), holds(clear.done)) == (False, True)
    # A unique build over duplicates leaves an invalid index, as a REINDEX does that is broken off.
    for ending in ("ccnew", "ccold"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(f"CREATE UNIQUE INDEX CONCURRENTLY i_{ending} ON t (a)".encode())
    assert (holds(build.broken), holds(clear.done)) == (True, False)
    connection.execute(build.mend.encode())
    connection.execute(clear.sql.encode())
    assert (holds(build.broken), holds(clear.done)) == (False, True)


def test_a_view_made_again_has_all_that_it_had(plan_for: Planner, connection: psycopg.Connection) -> None:
    schema = (
        f"{TABLE} CREATE VIEW v WITH (security_barrier) AS SELECT id, a FROM t WHERE a > 1;"
        "COMMENT ON VIEW v IS 'it''s 100 %'; COMMENT ON COLUMN v.a IS 'a';"
        "ALTER VIEW v ALTER a SET DEFAULT 4;"
        "GRANT SELECT, INSERT ON v TO pg_monitor WITH GRANT OPTION; GRANT UPDATE (a) ON v TO PUBLIC;"
        "CREATE RULE quiet AS ON DELETE TO v DO INSTEAD NOTHING"
    )
    plan = plan_for(schema, "CREATE OR REPLACE VIEW v AS SELECT id, a, b FROM t")
    (step,) = plan.steps
    assert isinstance(step, DdlStep)
    before = read_catalog(connection).views
    for statement in (*step.sql, *step.undo):
        connection.execute(statement.encode())
    assert read_catalog(connection).views == before
    assert len(next(iter(before.values())).adorned) == 7


def test_a_new_default_of_an_argument_is_told_to_stay(plan_for: Planner) -> None:
    body = "RETURNS int LANGUAGE sql AS 'SELECT 1'"
    stays = plan_for(FUNCTION, f"CREATE OR REPLACE FUNCTION f(a int DEFAULT 2) {body}")
    assert stays.steps[0].undo == ()
    assert any("is not taken back by a revert" in text for text in stays.warnings)


def test_the_old_body_of_a_function_comes_back(plan_for: Planner) -> None:
    plan = plan_for(FUNCTION, "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT 2'")
    (undo,) = plan.steps[0].undo
    assert "SELECT 1" in undo
