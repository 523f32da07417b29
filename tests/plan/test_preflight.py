"""A plan that is older than the schema is found out before its first step."""

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.errors import PlanError
from migsafe.plan.preflight import preflight

from .conftest import Planner

RENAME = "ALTER TABLE t RENAME a TO b"


def test_an_unchanged_database_fits(plan_for: Planner, connection: psycopg.Connection) -> None:
    plan = plan_for(
        "CREATE TABLE t (a text NOT NULL UNIQUE CHECK (a <> '')); CREATE INDEX ON t (lower(a))", RENAME
    )
    assert preflight(plan, read_catalog(connection)) == ()


@pytest.mark.parametrize(
    ("since", "message"),
    [
        ("DROP TABLE t", "table t is not known"),
        ("ALTER TABLE t DROP COLUMN a", "no column a"),
        (
            "ALTER TABLE t ALTER a TYPE varchar(9)",
            r"is character varying\(9\), but the plan was made for text",
        ),
        ("ALTER TABLE t ADD b int", "already has a column b"),
        ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t", "used by: materialized view public.v"),
    ],
)
def test_what_makes_a_plan_impossible_is_refused(
    plan_for: Planner, connection: psycopg.Connection, since: str, message: str
) -> None:
    plan = plan_for("CREATE TABLE t (a text, x int)", RENAME)
    connection.execute(since.encode())
    with pytest.raises(PlanError, match=message):
        preflight(plan, read_catalog(connection))


def test_what_the_plan_would_leave_behind_is_told(plan_for: Planner, connection: psycopg.Connection) -> None:
    plan = plan_for("CREATE TABLE t (a text, x int)", RENAME)
    connection.execute(
        "CREATE INDEX late ON t (x) WHERE a <> ''; ALTER TABLE t ALTER a SET NOT NULL, ADD UNIQUE (a)"
    )
    told = preflight(plan, read_catalog(connection))
    assert "the plan would say otherwise: Drop" in told[-1]
    also = [text.partition("would also say: ")[2] for text in told[:-1]]
    assert also[:3] == [
        "Build index late again on b, while reads and writes go on",
        "Build index t_a_key again on b, while reads and writes go on",
        "Make the new index the constraint t_a_key",
    ]
    if connection.info.server_version < 180000:
        assert also[3:] == [
            "Refuse NULL in b for new rows",
            "Check that no row holds NULL in b, while reads and writes go on",
            "SET NOT NULL on b: no scan, the constraint proves it",
        ]
    else:  # it has a name that is kept
        assert also[3:] == [
            "Add constraint t_a_not_null for new rows",
            "Check constraint t_a_not_null for all rows, while reads and writes go on",
        ]
