"""Which rows a DELETE or an INSERT ... SELECT is about, and what is refused."""

import pytest

from migsafe.errors import PlanError
from migsafe.plan.model import BackfillStep, DdlStep, DownMap, Plan
from migsafe.sql.insert import plain_insert

from .conftest import Planner

SCHEMA = """
CREATE TABLE t (id int PRIMARY KEY, a text, b int, at timestamptz);
CREATE TABLE u (id int PRIMARY KEY, a text, n int);
CREATE TABLE loose (id int, a text UNIQUE);
CREATE TABLE codes (id serial PRIMARY KEY, code text NOT NULL UNIQUE, n int);
"""


def step_of(plan: Plan) -> BackfillStep:
    (step,) = [step for step in plan.steps if isinstance(step, BackfillStep)]
    return step


@pytest.mark.parametrize(
    ("sql", "pending"),
    [
        ("DELETE FROM t WHERE b > 3", "b > 3"),
        ("DELETE FROM t AS x WHERE x.b > 3 OR x.a IS NULL", '"t".b > 3 OR "t".a IS NULL'),
        ("DELETE FROM t WHERE at < now() - interval '30 days'", "at < now() - interval '30 days'"),
        (
            "DELETE FROM t x USING u WHERE u.id = x.id AND u.n = 0",
            'EXISTS (SELECT FROM u WHERE u.id = "t".id AND u.n = 0)',
        ),
        (
            "DELETE FROM public.t x USING public.t y WHERE y.a = x.a AND y.id < x.id",
            'EXISTS (SELECT FROM public.t y WHERE y.a = "t".a AND y.id < "t".id)',
        ),
        ("DELETE FROM t WHERE id NOT IN (SELECT u.id FROM u)", "id NOT IN (SELECT u.id FROM u)"),
    ],
)
def test_a_delete_takes_away_what_its_condition_says(plan_for: Planner, sql: str, pending: str) -> None:
    plan = plan_for(SCHEMA, sql)
    step = step_of(plan)
    assert (step.delete, step.pending) == (True, pending)
    assert plan.down_map is DownMap.NONE
    assert "point of no return" in plan.warnings[0]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DELETE FROM t", "what the application writes meanwhile"),
        ("DELETE FROM t WHERE random() < 0.5", "another question every time"),
        ("DELETE FROM t WHERE b = 1 RETURNING id", "gives rows back"),
        ("DELETE FROM t x WHERE EXISTS (SELECT FROM t WHERE t.b = x.id)", "read again without an alias"),
        ("TRUNCATE t", "nothing brings them back"),
        ("INSERT INTO loose SELECT id, a FROM t", "cannot be told of a row whether it was copied"),
        ("INSERT INTO u (id) SELECT count(*) FROM t", "made of several rows"),
        ("INSERT INTO u (id) SELECT DISTINCT b FROM t", "it has DISTINCT"),
        ("INSERT INTO u (id) SELECT b FROM t GROUP BY b", "it has GROUP"),
        ("INSERT INTO u (id) SELECT id FROM t LIMIT 3", "it has LIMIT"),
        ("INSERT INTO u (id) SELECT id FROM t UNION SELECT 1", "it has UNION"),
        ("INSERT INTO u (id) SELECT t.id FROM t JOIN codes c ON c.n = t.b", "it has several tables"),
        ("INSERT INTO u (id) SELECT t.id FROM t, codes", "it has several tables"),
        ("INSERT INTO u (id) SELECT unnest(ARRAY[1, 2]) FROM t", "makes several"),
        ("INSERT INTO u (id) SELECT row_number() OVER () FROM t", "made of several rows, or makes several"),
        ("INSERT INTO codes (n) SELECT b FROM t", "cannot be told of a row"),
        ("INSERT INTO u (id) SELECT (random() * 10)::int FROM t", "cannot be told of a row"),
        ("INSERT INTO t (id, a) SELECT id + 1, a FROM t", "copied into itself"),
        ("INSERT INTO u (id, a) SELECT id FROM t", "names 2 columns and selects 1"),
        (
            "INSERT INTO u SELECT id FROM t ON CONFLICT (id) DO UPDATE SET a = 'x'",
            "rows that are there already",
        ),
        ("INSERT INTO u SELECT id FROM t RETURNING id", "gives rows back"),
        ("INSERT INTO u VALUES (1) RETURNING id", "gives rows back"),
        ("MERGE INTO u USING t ON t.id = u.id WHEN MATCHED THEN DELETE", "no recipe for MERGE"),
        ("COPY u FROM '/nowhere'", "no recipe for COPY"),
    ],
)
def test_what_cannot_be_done_in_batches_is_refused(plan_for: Planner, sql: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_for(SCHEMA, sql)


@pytest.mark.parametrize(
    ("sql", "columns", "values", "pending"),
    [
        (
            "INSERT INTO u (id, a) SELECT x.id, x.a || 'y' AS label FROM t x WHERE x.b > 1",
            ("id", "a"),
            ('"t".id', "\"t\".a || 'y'"),
            '("t".b > 1) AND NOT EXISTS (SELECT FROM "public"."u" AS migsafe_copy WHERE '
            'migsafe_copy."id" = "t"."id")',
        ),
        (
            "INSERT INTO u SELECT * FROM t",
            ("id", "a", "n", "at"),
            (),
            "",
        ),
        (
            "INSERT INTO codes (code, n) SELECT lower(a), random() FROM t",
            ("code", "n"),
            ("lower(a)", "random()"),
            "NOT EXISTS (SELECT FROM (SELECT lower(a)) AS migsafe_row (key_1) JOIN "
            '"public"."codes" AS migsafe_copy ON migsafe_copy."code" = migsafe_row.key_1)',
        ),
    ],
)
def test_a_row_is_copied_when_its_key_is_there(
    plan_for: Planner, sql: str, columns: tuple[str, ...], values: tuple[str, ...], pending: str
) -> None:
    if not values:
        with pytest.raises(PlanError, match="names 3 columns and selects 4 values"):
            plan_for(SCHEMA, sql)
        return
    copy = step_of(plan_for(SCHEMA, sql))
    assert copy.copy is not None
    assert (copy.copy.columns, copy.copy.values, copy.pending) == (columns, values, pending)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO u VALUES (1, 'on returning')",
        "INSERT INTO u (id) SELECT 1 WHERE NOT EXISTS (SELECT FROM u WHERE a = 'x')",
    ],
)
def test_given_rows_run_as_they_are_and_stay_where_they_are_already(plan_for: Planner, sql: str) -> None:
    plan = plan_for(SCHEMA, sql)
    (step,) = plan.steps
    assert isinstance(step, DdlStep)
    assert step.sql == (f"{sql}\nON CONFLICT DO NOTHING",)
    assert plan.down_map is DownMap.NONE


def test_rows_that_others_point_at_are_warned_of(plan_for: Planner) -> None:
    schema = SCHEMA + (
        "CREATE TABLE c (t int REFERENCES t ON DELETE CASCADE); CREATE INDEX ON c (t);"
        "CREATE TABLE d (t int REFERENCES t ON DELETE SET NULL);"
        "CREATE TABLE e (t int REFERENCES t)"
    )
    warnings = "\n".join(plan_for(schema, "DELETE FROM t WHERE b = 1").warnings)
    assert "Rows of public.c that point at a deleted row of public.t are deleted with it" in warnings
    assert "t of public.d loses its value" in warnings
    assert "A row of public.t that public.e still points at" in warnings
    assert "No index of public.d begins with t" in warnings
    assert "No index of public.c" not in warnings


def test_the_parts_of_an_insert_are_read() -> None:
    found = plain_insert(
        'INSERT INTO s.a (x, "Y") SELECT "T".id, CASE WHEN b THEN (SELECT 1 FROM q) END FROM ONLY "T" '
        "WHERE b IS NOT NULL ORDER BY 1 ON CONFLICT (x) DO NOTHING"
    )
    assert found.columns == ("x", "Y")
    assert [item.value.text for item in found.items if item] == [
        '"T".id',
        "CASE WHEN b THEN (SELECT 1 FROM q) END",
    ]
    assert (found.ordered, found.ignores_conflicts) == (True, True)
