"""The demo's parts without a rollout: the shape changes and the traffic moves by hand."""

import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from migsafe.demo.blocked import BlockedSampler
from migsafe.demo.instep import look, name_columns, wrong_rows
from migsafe.demo.world import APPLICATIONS, World
from migsafe.plan.stages import Version

ROWS = 2_000
IN_STEP = """
    ALTER TABLE users ADD COLUMN full_name text;
    UPDATE users SET full_name = name;
    ALTER TABLE users ALTER COLUMN name DROP NOT NULL;
    CREATE FUNCTION keep_in_step() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            NEW.full_name := coalesce(NEW.full_name, NEW.name);
            NEW.name := NEW.full_name;
        ELSIF NEW.full_name IS DISTINCT FROM OLD.full_name THEN
            NEW.name := NEW.full_name;
        ELSE
            NEW.full_name := NEW.name;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER step BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep_in_step();
"""
OUT_OF_STEP = """
    ALTER TABLE users ADD COLUMN full_name text;
    UPDATE users SET full_name = name;
    ALTER TABLE users ALTER COLUMN name DROP NOT NULL;
"""


def ask(url: str, method: str = "GET", body: bytes | None = None) -> int:
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - our own URL
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - the same
        return int(answer.status)


def split(world: World, green: int) -> None:
    names = f"routing.traffic_split.app.green={green}&routing.traffic_split.app.blue={100 - green}"
    assert ask(f"{world.proxy.admin_url}/runtime_modify?{names}", "POST") == 200


def test_traffic_through_the_proxy_has_no_failures(world: World, owner: psycopg.Connection) -> None:
    world.start_load(rows=ROWS, rate=300)
    time.sleep(1.5)
    assert world.load.latest().requests > 50
    report, written = world.load.finish()
    assert (report.failed, report.examples) == (0, ())
    assert set(report.by_version) == {"blue"}
    assert report.inserted > 0
    assert 0 < report.p50_ms <= report.p99_ms <= report.max_ms
    assert wrong_rows(owner, seeded=ROWS, written=written) == 0


def test_both_versions_read_what_the_other_wrote(world: World, owner: psycopg.Connection) -> None:
    owner.execute(IN_STEP)
    split(world, 50)
    world.start_load(rows=ROWS, rate=300)
    time.sleep(2)
    report, written = world.load.finish()
    assert (report.failed, report.examples) == (0, ())
    assert set(report.by_version) == {"blue", "green"}
    assert report.crossed > 20
    assert wrong_rows(owner, seeded=ROWS, written=written) == 0
    assert look(owner, "now").different == 0


def test_columns_out_of_step_are_noticed_by_the_load_and_by_the_check(
    world: World, owner: psycopg.Connection
) -> None:
    owner.execute(OUT_OF_STEP)
    split(world, 50)
    world.start_load(rows=ROWS, rate=300)
    time.sleep(2)
    report, _ = world.load.finish()
    assert report.failed > 5
    assert any("had written" in example for example in report.examples)
    step = look(owner, "now")
    assert step.different > 0
    assert name_columns(owner) == ("name", "full_name")


def test_one_wrong_row_is_found_at_the_end(owner: psycopg.Connection) -> None:
    assert wrong_rows(owner, seeded=ROWS, written={}) == 0
    assert wrong_rows(owner, seeded=ROWS, written={7: "somebody else"}) == 1
    assert wrong_rows(owner, seeded=ROWS, written={7: None}) == 0
    assert wrong_rows(owner, seeded=ROWS, written={ROWS + 1: "a row that was confirmed"}) == 1
    owner.execute("DELETE FROM users WHERE id = 8")
    assert wrong_rows(owner, seeded=ROWS, written={}) == 1
    owner.execute(
        "ALTER TABLE users ALTER COLUMN name DROP NOT NULL; UPDATE users SET name = NULL WHERE id = 9"
    )
    assert wrong_rows(owner, seeded=ROWS, written={}) == 2
    assert wrong_rows(owner, seeded=ROWS - 1, written={}) == 3


def test_a_version_that_is_stopped_under_traffic_counts_as_failed(world: World) -> None:
    world.start_load(rows=ROWS, rate=200)
    time.sleep(0.5)
    world.apps[Version.BLUE].stop()
    time.sleep(0.5)
    report, _ = world.load.finish()
    assert report.failed > 0
    assert report.failed_by_version.get("nobody", 0) > 0


def test_green_is_unhealthy_until_its_column_is_there(world: World, owner: psycopg.Connection) -> None:
    health = f"{world.apps[Version.GREEN].url}/health"
    with pytest.raises(urllib.error.HTTPError, match="500"):
        ask(health)
    owner.execute("ALTER TABLE users ADD COLUMN full_name text")
    assert ask(health) == 200


def test_a_blocked_statement_is_seen_and_measured(world: World) -> None:
    with BlockedSampler(world.dsn, APPLICATIONS) as sampler, ThreadPoolExecutor() as pool:
        assert sampler.longest() is None
        with psycopg.connect(world.dsn) as conn:
            conn.execute("SELECT FROM users WHERE id = 5 FOR UPDATE")
            answer = pool.submit(ask, f"{world.proxy.url}/users/5", "PUT", b'{"name": "Ada"}')
            time.sleep(0.3)
        assert answer.result(5) == 200
        longest = sampler.longest()
    assert sampler.error is None
    assert longest is not None
    assert 200 < longest.milliseconds < 2000
    assert longest.application == "demo-blue"
    assert world.apps[Version.BLUE].measure() > 200
