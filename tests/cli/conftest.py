"""What tests of the commands share that act on a rollout."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.demo.envoy import Envoy, envoy
from migsafe.plan.model import Contract, Traffic
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.toml.file import dump_plan
from tests.rollout.shop import Version


@pytest.fixture
def users(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL)")
        conn.execute("INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i")
    return database


@pytest.fixture
def write_plan(users: str, tmp_path: Path) -> Callable[..., str]:
    def write(traffic: Traffic | None = None, contract: Contract | None = None) -> str:
        options = PlanOptions(traffic=traffic, contract=contract or Contract(keep_seconds=0))
        with psycopg.connect(users, autocommit=True) as conn:
            catalog = read_catalog(conn)
        rename = "ALTER TABLE users RENAME COLUMN name TO full_name"
        path = tmp_path / "rename.toml"
        path.write_text(dump_plan(plan_migration(rename, catalog, options)))
        return str(path)

    return write


@pytest.fixture
def proxy() -> Iterator[Envoy]:
    blue, green = Version("blue"), Version("green")
    with envoy(blue_port=blue.port, green_port=green.port) as started:
        yield started
    blue.stop()
    green.stop()
