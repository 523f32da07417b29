"""Rows in quarantine, from the terminal: said by `run`, listed by `status`, let go by `waive`."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migsafe.plan.toml.file import dump_plan
from tests.cli.test_run import migsafe
from tests.run.test_quarantine import fill_plan


@pytest.fixture
def plan(database: str, tmp_path: Path) -> str:
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE users (id bigint PRIMARY KEY, visits int, copied smallint)")
        conn.execute("INSERT INTO users SELECT i, i * 1000 FROM generate_series(1, 35) i")
    path = tmp_path / "plan.toml"
    path.write_text(dump_plan(fill_plan()))
    return str(path)


def status(dsn: str) -> dict[str, Any]:
    document = json.loads(migsafe("status", "rename", "--format", "json", dsn=dsn).stdout)
    found: dict[str, Any] = document["rollouts"][0]
    return found


def test_rows_are_listed_waived_by_name_with_a_reason_and_then_the_run_goes_on(
    database: str, plan: str
) -> None:
    run = ("run", plan, "--to", "backfilled")
    stopped = migsafe(*run, dsn=database)
    assert stopped.returncode == 2, stopped.stderr
    assert "3 rows in quarantine" in stopped.stderr
    assert "migsafe waive rename KEY --reason TEXT" in stopped.stderr
    assert "left out, in quarantine: id=33 of public.users: smallint out of range" in stopped.stdout

    listed = status(database)["quarantine"]
    assert [row["key"] for row in listed] == [{"id": 33}, {"id": 34}, {"id": 35}]
    assert all(row["error"] == "smallint out of range" and "waived" not in row for row in listed)
    assert "quarantine   id=33 of public.users" in migsafe("status", "rename", dsn=database).stdout

    for wrong in (("99", "--reason", "x"), ("--reason", "x"), ("33",), ("33", "--reason", " ")):
        refused = migsafe("waive", plan, *wrong, dsn=database)
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr
    one = migsafe("waive", plan, "33", "--reason", "a test row", "--format", "json", dsn=database)
    assert json.loads(one.stdout)["waived"] == [
        {"step": "fill", "relation": "public.users", "key": {"id": 33}}
    ]
    assert "2 rows in quarantine" in migsafe(*run, dsn=database).stderr
    assert (
        "waived: id=35 of public.users"
        in migsafe("waive", "rename", "--all", "--reason", "test rows", dsn=database).stdout
    )
    assert migsafe(*run, dsn=database).returncode == 0
    assert "(waived by postgres: a test row)" in migsafe("status", "rename", dsn=database).stdout
    with psycopg.connect(database) as conn:
        audit = conn.execute(
            "SELECT detail ->> 'reason' FROM migsafe.audit WHERE event = 'row waived' ORDER BY id"
        ).fetchall()
    assert audit == [("a test row",), ("test rows",), ("test rows",)]


def test_none_may_be_left_out_when_the_limit_says_so(database: str, plan: str) -> None:
    stopped = migsafe("run", plan, "--to", "backfilled", "--max-quarantined", "0", dsn=database)
    assert stopped.returncode == 2
    assert "more than 0 rows" in stopped.stderr
    assert status(database)["quarantine"] == []
    assert status(database)["blocked"] == {
        "seconds": 0.0,
        "longest_seconds": 0.0,
        "waits": 0,
        "gave_way": 0,
        "last_waiter": "",
    }
