"""`migsafe pause`, `retreat`, `revert`, `cancel` and `undo`, from any terminal."""

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
from migsafe.cli.telemetry import EVENTS, Wanted, telling

if TYPE_CHECKING:
    from collections.abc import Callable

    from migsafe.plan.model import Plan
    from migsafe.rollout.controller import Controller
    from migsafe.rollout.outcome import Outcome
    from migsafe.run.connect import Conn
    from migsafe.run.ledger.model import Request, Rollout

RETREAT_PATIENCE_SECONDS = 3.0
CANCEL_PATIENCE_SECONDS = 3.0


def pause(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    events: str | None = EVENTS,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Freeze a rollout: schema and traffic stay as they are. Go on with `resume`."""
    from migsafe.run.ledger.model import Request

    _ask(
        plan,
        database,
        Request.PAUSE,
        output_format,
        act=lambda control: control.pause(),
        told=Wanted(command="pause", events=events, urgent=True),
    )


def retreat(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    events: str | None = EVENTS,
    output_format: OutputFormat = FORMAT,
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
        told=Wanted(command="retreat", events=events, urgent=True),
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
    events: str | None = EVENTS,
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
        told=Wanted(command="revert", events=events, urgent=True),
    )


def cancel(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    reason: str = typer.Option("", "--reason", help="Why, for the audit trail."),
    new_version_gone: bool = typer.Option(
        False,
        "--new-version-gone",
        help="For plans without traffic: you are sure that no process of the new version runs any more.",
    ),
    events: str | None = EVENTS,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Give a rollout up: stop its work at once, then take everything back.

    A runner that does not answer within 3 seconds loses its right to this rollout, and what it has at work on
    the server is ended. Refused when it is done, and after a point of no return, where `revert` would lose
    something: pause it instead.
    """
    from migsafe.rollout.requests import refuse_cancel
    from migsafe.run.ledger.model import Request

    _ask(
        plan,
        database,
        Request.REVERT,
        output_format,
        act=lambda control: control.revert(new_version_gone=new_version_gone),
        told=Wanted(command="cancel", events=events, urgent=True),
        patience_seconds=CANCEL_PATIENCE_SECONDS,
        check=refuse_cancel,
        audit=("cancel asked for", {"reason": reason}),
    )


def undo(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    events: str | None = EVENTS,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Rename the old shape back, from the stage 'tombstoned': in milliseconds, with its data current.

    Traffic stays where it is. Afterwards `retreat` works again, and `contract` can be tried again.
    """
    from migsafe.run.ledger.model import Request

    _ask(
        plan,
        database,
        Request.UNDO,
        output_format,
        act=lambda control: control.undo(),
        told=Wanted(command="undo", events=events, urgent=True),
    )


def _ask(
    target: str,
    database: str | None,
    wanted: "Request",
    output_format: OutputFormat,
    *,
    act: "Callable[[Controller], Outcome]",
    told: Wanted,
    patience_seconds: float | None = None,
    check: "Callable[[Conn, Plan, Rollout], None] | None" = None,
    audit: "tuple[str, dict[str, object]] | None" = None,
) -> None:
    """Have the live runner do it; without one, or when it does not answer in an emergency, do it here."""
    from migsafe.cli.render import both
    from migsafe.rollout.outcome import outcome_of
    from migsafe.rollout.requests import ask_runner, known_rollout, living_holder, refuse_early, refused
    from migsafe.rollout.session import controller
    from migsafe.run.connect import database_url
    from migsafe.run.events import Notice
    from migsafe.run.ledger.rollouts import add_audit
    from migsafe.run.revoke import revoke
    from migsafe.run.session import opened

    dsn = database_url(database)
    name = rollout_name(target)
    to_stderr = told.text_to_stderr(output_format)
    with (
        watching(output_format, to_stderr=to_stderr) as (text, recorder),
        interruptible(target),
        telling(told) as tell,
    ):
        plan = find_plan(target, dsn)
        with connected(dsn) as conn:
            rollout = known_rollout(conn, name)
            tell(opened(conn, plan, rollout.id, role="asker", stage=rollout.stage))
            refuse_early(plan, rollout, wanted)
            if check is not None:
                check(conn, plan, rollout)
            if audit is not None:
                add_audit(conn, rollout.id, *audit)
            answer = ask_runner(
                conn, name, wanted, observer=both(text, tell), patience_seconds=patience_seconds
            )
            if answer is None and living_holder(conn, known_rollout(conn, name)) is not None:
                text(Notice(text="the runner does not answer: its right to this rollout is taken over"))
                revoke(conn, known_rollout(conn, name).id, reason=f"{wanted}: no answer")
        if answer is not None:
            if not answer.done:
                raise refused(answer, wanted)
            outcome = outcome_of(answer.rollout)
        else:
            with controller(plan, dsn, observer=both(text, recorder, tell)) as control:
                outcome = act(control)
        tell.ended(outcome)
    report(plan, target, outcome, recorder, output_format, to_stderr=to_stderr)
