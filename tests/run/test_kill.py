"""SIGKILL at any moment: no row is changed twice, and nothing is left over."""

import random
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from migsafe.plan.toml.file import dump_plan
from tests.run.killing import START, Kill, run_and_kill
from tests.run.plans import rename_plan
from tests.run.test_runner import shape

COUNT_CHANGES = """
    CREATE TABLE changes (id bigint);
    CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO changes VALUES (NEW.id); RETURN NEW; END $$;
    CREATE TRIGGER count_change AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION count_change();
"""


@pytest.mark.proof
def test_a_runner_that_is_killed_again_and_again_ends_where_an_undisturbed_one_does(
    database: str, users: Callable[[int], psycopg.Connection], tmp_path: Path
) -> None:
    conn = users(150_000)
    conn.execute(COUNT_CHANGES)
    plan_file = tmp_path / "plan.toml"
    plan_file.write_text(dump_plan(rename_plan()))
    seed = random.randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    kills = (
        Kill(START, 0.3),
        *[Kill("step 00 expand", 0.02)] * 2,
        *[Kill("step 01 fill", 0.2)] * 8,
        *[Kill("step 02 index", 0.04)] * 5,
        *[Kill("step 04 validate", 0.004)] * 2,
        *[Kill("step 05 verify", 0.02)] * 2,
        *[Kill("step 06 tombstone", 0.002)] * 2,
        *[Kill("step 07 drop", 0.001)] * 2,
    )
    killed = run_and_kill(plan_file, database, kills, random.Random(seed))
    assert len(killed) >= 10
    changed = conn.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone()
    assert changed == (150_000, 150_000)
    assert conn.execute("SELECT rows FROM migsafe.step WHERE id = 'fill'").fetchone() == (150_000,)
    assert conn.execute("SELECT count(*) FROM users WHERE full_name = 'user ' || id").fetchone() == (150_000,)
    assert shape(conn) == [
        ("column", "full_name"),
        ("column", "id"),
        ("column", "visits"),
        ("constraint", "users_nn"),
        ("constraint", "users_pkey"),
        ("function", "count_change"),
        ("index", "users_full_name_idx"),
        ("index", "users_pkey"),
        ("trigger", "count_change"),
    ]
    assert conn.execute("SELECT bool_and(indisvalid) FROM pg_index").fetchone() == (True,)
    assert conn.execute("SELECT DISTINCT state FROM migsafe.step").fetchall() == [("done",)]
