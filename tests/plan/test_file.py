"""Plan files: what is written is what is read, and mistakes are named."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from migsafe.catalog.model import Catalog, Column, Constraint, Table
from migsafe.errors import PlanError, UsageError
from migsafe.plan.model import BackfillStep, ConcurrentStep, Contract, CopyRows, Gate, Plan, Step, Traffic
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage
from migsafe.plan.toml.durations import format_duration, parse_duration
from migsafe.plan.toml.file import dump_plan, fingerprint, load_plan, load_traffic, read_plan
from migsafe.sql.names import Name, format_name, parse_name, quote_identifier
from migsafe.sql.operations import ConstraintKind, TypeName

TRAFFIC = Traffic(
    provider="envoy",
    options={"admin_url": "http://127.0.0.1:9901", "retries": 3, "strict": True},
    gates=(Gate(name="smoke", kind="smoke", options={"url": "http://127.0.0.1/health"}),),
)


def make_plan(name: str = "name", new: str = "full_name", traffic: Traffic | None = None) -> Plan:
    key = Constraint(name="users_pkey", kind=ConstraintKind.PRIMARY_KEY, columns=("id",), definition="")
    table = Table(
        name=Name("users", "public"),
        columns=(
            Column(name="id", type=TypeName(name="bigint"), not_null=True),
            Column(name=name, type=TypeName(name="text"), not_null=True, default="'''x'''::text"),
        ),
        constraints=(key,),
    )
    catalog = Catalog(tables={table.name: table}, complete=True, server_version=180006)
    migration = f"ALTER TABLE users RENAME COLUMN {quote_identifier(name)} TO {quote_identifier(new)}"
    options = PlanOptions(traffic=traffic, contract=Contract(blue_application_name="app-blue"))
    return plan_migration(migration, catalog, options)


def test_a_plan_file_gives_back_the_same_plan() -> None:
    plan = make_plan(traffic=TRAFFIC)
    read = read_plan(dump_plan(plan), file="x.toml")
    assert read == plan
    assert fingerprint(read) == fingerprint(plan)


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


@given(st.text(letters, min_size=1, max_size=12), st.text(letters, min_size=1, max_size=12))
def test_any_column_names_survive_the_file(old: str, new: str) -> None:
    assume(old != new and "id" not in {old, new})
    plan = make_plan(old, new)
    assert read_plan(dump_plan(plan), file="x.toml") == plan


def test_layout_and_comments_do_not_change_the_fingerprint_but_sql_does() -> None:
    text = dump_plan(make_plan())
    commented = "# a remark\n\n" + text
    edited = text.replace("ADD COLUMN", "ADD  COLUMN", 1)
    assert fingerprint(read_plan(commented, file="x")) == fingerprint(make_plan())
    assert fingerprint(read_plan(edited, file="x")) != fingerprint(make_plan())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("summary =", "sumary =", "x.toml: 'summary' is missing"),
        (
            "passes = 2",
            "passes = 2\ntabel = 1",
            "x.toml:{next}: [verify 5: verify.rows] unknown key 'tabel'\nDid you mean 'table'?",
        ),
        (
            "passes = 2",
            'passes = "two"',
            "x.toml:{line}: [verify 5: verify.rows] 'passes' must be a whole number, not 'two'",
        ),
        (
            'kind = "backfill"',
            'kind = "back"',
            "x.toml:{line}: [backfill 1: backfill.copy] unknown kind 'back'",
        ),
        (
            "format_version = 1",
            "format_version = 9",
            "x.toml:{line}: the plan has format 9, but this migsafe reads up to 1",
        ),
        (
            '"ACCESS EXCLUSIVE on',
            '"ACCES on',
            "x.toml:{line}: [expand 1: expand.add_and_sync] 'locks' has 'ACCES on",
        ),
        ('id = "backfill.copy"', 'id = "verify.rows"', "x.toml: two steps have the id 'verify.rows'"),
        ("steps = [5, 25, 50, 100]", "steps = [50, 25]", "'steps' must rise from at least 1 to 100 percent"),
        ('hold = "10m"', 'hold = "10 parsecs"', "'hold': '10 parsecs' is not a duration"),
    ],
)
def test_a_mistake_in_a_plan_is_named_with_its_place(old: str, new: str, message: str) -> None:
    text = dump_plan(make_plan(traffic=TRAFFIC))
    assert old in text
    with pytest.raises(PlanError) as caught:
        read_plan(text.replace(old, new, 1), file="x.toml")
    line = text.count("\n", 0, text.index(old)) + 1
    assert message.format(line=line, next=line + 1) in str(caught.value)


def test_what_is_no_plan_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load_plan(tmp_path / "missing.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PlanError, match="not a text file"):
        load_plan(binary)
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(PlanError, match=r"not valid TOML"):
        load_plan(broken)


def test_traffic_can_come_from_a_file_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "traffic.toml"
    file.write_text('provider = "command"\nsteps = [10, 100]\nstep = "5s"\n[options]\nset = "true"\n')
    traffic = load_traffic(file)
    assert (traffic.steps, traffic.step_seconds, traffic.options) == ((10, 100), 5.0, {"set": "true"})


@given(st.floats(0, 10**9).map(lambda seconds: round(seconds, 1)))
def test_durations_read_back(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-5)


@given(st.text(letters, min_size=1), st.none() | st.text(letters, min_size=1))
def test_names_read_back(name: str, schema: str | None) -> None:
    assert parse_name(format_name(Name(name, schema))) == Name(name, schema)


STEPS = (
    ConcurrentStep(
        id="drop",
        stage=Stage.DROPPED,
        title="Drop the index",
        table=Name("users", "public"),
        sql="DROP INDEX CONCURRENTLY public.users_name",
        done="to_regclass('public.users_name') IS NULL",
        broken="false",
        mend="SELECT 1",
        undo=("DROP INDEX CONCURRENTLY IF EXISTS i", "CREATE INDEX CONCURRENTLY i ON users (name)"),
        undo_apart=True,
    ),
    BackfillStep(
        id="delete", stage=Stage.BACKFILLED, title="x", table=Name("users"), pending="true", delete=True
    ),
    BackfillStep(
        id="copy",
        stage=Stage.BACKFILLED,
        title="x",
        table=Name("users"),
        pending="true",
        copy=CopyRows(into=Name("Other", "S"), columns=("a b", "c"), values=("id", "lower(name)")),
    ),
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.id)
def test_every_kind_of_step_survives_the_file(step: Step) -> None:
    plan = replace(make_plan(), steps=(step,))
    assert read_plan(dump_plan(plan), file="x.toml") == plan


@pytest.mark.parametrize("keys", ["delete = true\nset = 'a = 1'", "", "into = 'x'\ncolumns = ['a']"])
def test_a_backfill_does_one_thing(keys: str) -> None:
    text = dump_plan(replace(make_plan(), steps=(STEPS[1],))).replace("delete = true", keys)
    with pytest.raises(PlanError, match=r"a backfill has one of|same length"):
        read_plan(text, file="x.toml")
