"""Status: readable by anybody, at any time, without the lease."""

import json
import os
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.errors import UsageError
from migsafe.plan.options import PlanOptions
from migsafe.plan.planner import plan_migration
from migsafe.plan.stages import Stage, Version
from migsafe.run.connect import connect
from migsafe.run.events import Progress
from migsafe.run.ledger.model import Request, StepState, StopRequested
from migsafe.run.ledger.rollouts import request
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.run.status import Status, read_status
from tests.run.plans import rename_plan


def test_status_tells_the_stage_the_steps_and_who_is_at_work(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(5000)
    plan = rename_plan()
    settings = Settings(first_window_pages=2, window_pages=2, max_rows_per_second=5000)
    with hold(plan, database, settings=settings) as runner, connect(database) as other:
        runner.advance(Stage.EXPANDED)
        seen: list[Status] = []

        def look(event: object) -> None:
            if isinstance(event, Progress) and event.fraction > 0.2 and not seen:
                seen.append(read_status(other, plan.name))
                request(other, plan.name, Request.PAUSE)

        session = replace(runner.session, observer=look, settings=replace(settings, progress_seconds=0.2))
        with pytest.raises(StopRequested):
            type(runner)(session).advance(Stage.BACKFILLED)
        status = read_status(other, plan.name)
    assert (status.stage, status.request) == (Stage.EXPANDED, Request.PAUSE)
    assert status.allowed == (Version.BLUE,)
    assert status.holder is not None
    assert status.holder.process.pid == os.getpid()
    by_id = {step.id: step for step in seen[0].steps}
    assert by_id["expand"].state is StepState.DONE
    fill = by_id["fill"]
    assert (fill.state, fill.rows > 0) == (StepState.RUNNING, True)
    assert fill.fraction is not None
    assert 0.1 < fill.fraction < 0.9
    assert fill.rows_per_second is not None
    assert fill.rows_per_second > 100
    assert fill.eta_seconds is not None
    assert 0 < fill.eta_seconds < 60
    with connect(database) as other:
        left = read_status(other, plan.name).steps[1]
    assert left.fraction is not None
    assert left.rows > 0
    assert (left.rows_per_second, left.eta_seconds) == (None, None)  # nobody is at work on it
    assert [point.kind for point in status.points_of_no_return] == ["structural", "data", "artifact"]
    assert not any(point.passed for point in status.points_of_no_return)
    assert status.audit[-1].event == "pause requested"
    read = json.loads(json.dumps(status.to_json()))
    assert read["format_version"] == 1
    assert read["steps"][0]["state"] == "done"


@pytest.mark.parametrize(
    "migration",
    [
        "DELETE FROM users WHERE id % 2 = 0;",
        "UPDATE users SET name = 'x' WHERE id % 2 = 0;",
        "INSERT INTO users (id, name) VALUES (-1, 'x');",
    ],
)
def test_rows_that_the_migration_changes_cannot_be_had_back_from_the_first_batch_on(
    database: str, users: Callable[[int], psycopg.Connection], migration: str
) -> None:
    catalog = read_catalog(users(100))
    plan = plan_migration(migration, catalog, PlanOptions(name="rows"))
    with hold(plan, database) as runner, connect(database) as other:
        before = read_status(other, plan.name).points_of_no_return[1]
        runner.advance(Stage.BACKFILLED)
        after = read_status(other, plan.name).points_of_no_return[1]
    assert (before.kind, before.passed, after.passed) == ("data", False, True)
    assert (
        before.text == "the first batch of rows of public.users: a revert does not bring back what they were"
    )
    assert after.text == "passed: rows of public.users are changed, and a revert does not bring that back"


def test_rows_that_did_not_have_to_be_changed_are_not_lost(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    catalog = read_catalog(users(100))
    plan = plan_migration("DELETE FROM users WHERE id < 0;", catalog, PlanOptions(name="rows"))
    with hold(plan, database) as runner, connect(database) as other:
        runner.advance(Stage.BACKFILLED)
        assert not any(point.passed for point in read_status(other, plan.name).points_of_no_return)


def test_an_unknown_rollout_is_said_with_those_that_are_known(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(10)
    with connect(database) as conn:
        with pytest.raises(UsageError, match="no rollout named 'other'") as unknown:
            read_status(conn, "other")
        assert "none" in unknown.value.advice
        with hold(rename_plan(), database):
            pass
        with pytest.raises(UsageError) as unknown:
            read_status(conn, "other")
        assert "rename" in unknown.value.advice
