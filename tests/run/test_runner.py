"""A whole plan on a real server: there, and all the way back."""

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors

from migsafe.errors import LedgerMismatch, RunError, StateRefused
from migsafe.plan.model import DdlStep
from migsafe.plan.stages import Stage
from migsafe.run.events import Event, Progress, StageReached, StepFinished
from migsafe.run.ledger.model import State
from migsafe.run.ledger.rollouts import read_audit
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from tests.run.plans import make_plan, rename_plan


def columns(conn: psycopg.Connection) -> list[str]:
    rows = conn.execute(
        "SELECT attname FROM pg_attribute "
        "WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return sorted(row[0] for row in rows)


def test_a_plan_runs_from_the_first_step_to_the_last(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(20_000)
    events: list[Event] = []
    plan = rename_plan()
    with hold(plan, database, observer=events.append) as runner:
        for stage in stages_of(plan)[1:]:
            runner.advance(stage)
            assert runner.rollout().stage is stage
    assert columns(conn) == ["full_name", "id", "visits"]
    assert conn.execute("SELECT count(*) FROM users WHERE full_name = 'user ' || id").fetchone() == (20_000,)
    reached = [event.stage for event in events if isinstance(event, StageReached)]
    assert reached == list(stages_of(plan)[1:])
    assert [event.rows for event in events if isinstance(event, StepFinished) and event.step == "fill"] == [
        20_000
    ]
    last = [event for event in events if isinstance(event, Progress) and event.step == "fill"][-1]
    assert (last.fraction, last.rows, last.eta_seconds) == (1.0, 20_000, 0.0)


def shape(conn: psycopg.Connection) -> list[tuple[str, str]]:
    """Everything that a rollout could leave behind on the table."""
    return conn.execute(
        """
        SELECT 'column', attname FROM pg_attribute
        WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped
        UNION ALL SELECT 'index', indexrelid::regclass::text FROM pg_index WHERE indrelid = 'users'::regclass
        UNION ALL SELECT 'constraint', conname FROM pg_constraint
                  WHERE conrelid = 'users'::regclass AND contype <> 'n'
        UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE tgrelid = 'users'::regclass
        UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        ORDER BY 1, 2
        """
    ).fetchall()


def test_everything_before_the_drop_can_be_taken_back(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(500)
    before = shape(conn)
    plan = rename_plan()
    with hold(plan, database) as runner:
        for stage in stages_of(plan)[1:-1]:
            runner.advance(stage)
        while (stage := runner.rollout().furthest) is not Stage.PLANNED:
            runner.undo(stage)
        assert runner.rollout().begun is None
    assert shape(conn) == before


def test_the_drop_cannot_be_taken_back(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    users(10)
    plan = rename_plan()
    with hold(plan, database) as runner:
        for stage in stages_of(plan)[1:]:
            runner.advance(stage)
        with pytest.raises(StateRefused, match="cannot be taken back"):
            runner.undo(Stage.DROPPED)
        assert runner.rollout().stage is Stage.DROPPED


def test_a_stage_that_broke_off_is_taken_back_and_leaves_nothing(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(500)
    bad = DdlStep(id="bad", stage=Stage.VERIFIED, title="Fail", sql=("SELECT 1/0",))
    before = shape(conn)
    plan = rename_plan(bad)
    with hold(plan, database) as runner:
        runner.advance(Stage.EXPANDED)
        runner.advance(Stage.BACKFILLED)
        with pytest.raises(RunError, match=r"'Fail' failed: division by zero"):
            runner.advance(Stage.VERIFIED)
        assert runner.rollout().stage is Stage.BACKFILLED
        assert runner.rollout().furthest is Stage.VERIFIED
        with pytest.raises(StateRefused, match="'verified'"):
            runner.undo(Stage.BACKFILLED)
        while (stage := runner.rollout().furthest) is not Stage.PLANNED:
            runner.undo(stage)
    assert shape(conn) == before


def test_a_ddl_step_that_fails_halfway_leaves_nothing(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    before = shape(conn)
    step = DdlStep(
        id="half",
        stage=Stage.EXPANDED,
        title="Half",
        sql=("ALTER TABLE users ADD COLUMN a int", "ALTER TABLE users ADD COLUMN a int"),
    )
    with hold(make_plan((step,)), database) as runner, pytest.raises(RunError, match="already exists"):
        runner.advance(Stage.EXPANDED)
    assert shape(conn) == before
    row = conn.execute("SELECT state, attempts, error FROM migsafe.step").fetchone()
    assert row == ("failed", 1, 'column "a" of relation "users" already exists')


def test_stages_cannot_be_skipped(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    users(10)
    with hold(rename_plan(), database) as runner:
        with pytest.raises(StateRefused, match="does not come next"):
            runner.advance(Stage.BACKFILLED)
        with pytest.raises(StateRefused, match="cannot be in stage 'verified'"):
            runner.enter(Stage.VERIFIED)
        runner.advance(Stage.EXPANDED)
        runner.advance(Stage.EXPANDED)  # reached already
        assert runner.rollout().stage is Stage.EXPANDED


def test_traffic_is_recorded_as_intended_and_as_confirmed(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with hold(rename_plan(), database) as runner:
        runner.intend_traffic(25)
        assert (runner.rollout().green_percent, runner.rollout().intended_green_percent) == (0, 25)
        runner.confirm_traffic(25)
        assert runner.rollout().green_percent == 25
        runner.set_state(State.WAITING, "the gate holds")
        assert (runner.rollout().state, runner.rollout().reason) == (State.WAITING, "the gate holds")
        with pytest.raises(errors.CheckViolation):
            runner.intend_traffic(101)


def test_a_changed_plan_is_refused_until_the_old_one_is_taken_back(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with hold(rename_plan(), database) as runner:
        runner.advance(Stage.EXPANDED)
    changed = rename_plan(passes=3)
    with pytest.raises(LedgerMismatch, match="was changed since") as refused, hold(changed, database):
        pytest.fail("it was held")
    assert "Restore the file" in refused.value.advice
    with hold(rename_plan(), database) as runner:
        runner.undo(Stage.EXPANDED)
    with hold(changed, database) as runner:
        runner.advance(Stage.EXPANDED)


def test_the_ledger_tells_the_whole_story(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    conn = users(10)
    with hold(rename_plan(), database) as runner:
        runner.advance(Stage.EXPANDED)
        runner.audit("note", {"by": "a test"})
        trail = read_audit(conn, runner.rollout().id)
    assert [line.event for line in trail] == ["lease taken", "step done", "stage", "note"]
    assert trail[-1].detail == {"by": "a test"}
    for change in (
        "DELETE FROM migsafe.audit",
        "UPDATE migsafe.audit SET event = ''",
        "TRUNCATE migsafe.audit",
    ):
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            conn.execute(change)
    row = conn.execute("SELECT (SELECT array_agg(r::text) FROM migsafe.rollout r)::text").fetchone()
    assert row is not None
    assert str(psycopg.conninfo.conninfo_to_dict(database)["password"]) not in row[0]
