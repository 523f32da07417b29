"""`migsafe pause`, `retreat` and `revert`, from any terminal."""

from typing import TYPE_CHECKING

import typer

from migsafe.cli.formats import OutputFormat
from migsafe.cli.rollouts import (
    DATABASE,
    FORMAT,
    PLAN,
    connected,
    find_plan,
    interruptible,
    report,
    rollout_name,
    watching,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from migsafe.rollout.controller import Controller, Outcome
    from migsafe.run.ledger.model import Request

RETREAT_PATIENCE_SECONDS = 3.0


def pause(plan: str = PLAN, *, database: str | None = DATABASE, output_format: OutputFormat = FORMAT) -> None:
    """Freeze a rollout: schema and traffic stay as they are. Go on with `resume`."""
    from migsafe.run.ledger.model import Request

    _ask(plan, database, Request.PAUSE, output_format, act=lambda control: control.pause())


def retreat(
    plan: str = PLAN, *, database: str | None = DATABASE, output_format: OutputFormat = FORMAT
) -> None:
    """Give all traffic back to the old version, at once. The schema stays as it is.

    A runner that does not answer within 3 seconds loses its right to this rollout.
    """
    from migsafe.run.ledger.model import Request

    _ask(
        plan,
        database,
        Request.RETREAT,
        output_format,
        act=lambda control: control.retreat("asked for"),
        patience_seconds=RETREAT_PATIENCE_SECONDS,
    )


def revert(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    new_version_gone: bool = typer.Option(
        False,
        "--new-version-gone",
        help="For plans without traffic: you are sure that no process of the new version runs any more.",
    ),
    output_format: OutputFormat = FORMAT,
) -> None:
    """Take everything back: first the contract, then traffic, then the schema."""
    from migsafe.run.ledger.model import Request

    _ask(
        plan,
        database,
        Request.REVERT,
        output_format,
        act=lambda control: control.revert(new_version_gone=new_version_gone),
    )


def _ask(
    target: str,
    database: str | None,
    wanted: "Request",
    output_format: OutputFormat,
    *,
    act: "Callable[[Controller], Outcome]",
    patience_seconds: float | None = None,
) -> None:
    """Have the live runner do it; without one, or when it does not answer in an emergency, do it here."""
    from migsafe.cli.render import both
    from migsafe.rollout.controller import outcome_of
    from migsafe.rollout.requests import ask_runner, known_rollout, living_holder, refuse_early, refused
    from migsafe.rollout.session import controller
    from migsafe.run.connect import database_url
    from migsafe.run.events import Notice
    from migsafe.run.revoke import revoke

    dsn = database_url(database)
    name = rollout_name(target)
    with watching(output_format) as (text, recorder), interruptible(target):
        plan = find_plan(target, dsn)
        with connected(dsn) as conn:
            refuse_early(plan, known_rollout(conn, name), wanted)
            answer = ask_runner(conn, name, wanted, observer=text, patience_seconds=patience_seconds)
            if answer is None and living_holder(conn, known_rollout(conn, name)) is not None:
                text(Notice(text="the runner does not answer: its right to this rollout is taken over"))
                revoke(conn, known_rollout(conn, name).id, reason=f"{wanted}: no answer")
        if answer is not None:
            if not answer.done:
                raise refused(answer, wanted)
            outcome = outcome_of(answer.rollout)
        else:
            with controller(plan, dsn, observer=both(text, recorder)) as control:
                outcome = act(control)
    report(plan, target, outcome, recorder, output_format)
