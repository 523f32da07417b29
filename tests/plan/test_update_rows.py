"""Which UPDATEs can be carried out in batches, and how a row says that it is done."""

import pytest

from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, DownMap
from migsafe.sql.names import Name
from migsafe.sql.update import plain_update

from .conftest import Planner

SCHEMA = "CREATE TABLE t (id int PRIMARY KEY, a text, b int, doc json, at timestamptz)"


def pending(plan_for: Planner, sql: str) -> str:
    steps = [step for step in plan_for(SCHEMA, sql).steps if isinstance(step, BackfillStep)]
    return steps[0].pending


def test_a_row_that_was_empty_is_done_when_it_has_a_value(plan_for: Planner) -> None:
    sql = "UPDATE t SET at = now(), b = b + 1 WHERE at IS NULL AND (a = 'x' OR b BETWEEN 1 AND 2)"
    assert pending(plan_for, sql) == "at IS NULL AND (a = 'x' OR b BETWEEN 1 AND 2)"


def test_else_the_new_value_is_compared_with_the_one_that_is_there(plan_for: Planner) -> None:
    assert pending(plan_for, "UPDATE t SET b = id * 2, doc = '{}'") == (
        '(true) AND ("b" IS DISTINCT FROM (id * 2)::integer OR ROW("doc")::record *<> '
        "ROW(('{}')::json)::record)"
    )


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("UPDATE t SET b = b + 1", "reads b, which it changes"),
        ("UPDATE t SET a = b::text, b = 1 WHERE b IS NOT NULL", "reads b, which it changes"),
        ("UPDATE t SET at = now()", "another value every time"),
        ("UPDATE t SET b = random() WHERE at IS NULL", "another value every time"),
        ("UPDATE t SET at = now() WHERE at IS NULL OR b = 1", "another value every time"),
        ("UPDATE t SET a = (SELECT max(a) FROM t)", "reads a, which it changes"),
        ("UPDATE t SET (a, b) = ('x', 1)", "several columns are set together"),
        ("UPDATE t SET a = '' RETURNING id", "gives rows back"),
        ("UPDATE t x SET a = '' FROM t WHERE t.id = x.b", "read again without an alias"),
        ("UPDATE t x SET a = '' FROM (SELECT 1) x WHERE true", "means more than the row"),
        ("UPDATE t SET c = 1", "no column c"),
    ],
)
def test_what_nobody_could_tell_to_be_done_is_refused(plan_for: Planner, sql: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(SCHEMA, sql)


def test_names_in_quotes_and_commas_in_brackets_are_read() -> None:
    sql = 'UPDATE ONLY s."T" SET "A, b" = coalesce(x, 1), c=2 WHERE "A, b" IS NULL AND d'
    found = plain_update(sql, Name("T", "s"))
    assert [(each.column, each.value.text) for each in found.assignments] == [
        ("A, b", "coalesce(x, 1)"),
        ("c", "2"),
    ]
    assert found.emptied == {"A, b"}


@pytest.mark.parametrize(
    ("sql", "assigned", "pending"),
    [
        (
            "UPDATE t SET a = u.city FROM u WHERE u.id = t.b",
            '"a" = (SELECT u.city FROM u WHERE u.id = "t".b)',
            'EXISTS (SELECT FROM u WHERE (u.id = "t".b) AND ("t"."a" IS DISTINCT FROM (u.city)::text))',
        ),
        (
            "UPDATE public.t AS x SET a = upper(u.a) FROM public.t u WHERE u.id = x.b AND x.a IS NULL",
            '"a" = (SELECT upper(u.a) FROM public.t u WHERE u.id = "t".b AND "t".a IS NULL)',
            'EXISTS (SELECT FROM public.t u WHERE (u.id = "t".b AND "t".a IS NULL) AND '
            '("t"."a" IS DISTINCT FROM (upper(u.a))::text))',
        ),
        (
            "UPDATE t x SET a = (SELECT u.city FROM u WHERE u.id = x.b) WHERE b IS NOT DISTINCT FROM 1",
            '"a" = (SELECT u.city FROM u WHERE u.id = "t".b)',
            '(b IS NOT DISTINCT FROM 1) AND ("a" IS DISTINCT FROM '
            '((SELECT u.city FROM u WHERE u.id = "t".b))::text)',
        ),
        (
            "UPDATE t SET doc = CASE WHEN b IS DISTINCT FROM 1 THEN u.doc END FROM u WHERE u.id = t.b",
            '"doc" = (SELECT CASE WHEN b IS DISTINCT FROM 1 THEN u.doc END FROM u WHERE u.id = "t".b)',
            'EXISTS (SELECT FROM u WHERE (u.id = "t".b) AND (ROW("t"."doc")::record *<> '
            "ROW((CASE WHEN b IS DISTINCT FROM 1 THEN u.doc END)::json)::record))",
        ),
    ],
)
def test_what_other_tables_have_becomes_a_subquery(
    plan_for: Planner, sql: str, assigned: str, pending: str
) -> None:
    plan = plan_for(SCHEMA + "; CREATE TABLE u (id int PRIMARY KEY, city text, doc json)", sql)
    (step,) = [step for step in plan.steps if isinstance(step, BackfillStep)]
    assert (step.assignments, step.pending) == (assigned, pending)
    assert plan.down_map is DownMap.NONE


def test_a_table_that_every_batch_would_read_is_named(plan_for: Planner) -> None:
    plan = plan_for(
        SCHEMA + "; CREATE TABLE u (id int, city text)", "UPDATE t SET a = city FROM u WHERE u.id = t.b"
    )
    assert any("No index of public.u" in warning for warning in plan.warnings)


def test_a_column_that_decides_about_the_partition_is_refused(plan_for: Planner) -> None:
    schema = (
        "CREATE TABLE t (id int, kind text) PARTITION BY RANGE (id);"
        "CREATE TABLE t1 PARTITION OF t DEFAULT PARTITION BY LIST (lower(kind))"
    )
    with pytest.raises(PlanError, match="in which partition"):
        plan_for(schema, "UPDATE t SET kind = 'x'")


def test_only_is_refused_where_there_are_children(plan_for: Planner) -> None:
    with pytest.raises(PlanError, match="ONLY leaves out"):
        plan_for(SCHEMA + "; CREATE TABLE t1 () INHERITS (t)", "UPDATE ONLY t SET b = 1")
