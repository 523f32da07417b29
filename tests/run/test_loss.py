"""A standby takes over that lacks what was committed last: the ledger goes back under a runner that lives."""

from collections.abc import Callable

import psycopg
import pytest

from migsafe.errors import RunError
from migsafe.plan.model import DdlStep
from migsafe.plan.stages import Stage
from migsafe.run.events import Event, StepStarted
from migsafe.run.runner import hold
from tests.run.losing import terminate_runner
from tests.run.plans import make_plan, rename_plan
from tests.run.test_backfill import COUNT_CHANGES, fill_plan

STEPS = tuple(
    DdlStep(
        id=name,
        stage=Stage.EXPANDED,
        title=f"Make {name}",
        sql=(f"CREATE TABLE IF NOT EXISTS {name} ()",),
        undo=(f"DROP TABLE IF EXISTS {name}",),
    )
    for name in ("one", "two")
)


def test_no_stage_is_reached_without_a_step_that_a_server_lost(
    database: str, connection: psycopg.Connection
) -> None:
    def lose(event: Event) -> None:
        if event == StepStarted(step="two", title="Make two"):
            connection.execute("UPDATE migsafe.step SET state = 'pending' WHERE id = 'one'")
            connection.execute("DROP TABLE one")

    plan = make_plan(STEPS)
    with hold(plan, database, observer=lose) as runner:
        with pytest.raises(RunError, match="gone back: 'Make one' was done and is pending") as lost:
            runner.advance(Stage.EXPANDED)
        assert "run the same command again" in lost.value.advice
        assert runner.rollout().stage is Stage.PLANNED
        runner.advance(Stage.EXPANDED)
    assert connection.execute("SELECT to_regclass('one') IS NOT NULL").fetchone() == (True,)


def test_nothing_is_taken_back_below_a_step_that_is_there_again(
    database: str, connection: psycopg.Connection
) -> None:
    plan = make_plan(STEPS)
    undone = "UPDATE migsafe.step SET state = 'done' WHERE id = 'two'"

    def lose(event: Event) -> None:
        del event
        if connection.execute("SELECT state FROM migsafe.step WHERE id = 'two'").fetchone() == ("pending",):
            connection.execute(undone)

    with hold(plan, database) as runner:
        runner.advance(Stage.EXPANDED)
    with hold(plan, database, observer=lose) as runner:
        with pytest.raises(RunError, match="gone back: 'Make two' was pending and is done"):
            runner.undo(Stage.EXPANDED)
        runner.undo(Stage.EXPANDED)
        assert runner.rollout().furthest is Stage.PLANNED


def test_a_backfill_whose_beginning_a_server_lost_begins_again(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """Else nobody would ever take one of its chunks: they are for a step that runs."""
    conn = users(2000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute(COUNT_CHANGES)
    lost = False

    def lose(event: Event) -> None:
        nonlocal lost
        if isinstance(event, StepStarted) and not lost:
            lost = True
            conn.execute("UPDATE migsafe.step SET state = 'pending', attempts = 0 WHERE id = 'fill'")
            terminate_runner(database)

    with hold(fill_plan(), database, observer=lose) as runner:
        runner.advance(Stage.BACKFILLED)
    assert conn.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone() == (2000, 2000)
    assert rename_plan().name == fill_plan().name  # by which the connection was found
