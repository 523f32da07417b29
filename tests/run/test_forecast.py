"""A forecast changes nothing, says what it measured, and the run that follows is within its band."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from migsafe.cli.main import app
from migsafe.config.pace import PaceSettings
from migsafe.plan.model import BackfillStep, CopyRows, Plan
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.run.forecast.forecast import forecast
from migsafe.run.forecast.model import Band, StepForecast
from migsafe.run.forecast.predict import band, stay_share
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan, rename_plan
from tests.run.test_backfill import fill_plan

SCHEMA = """
    SELECT jsonb_agg(to_jsonb(c) - 'relpages' - 'reltuples' - 'relallvisible' - 'relallfrozen' ORDER BY c.oid)
           #>> '{}', (SELECT md5(string_agg(u::text, ',' ORDER BY u.ctid)) FROM users u)
    FROM pg_class c WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
"""


def one(plan: Plan, database: str, settings: Settings | None = None) -> StepForecast:
    (found,) = forecast(plan, database, settings=settings)
    return found


def test_a_forecast_changes_neither_schema_nor_rows(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(20_000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    before = conn.execute(SCHEMA).fetchone()
    found = one(fill_plan(), database)
    assert conn.execute(SCHEMA).fetchone() == before
    assert conn.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'migsafe%'").fetchone() is None
    assert found.in_place
    assert found.why_not == ""
    assert found.left_dead == sum(place.changed.rows for place in found.places if place.changed)
    assert found.left_dead > 0
    assert found.expected is not None
    assert found.expected.rows == pytest.approx(20_000, rel=0.02)
    firsts = [place.first for place in found.places]
    assert firsts == sorted(firsts)


def test_before_the_plan_is_expanded_a_copy_is_changed(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(20_000)
    before = conn.execute(SCHEMA).fetchone()
    found = one(rename_plan(), database)
    assert conn.execute(SCHEMA).fetchone() == before
    assert not found.in_place
    assert found.left_dead == 0
    assert found.left_bytes == 0
    assert found.expected is not None
    assert found.expected.wal is not None
    assert found.expected.wal.low > 0
    assert found.expected.hot > 0.5


def test_rows_that_are_done_already_are_not_counted(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(20_000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute("UPDATE users SET copied = visits WHERE id % 2 = 0")
    conn.execute("VACUUM FULL users")
    found = one(fill_plan(), database)
    assert found.expected is not None
    assert found.expected.rows == pytest.approx(10_000, rel=0.1)
    conn.execute("UPDATE users SET copied = visits")
    assert one(fill_plan(), database).expected is None


def test_what_is_written_to_and_is_not_there_yet_is_said(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(100)
    copy = CopyRows(into=Name("target", "public"), columns=("id",), values=("id",), key=("id",))
    step = BackfillStep(
        id="copy",
        stage=Stage.BACKFILLED,
        title="Copy",
        table=USERS,
        assignments="",
        pending="true",
        copy=copy,
    )
    found = one(make_plan((step,)), database)
    assert "not there yet" in found.why_not or "does not exist" in found.why_not
    assert found.expected is None


def test_a_limit_that_somebody_set_makes_it_longer(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(20_000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    found = one(fill_plan(), database, Settings(max_rows_per_second=1000))
    assert found.throttled_seconds is not None
    assert found.throttled_seconds.middle == pytest.approx(20, rel=0.1)
    held = PaceSettings().with_options(("lock-waiters=0..0.5", "active-sessions=0..0.0001"))
    stands = one(fill_plan(), database, Settings(pace=held))
    assert stands.throttle.share <= 1.0


def test_somebody_who_waits_for_a_trial_is_let_through(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """A row that somebody has locked is left out, and nobody waits longer than a batch may take."""
    conn = users(20_000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    with psycopg.connect(database) as app_session:
        app_session.execute("UPDATE users SET visits = visits + 1 WHERE id % 50 = 0")
        began = time.monotonic()
        found = one(fill_plan(), database)
        assert time.monotonic() - began < 20
        assert found.expected is not None
        app_session.rollback()


def test_the_command_prints_text_and_json(
    database: str, users: Callable[[int], psycopg.Connection], tmp_path: Path
) -> None:
    users(5000)
    file = tmp_path / "plan.toml"
    file.write_text(dump_plan(rename_plan()))
    text = CliRunner().invoke(app, ["forecast", str(file), "--database", database])
    assert text.exit_code == 0, text.output
    for word in ("duration", "WAL", "growth", "in a copy", "left behind: nothing"):
        assert word in text.output
    made = CliRunner().invoke(app, ["forecast", str(file), "--database", database, "--format", "json"])
    document = json.loads(made.output)
    (step,) = document["steps"]
    assert document["format_version"] == 1
    assert step["seconds"]["p10"] < step["seconds"]["p50"] < step["seconds"]["p90"]
    assert len(step["batches"]) == 3
    assert step["left_behind"] == {"dead_rows": 0, "bytes": 0}


@given(
    st.floats(1, 300),
    st.floats(10, 8000),
    st.floats(10, 8000),
    st.integers(1, 16),
    st.floats(0, 8000),
)
def test_a_share_of_rows_stays_and_more_room_keeps_more(
    rows: float, old: float, new: float, passes: int, free: float
) -> None:
    share = stay_share(rows_per_page=rows, old_bytes=old, new_bytes=new, passes=passes, free=free)
    more = stay_share(rows_per_page=rows, old_bytes=old, new_bytes=new, passes=passes, free=free + 500)
    assert 0 <= share <= more <= 1


def test_the_share_is_that_of_the_measurements() -> None:
    """97 rows of 80 bytes that become 88, in 4 and 8 passes: 65 and 76 % were seen on a server."""
    eight, four = (
        stay_share(rows_per_page=97, old_bytes=80, new_bytes=88, passes=passes, free=20) for passes in (8, 4)
    )
    assert eight == pytest.approx(0.76, abs=0.03)
    assert four == pytest.approx(0.65, abs=0.03)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=3), st.sampled_from(["seconds", "wal", "growth"]))
def test_a_band_has_its_middle_inside(values: list[float], kind: str) -> None:
    found = band(values, kind)
    assert found.low < found.middle < found.high
    assert min(values) <= found.middle * 1.0001
    assert found.times(2).plus(Band(0, 0, 0)) == found.times(2)


@pytest.mark.proof
@pytest.mark.parametrize("indexes", [0, 2])
@pytest.mark.parametrize("expanded", [True, False], ids=["in place", "in a copy"])
def test_the_real_figures_are_within_the_band(
    database: str,
    connection: psycopg.Connection,
    indexes: int,
    expanded: bool,  # noqa: FBT001 - a parameter of the test
    proof_row: Callable[[str], None],
) -> None:
    connection.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, name text, a int, b int, filler text) "
        "WITH (autovacuum_enabled = off)"
    )
    connection.execute(
        "INSERT INTO users SELECT i, 'user ' || i, i %% 1000, (i * 79) %% 100000, repeat('x', 32) "
        "FROM generate_series(1, %s) i",
        (300_000,),
    )
    for column in ("a", "b")[:indexes]:
        connection.execute(f"CREATE INDEX ON users ({column})".encode())
    connection.execute("VACUUM (ANALYZE) users")
    connection.execute("CHECKPOINT")
    plan = rename_plan()
    with hold(plan, database) as runner:
        if expanded:
            runner.advance(Stage.EXPANDED)
        found = one(plan, database)
        if not expanded:
            runner.advance(Stage.EXPANDED)
        connection.execute("VACUUM users")
        connection.execute("CHECKPOINT")
        query = "SELECT pg_current_wal_insert_lsn() - '0/0', pg_total_relation_size('users')"
        before, began = connection.execute(query).fetchone(), time.monotonic()
        runner.advance(Stage.BACKFILLED)
        seconds, after = time.monotonic() - began, connection.execute(query).fetchone()
    assert before is not None
    assert after is not None
    assert found.expected is not None
    assert found.expected.wal is not None
    expected, wanted = found.expected, found.expected.wal
    wal, growth = float(after[0] - before[0]), float(after[1] - before[1])
    proof_row(
        f"forecast {'in place' if expanded else 'in a copy'}, {indexes} indexes: {seconds:.1f} s "
        f"({expected.seconds.low:.1f} to {expected.seconds.high:.1f}), WAL {wal / 1e6:.0f} MB "
        f"({wanted.low / 1e6:.0f} to {wanted.high / 1e6:.0f}), growth {growth / 1e6:.1f} MB "
        f"({expected.growth.low / 1e6:.1f} to {expected.growth.high / 1e6:.1f})"
    )
    # A machine that is busy with other work is given three times as much.
    wide = replace_band(expected.seconds, 3.0)
    assert wide.low <= seconds <= wide.high
    assert wanted.low <= wal <= wanted.high
    assert expected.growth.low * 0.8 <= growth <= expected.growth.high * 1.2


def replace_band(found: Band, factor: float) -> Band:
    return replace(found, low=found.low / factor, high=found.high * factor)
