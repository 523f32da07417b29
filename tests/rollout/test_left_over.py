"""A request that nobody answered: who comes next does it, or puts it aside and says so."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migsafe.errors import RunError
from migsafe.plan.model import Contract, DdlStep, Plan, Traffic
from migsafe.plan.stages import Stage
from migsafe.rollout.controller import Controller
from migsafe.rollout.outcome import Outcome
from migsafe.rollout.session import controller
from migsafe.run.connect import connect
from migsafe.run.events import Event, Notice, TrafficMoved
from migsafe.run.ledger.model import Request, Rollout, State
from migsafe.run.ledger.rollouts import read_audit, read_rollout, request
from migsafe.run.settings import Settings
from tests.rollout.plans import FAST
from tests.run.plans import rename_plan

Act = Callable[[Controller], Outcome]


class Driven:
    """A rename whose traffic is a number in a file."""

    def __init__(self, dsn: str, share: Path) -> None:
        share.write_text("0")
        self.dsn, self.share, self.events = dsn, share, list[Event]()
        self.look: Callable[[Event], None] = self.events.append
        self.plan = replace(
            rename_plan(passes=1),
            traffic=Traffic(
                provider="command",
                options={"set": f"echo {{green}} > {share}", "read": f"cat {share}"},
                steps=(50, 100),
                step_seconds=0.0,
            ),
            contract=Contract(soak_seconds=0.0, keep_seconds=0.0),
        )

    def act(self, act: Act, plan: Plan | None = None) -> Outcome:
        """A command of its own."""
        self.events.clear()
        settings = Settings(retry_first=0.02)
        with controller(
            plan or self.plan,
            self.dsn,
            observer=self.look,
            settings=settings,
            pace=FAST,
            old_version_gone=True,
        ) as control:
            return act(control)

    def drive(self, stage: Stage, plan: Plan | None = None) -> Outcome:
        return self.act(lambda control: control.drive(stage), plan)

    def ask(self, wanted: Request) -> None:
        with connect(self.dsn) as conn:
            request(conn, self.plan.name, wanted)

    @property
    def rollout(self) -> Rollout:
        with connect(self.dsn) as conn:
            found = read_rollout(conn, self.plan.name)
        assert found is not None
        return found

    def audited(self) -> list[str]:
        with connect(self.dsn) as conn:
            return [line.event for line in read_audit(conn, self.rollout.id, last=100)]

    @property
    def broken(self) -> Plan:
        """Its tombstone has a step more, which fails."""
        first = next(i for i, step in enumerate(self.plan.steps) if step.stage is Stage.TOMBSTONED)
        bad = DdlStep(
            id="bad",
            stage=Stage.TOMBSTONED,
            title="Fails",
            sql=("ALTER TABLE users RENAME COLUMN nope TO x",),
        )
        return replace(self.plan, steps=(*self.plan.steps[: first + 1], bad, *self.plan.steps[first + 1 :]))


def columns(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as conn:
        rows = conn.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'users'::regclass")
        return {str(row[0]) for row in rows}


@pytest.fixture
def driven(users: str, tmp_path: Path) -> Driven:
    return Driven(users, tmp_path / "share")


@pytest.mark.parametrize("wanted", [Request.RETREAT, Request.UNDO])
def test_a_revert_is_not_turned_into_what_somebody_asked_before(driven: Driven, wanted: Request) -> None:
    driven.drive(Stage.TOMBSTONED if wanted is Request.UNDO else Stage.CANARY)
    driven.ask(wanted)
    outcome = driven.act(lambda control: control.revert())
    assert (outcome.stage, outcome.state) == (Stage.PLANNED, State.REVERTED)
    assert (driven.rollout.request, driven.share.read_text().strip()) == (None, "0")
    assert f"{wanted} put aside" in driven.audited()


def test_an_undo_is_not_turned_into_a_revert_that_was_asked_before(driven: Driven) -> None:
    driven.drive(Stage.TOMBSTONED)
    driven.ask(Request.REVERT)
    outcome = driven.act(lambda control: control.undo())
    assert (outcome.stage, outcome.green_percent, outcome.state) == (Stage.FENCED, 100, State.WAITING)
    assert driven.rollout.request is None


@pytest.mark.parametrize("wanted", [Request.REVERT, Request.UNDO, Request.PAUSE])
def test_a_retreat_leaves_no_older_request_behind(driven: Driven, wanted: Request) -> None:
    driven.drive(Stage.CANARY)
    driven.ask(wanted)
    assert driven.act(lambda control: control.retreat("asked for")).stage is Stage.DARK
    assert driven.rollout.request is None
    assert driven.drive(Stage.SOAKED).stage is Stage.SOAKED


def test_a_run_does_what_was_left_over(driven: Driven) -> None:
    driven.drive(Stage.CANARY)
    driven.ask(Request.REVERT)
    assert driven.drive(Stage.SOAKED).state is State.REVERTED


@pytest.mark.parametrize(
    ("stage", "wanted", "goal"),
    [
        (Stage.CANARY, Request.UNDO, Stage.SOAKED),
        (Stage.TOMBSTONED, Request.RETREAT, Stage.DROPPED),
        (Stage.DROPPED, Request.REVERT, Stage.DROPPED),
    ],
)
def test_a_run_puts_aside_what_has_no_sense_where_it_stands(
    driven: Driven, stage: Stage, wanted: Request, goal: Stage
) -> None:
    driven.drive(stage)
    with connect(driven.dsn) as conn:  # also one that is done: it was asked a moment before
        conn.execute("UPDATE migsafe.rollout SET request = %s", (wanted,))
    outcome = driven.drive(goal)
    assert outcome.stage is goal
    assert driven.rollout.request is None
    told = [event.text for event in driven.events if isinstance(event, Notice)]
    assert any(text.startswith(f"somebody asked for {wanted}, which cannot be done here: ") for text in told)


def test_a_request_that_came_too_late_for_a_revert_does_not_stop_the_next_run(driven: Driven) -> None:
    driven.drive(Stage.EXPANDED)
    driven.act(lambda control: control.revert())
    with connect(driven.dsn) as conn:
        conn.execute("UPDATE migsafe.rollout SET request = 'retreat'")
    assert driven.drive(Stage.EXPANDED).stage is Stage.EXPANDED


@pytest.mark.parametrize(
    ("wanted", "ends"),
    [
        (Request.PAUSE, (Stage.DARK, State.RETREATED)),
        (Request.UNDO, (Stage.DARK, State.RETREATED)),
        (Request.REVERT, (Stage.PLANNED, State.REVERTED)),
    ],
)
def test_a_request_in_the_middle_of_a_retreat_waits_until_all_traffic_is_on_blue(
    driven: Driven, wanted: Request, ends: tuple[Stage, State]
) -> None:
    with pytest.raises(RunError, match="does not exist"):
        driven.drive(Stage.TOMBSTONED, driven.broken)
    assert driven.rollout.furthest is Stage.TOMBSTONED
    assert "name" not in columns(driven.dsn)
    moved: list[tuple[bool, int]] = []  # whether blue works, and the share of green

    def look(event: Event) -> None:
        if isinstance(event, TrafficMoved):
            moved.append(("name" in columns(driven.dsn), event.green_percent))

    def retreat(control: Controller) -> Outcome:
        driven.ask(wanted)
        return control.retreat("asked for")

    driven.look = look
    outcome = driven.act(retreat, driven.broken)
    assert (outcome.stage, outcome.state) == ends
    assert driven.share.read_text().strip() == "0"
    assert driven.rollout.request is None
    assert moved == [(True, 0)]
