"""`migsafe set`: the limits of a backfill's pace, listed and changed while it runs."""

from typing import TYPE_CHECKING, Any

import typer

from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.rollouts import DATABASE, FORMAT, configured_pace, connected, rollout_name
from migsafe.errors import UsageError

if TYPE_CHECKING:
    from migsafe.run.pace.limits import Effective


def set_value(
    plan: str | None = typer.Argument(
        None, help="The plan file, or the name of a rollout. [default: show what can be set]", metavar="PLAN"
    ),
    name: str | None = typer.Argument(None, help="What to set. [default: show all values]", metavar="NAME"),
    value: str | None = typer.Argument(
        None, help="The value: 10s, 5s..10s, off, or default to take back what was set.", metavar="VALUE"
    ),
    *,
    database: str | None = DATABASE,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Show or change the limits of a backfill's pace. A run that is at work takes them up within a second.

    A limit A..B means: full pace up to A, slower and slower above it, a stop from B on.
    """
    from migsafe.rollout.limits import change_setting, known_settings
    from migsafe.run.connect import database_url
    from migsafe.run.pace.limits import described, effective

    here = configured_pace(())
    if plan is None:
        _show(None, effective(here, ()), output_format)
        return
    target = rollout_name(plan)
    if name is not None and value is None:
        raise UsageError(f"no value for '{name}' was given", advice=f"migsafe set {plan} {name} VALUE")
    with connected(database_url(database)) as conn:
        if name is None or value is None:
            _show(target, known_settings(conn, target, here), output_format)
            return
        changed = change_setting(conn, target, name, value, here)
    if output_format is OutputFormat.JSON:
        print_json(
            {
                "format_version": 1,
                "rollout": target,
                **described([changed.now])[0],
                "former": changed.former.shown,
                "running": changed.is_running,
            }
        )
        return
    when = "the run at work takes it up within a second" if changed.is_running else "for the next run"
    typer.echo(
        f"{name}: {changed.now.shown} ({changed.now.source}), was {changed.former.shown} "
        f"({changed.former.source}); {when}"
    )


def _show(rollout: str | None, values: "dict[str, Effective]", output_format: OutputFormat) -> None:
    from migsafe.run.pace.limits import described

    documents: list[dict[str, Any]] = described(values.values())
    if output_format is OutputFormat.JSON:
        print_json({"format_version": 1, "rollout": rollout, "settings": documents})
        return
    names = max(len(each["name"]) for each in documents)
    shown = max(len(each["value"]) for each in documents)
    sources = max(len(each["source"]) for each in documents)
    for each in documents:
        typer.echo(
            f"{each['name']:<{names}}  {each['value']:<{shown}}  {each['source']:<{sources}}  {each['about']}"
        )
