"""`migsafe run` (also called `resume`) and `migsafe contract`: carry out a plan."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from migsafe.cli.formats import OutputFormat
from migsafe.cli.rollouts import (
    DATABASE,
    FORMAT,
    PLAN,
    configured_pace,
    find_plan,
    interruptible,
    report,
    watching,
)
from migsafe.cli.telemetry import EVENTS, METRICS, METRICS_PUBLIC, WEBHOOK, Wanted, telling
from migsafe.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from migsafe.plan.stages import Stage

DIRECT = typer.Option(
    None,
    "--direct-database",
    help="The same database without a pooler in between. [env: MIGSAFE_DIRECT_DATABASE_URL]",
)
RATE = typer.Option(None, "--max-rows-per-second", min=1, help="A limit for the backfill.")
LIMIT = typer.Option(
    None,
    "--limit",
    metavar="NAME=VALUE",
    help="A limit of the pace, as in replica-lag=5s..10s; several times. `migsafe set` lists them.",
)
BUDGET = typer.Option(
    None,
    "--blocked-budget",
    min=0.2,
    help="How many seconds a session of the application may wait for us, before our statement is "
    "cancelled and tried again later. [default: 0.5]",
)
QUARANTINE = typer.Option(
    None,
    "--max-quarantined",
    min=0,
    help="How many rows of a step may be left out because they cannot be changed; one more stops the run. "
    "[default: 100]",
)
KILL = typer.Option(
    [],
    "--kill",
    help="End sessions that stay in the way of a strong lock: idle-in-transaction, active, pg_dump, vacuum, "
    "from this age of their transaction on, as in idle-in-transaction:30. Repeatable. "
    "[default: nobody is ended; without an age, 60 s]",
    metavar="KIND[:SECONDS]",
)
KILL_SUPERUSERS = typer.Option(
    False, "--kill-superusers", help="--kill also ends sessions that belong to a superuser."
)
_CONTRACT = ("fenced", "tombstoned", "dropped")


def run(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    direct_database: str | None = DIRECT,
    to: str | None = typer.Option(
        None, "--to", help="The stage to go to. [default: soaked with traffic, verified without]"
    ),
    max_rows_per_second: float | None = RATE,
    workers: int = typer.Option(
        1, "--workers", min=1, max=64, help="How many workers of this process share a backfill."
    ),
    limit: list[str] | None = LIMIT,
    blocked_budget: float | None = BUDGET,
    max_quarantined: int | None = QUARANTINE,
    kill: list[str] = KILL,
    kill_superusers: bool = KILL_SUPERUSERS,
    events: str | None = EVENTS,
    metrics: str | None = METRICS,
    metrics_public: bool = METRICS_PUBLIC,
    webhook: list[str] = WEBHOOK,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Carry out a plan, or go on with it: expand, backfill, verify, then traffic step by step.

    Safe to repeat at any time. Exit code 1: a gate failed (all traffic is on blue, the schema stays) or
    held for too long. 130: interrupted.
    """
    drive(
        plan,
        database=database,
        direct_database=direct_database,
        to=to,
        max_rows_per_second=max_rows_per_second,
        workers=workers,
        limits=limit or (),
        tuned={"blocked_budget": blocked_budget, "max_quarantined": max_quarantined}
        | _killing(kill, superusers=kill_superusers),
        wanted=Wanted(
            command="run",
            events=events,
            metrics=metrics,
            metrics_public=metrics_public,
            webhooks=tuple(webhook),
        ),
        output_format=output_format,
    )


def contract(
    plan: str = PLAN,
    *,
    database: str | None = DATABASE,
    direct_database: str | None = DIRECT,
    blocked_budget: float | None = BUDGET,
    kill: list[str] = KILL,
    kill_superusers: bool = KILL_SUPERUSERS,
    drop: bool = typer.Option(
        False, "--drop", help="Also drop the old shape: there is no way back from that."
    ),
    old_version_gone: bool = typer.Option(
        False, "--old-version-gone", help="You are sure that no process of the old version runs any more."
    ),
    events: str | None = EVENTS,
    metrics: str | None = METRICS,
    metrics_public: bool = METRICS_PUBLIC,
    webhook: list[str] = WEBHOOK,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Remove the old shape: prove that the old version is gone, rename it, and later drop it."""
    drive(
        plan,
        database=database,
        direct_database=direct_database,
        to="dropped" if drop else "tombstoned",
        old_version_gone=old_version_gone,
        contracting=True,
        tuned={"blocked_budget": blocked_budget} | _killing(kill, superusers=kill_superusers),
        wanted=Wanted(
            command="contract",
            events=events,
            metrics=metrics,
            metrics_public=metrics_public,
            webhooks=tuple(webhook),
        ),
        output_format=output_format,
    )


def drive(
    target: str,
    *,
    database: str | None,
    direct_database: str | None,
    to: str | None,
    output_format: OutputFormat,
    max_rows_per_second: float | None = None,
    workers: int = 1,
    limits: Sequence[str] = (),
    old_version_gone: bool = False,
    contracting: bool = False,
    tuned: "Mapping[str, Any] | None" = None,
    wanted: Wanted | None = None,
) -> None:
    """Load the plan, hold the rollout, go to the stage, and say how it ended."""
    from migsafe.cli.render import both
    from migsafe.plan.stages import Stage
    from migsafe.rollout.session import check_first, controller
    from migsafe.run.connect import database_url
    from migsafe.run.events import Notice
    from migsafe.run.settings import Settings

    dsn = database_url(database)
    plan = find_plan(target, dsn)
    stage = read_stage(to) or (Stage.SOAKED if plan.traffic else Stage.VERIFIED)
    if stage.value in _CONTRACT and not contracting:
        raise UsageError(
            f"`run` does not go to '{stage}': it takes the old shape away",
            advice=f"use `migsafe contract {target}{' --drop' if stage is Stage.DROPPED else ''}`",
        )
    direct = direct_database or os.environ.get("MIGSAFE_DIRECT_DATABASE_URL")
    settings = Settings(
        direct_dsn=direct,
        max_rows_per_second=max_rows_per_second,
        workers=workers,
        pace=configured_pace(limits),
        **{name: value for name, value in (tuned or {}).items() if value is not None},
    )
    wanted = wanted or Wanted(command="contract" if contracting else "run")
    to_stderr = wanted.text_to_stderr(output_format)
    with (
        watching(output_format, to_stderr=to_stderr) as (text, recorder),
        interruptible(target),
        telling(wanted) as tell,
    ):
        text(Notice(text=f"{plan.name}: {plan.summary}"))
        notes = check_first(plan, dsn)
        for warning in () if contracting else (*plan.warnings, *notes):
            both(text, tell)(Notice(text=f"warning: {warning}"))
        with controller(
            plan,
            dsn,
            observer=both(text, recorder, tell),
            settings=settings,
            old_version_gone=old_version_gone,
        ) as control:
            if contracting:
                control.require_contract()
            outcome = control.drive(stage)
        tell.ended(outcome)
    report(plan, target, outcome, recorder, output_format, to_stderr=to_stderr)


def _killing(rules: list[str], *, superusers: bool) -> dict[str, Any]:
    from migsafe.run.kill import read_rules

    return {"kill": read_rules(rules), "kill_superusers": superusers}


def read_stage(name: str | None) -> "Stage | None":
    """The stage of this name.

    Raises:
        UsageError: There is none.
    """
    from migsafe.plan.stages import Stage
    from migsafe.rollout.options import did_you_mean

    if name is None or name in set(Stage):
        return Stage(name) if name else None
    raise UsageError(f"unknown stage '{name}'", advice=did_you_mean(name, set(Stage)))
