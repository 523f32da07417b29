"""Whole plan files, to be read in a review when they change."""

from pathlib import Path

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.plan.model import Contract, Gate, Plan, Traffic
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.toml.file import dump_plan, load_plan

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden" / "plan"
SCHEMA = """
CREATE TABLE shops (code text PRIMARY KEY);
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    shop text NOT NULL DEFAULT 'main' REFERENCES shops (code),
    total integer NOT NULL CHECK (total >= 0),
    UNIQUE (shop, id)
);
CREATE INDEX orders_big ON orders (total DESC) INCLUDE (shop) WHERE total > 1000;
"""
TRAFFIC = Traffic(
    provider="envoy",
    options={"admin_url": "http://127.0.0.1:9901", "runtime_prefix": "routing.traffic_split.shop"},
    gates=(
        Gate(name="smoke", kind="smoke", options={"url": "http://127.0.0.1:8081/health"}),
        Gate(name="canary", kind="canary", options={"max_error_percent": 1.0}),
    ),
)
CASES = {
    "rename_column": (
        "ALTER TABLE orders RENAME COLUMN shop TO branch;",
        PlanOptions(traffic=TRAFFIC, contract=Contract(soak_seconds=3600, blue_application_name="shop-blue")),
    ),
    "change_type": ("ALTER TABLE orders ALTER COLUMN total TYPE bigint;", PlanOptions()),
    "change_type_new_name": (
        "ALTER TABLE orders ALTER COLUMN total TYPE numeric;",
        PlanOptions(new_column="total_exact"),
    ),
}


@pytest.fixture
def plans(connection: psycopg.Connection) -> dict[str, Plan]:
    connection.execute(SCHEMA)
    catalog = read_catalog(connection)
    made = {}
    for case, (migration, options) in CASES.items():
        made[case] = plan_migration(migration, catalog, options)
    return made


def test_plans_are_what_was_reviewed(plans: dict[str, Plan], pytestconfig: pytest.Config) -> None:
    for case, plan in plans.items():
        file = GOLDEN / f"{case}.plan.toml"
        if pytestconfig.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dump_plan(plan), encoding="utf-8")
        lines = [line for line in dump_plan(plan).splitlines() if not line.startswith("server_version")]
        golden = [line for line in file.read_text().splitlines() if not line.startswith("server_version")]
        assert lines == golden, case
        assert load_plan(file).steps == plan.steps


def test_no_golden_plan_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{case}.plan.toml" for case in CASES}
