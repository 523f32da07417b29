"""`migsafe work`: join a rollout as a worker."""

import typer

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.rollouts import (
    DATABASE,
    FORMAT,
    configured_pace,
    interruptible,
    rollout_name,
    watching,
)
from migsafe.cli.telemetry import EVENTS, METRICS, METRICS_PUBLIC, WEBHOOK, Wanted, telling


def work(
    plan: str | None = typer.Argument(
        None, help="A plan file, or the name of a rollout. [default: all rollouts]", metavar="PLAN"
    ),
    *,
    database: str | None = DATABASE,
    lead: bool = typer.Option(
        False, "--lead", help="Also take over when the runner dies in a backfill, until it is backfilled."
    ),
    idle_timeout: float | None = typer.Option(
        None, "--idle-timeout", min=0, help="End after so many seconds without anything to do."
    ),
    events: str | None = EVENTS,
    metrics: str | None = METRICS,
    metrics_public: bool = METRICS_PUBLIC,
    webhook: list[str] = WEBHOOK,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Join the backfills of a rollout that `migsafe run` leads, from any host: start as many as you like.

    Waits for a rollout that has not begun or is paused, and ends when there is nothing left to backfill.
    """
    from migsafe.cli.render import both
    from migsafe.run.connect import database_url
    from migsafe.run.join import join
    from migsafe.run.lost import database_errors
    from migsafe.run.settings import Settings

    dsn = database_url(database)
    name = rollout_name(plan) if plan else None
    settings = Settings(pace=configured_pace(()))
    wanted = Wanted(
        command="work",
        events=events,
        metrics=metrics,
        metrics_public=metrics_public,
        webhooks=tuple(webhook),
    )
    to_stderr = wanted.text_to_stderr(output_format)
    with (
        watching(output_format, to_stderr=to_stderr) as (text, recorder),
        interruptible(plan or "PLAN"),
        telling(wanted) as tell,
        database_errors(dsn),
    ):
        observer = both(text, recorder, tell)
        done = join(dsn, name, settings=settings, observer=observer, idle_seconds=idle_timeout, leads=lead)
        ended = "nothing is left to backfill" if done.done else "nothing to do"
        tell.finished(state="done" if done.done else "idle", ok=True, reason=ended)
    if output_format is OutputFormat.JSON:
        print_json({"format_version": 1, "done": done.done, "chunks": done.chunks, "rows": done.rows})
        return
    typer.echo(f"{ended}: {done.rows:,} rows in {done.chunks:,} chunks were done here", err=to_stderr)
