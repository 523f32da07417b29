"""A whole plan on a real server: there, and all the way back."""

from collections.abc import Callable

import psycopg

from migsafe.run.events import Event, Progress, StageReached, StepFinished
from migsafe.run.order import stages_of
from migsafe.run.runner import hold
from tests.run.plans import rename_plan


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
