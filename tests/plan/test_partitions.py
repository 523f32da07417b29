"""Partitions come and go without a scan, as PostgreSQL itself says it."""

import psycopg
import pytest
from psycopg.errors import CheckViolation

from migsafe.catalog.live import read_catalog
from migsafe.errors import PlanError
from migsafe.plan.model import ConcurrentStep, DdlStep, Plan
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage

from .cases import load_cases
from .conftest import Planner, carry_out

JOINS = {
    name: case
    for name, case in load_cases().items()
    if name.startswith(("partitions/attach", "partitions/create-"))
}
_SCANS = ("verifying table", "rewriting table", "building index", "validating foreign key")
_EVENTS = """
CREATE TABLE events (at integer NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (10);
"""
_REST = "CREATE TABLE events_rest PARTITION OF events DEFAULT;"


@pytest.mark.parametrize("name", JOINS)
def test_the_step_that_attaches_reads_no_row(connection: psycopg.Connection, name: str) -> None:
    case = JOINS[name]
    connection.execute(case.schema.encode())
    plan = plan_migration(case.migration, read_catalog(connection), PlanOptions())
    carry_out(connection, plan, Stage.EXPANDED)
    said: list[str] = []
    connection.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    *before, attach = plan.steps_to(Stage.VERIFIED)
    for each in before:
        if isinstance(each, DdlStep):
            for statement in each.sql:
                connection.execute(statement.encode())
        elif hasattr(each, "sql"):
            connection.execute(each.sql.encode())
    assert isinstance(attach, DdlStep)
    connection.execute("SET client_min_messages = debug1")
    with connection.transaction():
        for statement in attach.sql:
            connection.execute(statement.encode())
    connection.execute("SET client_min_messages = warning")
    made_here = "attach" not in name
    new = () if not made_here else ('"visits_2026"', '"visits_site_fkey"')  # there is nothing in it yet
    scans = [line for line in said if line.startswith(_SCANS) and not line.endswith((*new, "serially"))]
    assert not scans
    assert made_here or not [line for line in said if line.startswith("building index")]
    proven = [line for line in said if "is implied by existing constraints" in line]
    has_default = "DEFAULT;" in case.schema
    assert len(proven) == has_default + 1, said


def test_a_partition_of_a_table_with_a_default_partition_is_detached_in_one_short_step(
    plan_for: Planner,
) -> None:
    plan = plan_for(_EVENTS + _REST, "ALTER TABLE events DETACH PARTITION events_1;")
    (detach,) = plan.steps
    assert isinstance(detach, DdlStep)
    assert detach.undo_apart


def test_without_a_default_partition_it_is_detached_concurrently(plan_for: Planner) -> None:
    plan = plan_for(_EVENTS, "ALTER TABLE events DETACH PARTITION events_1;")
    detach = plan.steps[0]
    assert isinstance(detach, ConcurrentStep)
    assert detach.sql.endswith("CONCURRENTLY")
    assert detach.mend.endswith("FINALIZE")


def test_the_check_that_detach_leaves_behind_has_the_name_that_the_plan_drops(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    two = "CREATE TABLE pairs (a int, b int) PARTITION BY RANGE (a, b);"
    part = "CREATE TABLE pairs_1 PARTITION OF pairs FOR VALUES FROM (1, 1) TO (2, 2);"
    taken = "ALTER TABLE pairs_1 ADD CONSTRAINT pairs_1_check CHECK (a > 0);"
    plan = plan_for(
        _EVENTS + two + part + taken,
        "ALTER TABLE events DETACH PARTITION events_1; ALTER TABLE pairs DETACH PARTITION pairs_1;",
    )
    _carry_out_all(connection, plan)
    left = connection.execute(
        "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 "
        "AND connamespace = 'public'::regnamespace"
    ).fetchall()
    assert left == [("pairs_1_check",)]


def test_the_way_back_refuses_before_it_gets_in_the_way_of_new_rows(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    plan = plan_for(_EVENTS + _REST, "ALTER TABLE events DETACH PARTITION events_1;")
    _carry_out_all(connection, plan)
    connection.execute("INSERT INTO events VALUES (5)")
    (detach,) = plan.steps
    with pytest.raises(psycopg.errors.RaiseException, match="move them into it first"):
        connection.execute(detach.undo[0].encode())
    connection.execute("INSERT INTO events VALUES (6)")


def test_rows_that_belong_into_the_new_partition_are_found_before_anything_is_refused(
    plan_for: Planner,
) -> None:
    plan = plan_for(
        _EVENTS + _REST, "CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20);"
    )
    kinds = [step.id for step in plan.steps]
    assert kinds.index("verify.events_rest.rows") < kinds.index("verify.events_rest.unfit.add")


def test_a_row_that_does_not_fit_is_refused_from_then_on(
    connection: psycopg.Connection, plan_for: Planner
) -> None:
    plan = plan_for(
        _EVENTS + "CREATE TABLE more (at integer NOT NULL);",
        "ALTER TABLE events ATTACH PARTITION more FOR VALUES FROM (10) TO (20);",
    )
    (add,) = (step for step in plan.steps if step.id == "verify.more.fits.add")
    assert isinstance(add, DdlStep)
    for statement in add.sql:
        connection.execute(statement.encode())
    with pytest.raises(CheckViolation):
        connection.execute("INSERT INTO more VALUES (20)")


def test_what_postgresql_would_refuse_to_attach_is_refused_with_the_way_out(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="SET NOT NULL"):
        plan_for(
            _EVENTS + "CREATE TABLE more (at integer);",
            "ALTER TABLE events ATTACH PARTITION more FOR VALUES FROM (10) TO (20);",
        )


def test_a_bound_that_is_no_constant_is_refused(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="constants"):
        plan_for(
            _EVENTS + "CREATE TABLE more (at integer NOT NULL);",
            "ALTER TABLE events ATTACH PARTITION more FOR VALUES FROM (length('ten')) TO (20);",
        )


def _carry_out_all(connection: psycopg.Connection, plan: Plan) -> None:
    for step in plan.steps:
        statements = step.sql if isinstance(step, DdlStep) else (getattr(step, "sql", ""),)
        for statement in filter(None, statements):
            connection.execute(statement.encode())
