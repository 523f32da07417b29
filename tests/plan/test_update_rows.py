"""Which UPDATEs can be carried out in batches, and how a row says that it is done."""

import pytest

from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep
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
        ("UPDATE t SET a = u.a FROM t u WHERE u.id = t.id", "by its own columns alone"),
        ("UPDATE t SET a = (SELECT max(a) FROM t)", "by its own columns alone"),
        ("UPDATE t x SET a = '' WHERE x.id = 1", "by its own columns alone"),
        ("UPDATE t SET (a, b) = ('x', 1)", "by its own columns alone"),
        ("UPDATE t SET c = 1", "no column c"),
    ],
)
def test_what_nobody_could_tell_to_be_done_is_refused(plan_for: Planner, sql: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(SCHEMA, sql)


def test_names_in_quotes_and_commas_in_brackets_are_read() -> None:
    found = plain_update('UPDATE ONLY s."T" SET "A, b" = coalesce(x, 1), c=2 WHERE "A, b" IS NULL AND d')
    assert found is not None
    assert [(name, value.text) for name, value in found.assignments] == [
        ("A, b", "coalesce(x, 1)"),
        ("c", "2"),
    ]
    assert found.emptied == {"A, b"}
