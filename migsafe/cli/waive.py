"""`migsafe waive`: let rows in quarantine stay as they are."""

import typer

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.rollouts import DATABASE, FORMAT, PLAN, connected, rollout_name
from migsafe.errors import UsageError


def waive(
    plan: str = PLAN,
    key: str | None = typer.Argument(
        None, help="The row, as `migsafe status` names it: `id=7`, or just `7`.", metavar="KEY"
    ),
    *,
    every: bool = typer.Option(False, "--all", help="All rows that wait in quarantine now."),
    reason: str = typer.Option(..., "--reason", help="Why they may stay as they are. Kept with your name."),
    step: str | None = typer.Option(None, "--step", help="Of this step only."),
    database: str | None = DATABASE,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Let rows that could not be changed stay as they are, so that the rollout can go on.

    Verification leaves them out. Constraints do not: one that such a row violates still cannot be validated.
    """
    from migsafe.rollout.requests import known_rollout
    from migsafe.run.connect import database_url
    from migsafe.run.waive import waive_rows

    if (key is None) is not every:
        raise UsageError("name one row, or say --all", advice=f"`migsafe status {plan}` lists them")
    dsn = database_url(database)
    name = rollout_name(plan)
    with connected(dsn) as conn:
        rows = waive_rows(conn, known_rollout(conn, name), key, reason=reason, step=step)
    if output_format is OutputFormat.JSON:
        waived = [{"step": row.step, "relation": row.relation, "key": row.key} for row in rows]
        print_json({"format_version": 1, "rollout": name, "waived": waived, "reason": reason})
        return
    for row in rows:
        typer.echo(f"waived: {row.name} of {row.relation}")
    typer.echo(f"next: `migsafe run {plan}`" if rows else "nothing waits in quarantine")
