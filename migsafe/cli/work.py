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
    with watching(output_format) as (text, recorder), interruptible(plan or "PLAN"), database_errors(dsn):
        done = join(
            dsn, name, settings=settings, observer=both(text, recorder), idle_seconds=idle_timeout, leads=lead
        )
    if output_format is OutputFormat.JSON:
        print_json({"format_version": 1, "done": done.done, "chunks": done.chunks, "rows": done.rows})
        return
    ended = "nothing is left to backfill" if done.done else "nothing to do"
    typer.echo(f"{ended}: {done.rows:,} rows in {done.chunks:,} chunks were done here")
