"""`migsafe fleet`: one plan over many databases."""

from typing import TYPE_CHECKING

import typer

from migsafe.cli.fleet_start import (
    CANARY,
    FILE,
    GONE,
    KEEP_GOING,
    ONLY,
    PARALLEL,
    PAUSE,
    WAVES,
    Ways,
    carry_out,
    opened,
)
from migsafe.cli.formats import OutputFormat, print_json
from migsafe.cli.rollouts import FORMAT, configured_pace
from migsafe.cli.run import BUDGET, KILL, KILL_SUPERUSERS, LIMIT, QUARANTINE, RATE
from migsafe.cli.telemetry import EVENTS, WEBHOOK

if TYPE_CHECKING:
    from collections.abc import Sequence

fleet = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="One plan over many databases (shards, tenants): a canary first, then in waves.",
)

PLAN_FILE = typer.Argument(help="The plan file.", metavar="PLAN")
PLAN = typer.Argument(help="The plan file, or the name of its rollouts.", metavar="PLAN")


@fleet.command()
def check(
    plan: str = PLAN_FILE,
    *,
    databases: str = FILE,
    only: list[str] = ONLY,
    canary: str | None = CANARY,
    waves: str | None = WAVES,
    to: str | None = typer.Option(None, "--to", help="The stage to go to. [default: verified]"),
    output_format: OutputFormat = FORMAT,
) -> None:
    """Ask every database whether the plan can be carried out there, and show the waves. Changes nothing.

    Exit codes: 0 all can begin, go on, or are done; 2 at least one cannot.
    """
    from migsafe.cli.fleet_show import check_document, check_lines
    from migsafe.fleet.check import check_fleet
    from migsafe.fleet.together import require_no_traffic

    at = opened(plan, databases, only, must_be_file=True)
    require_no_traffic(at.plan)
    target, order = at.target(to), at.waves(waves, canary)
    found = check_fleet(at.plan, at.chosen, target)
    if output_format is OutputFormat.JSON:
        print_json(check_document(at.plan, found, order, target))
    else:
        typer.echo("\n".join(check_lines(at.plan, found, order, target)))
    if any(each.problem for each in found):
        raise typer.Exit(2)


@fleet.command()
def run(
    plan: str = PLAN_FILE,
    *,
    databases: str = FILE,
    only: list[str] = ONLY,
    canary: str | None = CANARY,
    waves: str | None = WAVES,
    parallel: int | None = PARALLEL,
    pause: str | None = PAUSE,
    keep_going: bool = KEEP_GOING,
    to: str | None = typer.Option(None, "--to", help="The stage to go to. [default: verified]"),
    max_rows_per_second: float | None = RATE,
    workers: int = typer.Option(
        1, "--workers", min=1, max=64, help="How many workers share a backfill, in each database."
    ),
    limit: list[str] | None = LIMIT,
    blocked_budget: float | None = BUDGET,
    max_quarantined: int | None = QUARANTINE,
    kill: list[str] = KILL,
    kill_superusers: bool = KILL_SUPERUSERS,
    events: str | None = EVENTS,
    webhook: list[str] = WEBHOOK,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Carry out a plan in all databases, or go on with it, each as `migsafe run` does it.

    All are checked first; then comes the canary alone, then the waves. The first failure stops it: what runs
    finishes its piece of work. Run the same command again to go on. Exit codes: 0 all databases are there,
    1 it was stopped before, 2 a database failed or something is wrong, 130 interrupted.
    """
    from migsafe.fleet.check import check_fleet
    from migsafe.fleet.together import require_no_traffic
    from migsafe.run.kill import read_rules

    read_rules(kill)
    configured_pace(limit or ())
    at = opened(plan, databases, only, must_be_file=True)
    require_no_traffic(at.plan)
    target = at.target(to)
    words = ["run", plan, "--to", target.value, "--workers", str(workers)]
    words += _words("--max-rows-per-second", max_rows_per_second) + _words("--blocked-budget", blocked_budget)
    words += _words("--max-quarantined", max_quarantined) + _repeated("--limit", limit or ())
    words += _repeated("--kill", kill) + (["--kill-superusers"] if kill_superusers else [])
    ways = Ways(
        canary=canary,
        waves=waves,
        parallel=parallel,
        pause=pause,
        keep_going=keep_going,
        events=events,
        webhooks=webhook,
    )
    checked = check_fleet(at.plan, at.chosen, target)
    carry_out(at, checked, words, target, ways, output_format, command="run")


fleet.command("resume", help="Go on with a plan that was paused or interrupted: the same as `run`.")(run)


@fleet.command()
def contract(
    plan: str = PLAN,
    *,
    databases: str = FILE,
    only: list[str] = ONLY,
    canary: str | None = CANARY,
    waves: str | None = WAVES,
    parallel: int | None = PARALLEL,
    pause: str | None = PAUSE,
    keep_going: bool = KEEP_GOING,
    drop: bool = typer.Option(
        False, "--drop", help="Drop the old shape, in all databases: there is no way back from that."
    ),
    old_version_gone: bool = typer.Option(
        False, "--old-version-gone", help="You are sure that no process of the old version runs any more."
    ),
    blocked_budget: float | None = BUDGET,
    kill: list[str] = KILL,
    kill_superusers: bool = KILL_SUPERUSERS,
    events: str | None = EVENTS,
    webhook: list[str] = WEBHOOK,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Rename the old shape away in all databases, and with --drop drop it, in waves as `run` does.

    Refused while any database of the fleet has not reached 'verified' (with --drop: 'tombstoned').
    """
    from migsafe.fleet.check import held_elsewhere
    from migsafe.fleet.together import require_contract, require_no_traffic
    from migsafe.plan.stages import Stage
    from migsafe.run.kill import read_rules
    from migsafe.run.order import up_to

    read_rules(kill)
    at = opened(plan, databases, only)
    require_no_traffic(at.plan)
    target = up_to(at.plan, Stage.DROPPED if drop else Stage.TOMBSTONED)
    readings = at.readings()
    require_contract(at.plan, readings, at.among(readings), target, at.fleet.application)
    words = ["contract", plan, *(["--drop"] if drop else [])]
    words += ["--old-version-gone"] if old_version_gone else []
    words += _words("--blocked-budget", blocked_budget) + _repeated("--kill", kill)
    words += ["--kill-superusers"] if kill_superusers else []
    ways = Ways(
        canary=canary,
        waves=waves,
        parallel=parallel,
        pause=pause,
        keep_going=keep_going,
        events=events,
        webhooks=webhook,
    )
    checked = [held_elsewhere(each, target) for each in at.among(readings)]
    carry_out(at, checked, words, target, ways, output_format, command="contract")


@fleet.command()
def status(
    plan: str = PLAN, *, databases: str = FILE, only: list[str] = ONLY, output_format: OutputFormat = FORMAT
) -> None:
    """Show where each database stands, in one table, and which version of the application may run.

    Exit code 2: some databases cannot be reached.
    """
    from migsafe.cli.fleet_show import status_document, status_lines

    at = opened(plan, databases, only)
    readings = at.among(at.readings())
    document = status_document(at.plan, readings, at.fleet.application)
    if output_format is OutputFormat.JSON:
        print_json(document)
    else:
        typer.echo("\n".join(status_lines(document)))
    if any(each.problem for each in readings):
        raise typer.Exit(2)


@fleet.command()
def pause(
    plan: str = PLAN, *, databases: str = FILE, only: list[str] = ONLY, output_format: OutputFormat = FORMAT
) -> None:
    """Stop what runs, in every database after its piece of work; without --only no other one is begun."""
    from migsafe.cli.fleet_acts import act_and_report, only_at_work
    from migsafe.fleet.act import stop_the_fleet

    at = opened(plan, databases, only)
    readings = at.among(at.readings())
    if not only:
        stop_the_fleet(readings, at.plan.name, "pause")
    act_and_report(["pause", at.plan.name], readings, output_format, skip=only_at_work)


@fleet.command("set")
def set_value(
    plan: str = PLAN,
    name: str = typer.Argument(help="What to set: see `migsafe set`.", metavar="NAME"),
    value: str = typer.Argument(help="The value, as in `migsafe set`.", metavar="VALUE"),
    *,
    databases: str = FILE,
    only: list[str] = ONLY,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Change a limit of the pace in every database whose rollout has begun and is not over."""
    from migsafe.cli.fleet_acts import act_and_report, not_over

    at = opened(plan, databases, only)
    readings = at.among(at.readings())
    act_and_report(["set", at.plan.name, name, value], readings, output_format, skip=not_over)


@fleet.command()
def undo(
    plan: str = PLAN, *, databases: str = FILE, only: list[str] = ONLY, output_format: OutputFormat = FORMAT
) -> None:
    """Rename the old shape back, in every database that stands in 'tombstoned'."""
    from migsafe.cli.fleet_acts import act_and_report, only_tombstoned
    from migsafe.fleet.act import stop_the_fleet

    at = opened(plan, databases, only)
    readings = at.among(at.readings())
    if not only:
        stop_the_fleet(readings, at.plan.name, "undo")
    act_and_report(["undo", at.plan.name], readings, output_format, skip=only_tombstoned)


@fleet.command()
def revert(
    plan: str = PLAN,
    *,
    databases: str = FILE,
    only: list[str] = ONLY,
    new_version_gone: bool = GONE,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Take everything back in all databases: first the contract everywhere, then the schema."""
    _take_back(plan, databases, only, "revert", (), output_format, new_version_gone=new_version_gone)


@fleet.command()
def cancel(
    plan: str = PLAN,
    *,
    databases: str = FILE,
    only: list[str] = ONLY,
    reason: str = typer.Option("", "--reason", help="Why, for the audit trail."),
    new_version_gone: bool = GONE,
    output_format: OutputFormat = FORMAT,
) -> None:
    """Give the plan up: stop its work at once in all databases, then take everything back.

    Refused in a database where it is done, or has passed a point of no return.
    """
    more = ("--reason", reason) if reason else ()
    _take_back(plan, databases, only, "cancel", more, output_format, new_version_gone=new_version_gone)


def _take_back(
    plan: str,
    databases: str,
    only: list[str],
    command: str,
    more: "Sequence[str]",
    output_format: OutputFormat,
    *,
    new_version_gone: bool,
) -> None:
    from migsafe.cli.fleet_acts import act_and_report, not_taken_back, undo_first
    from migsafe.fleet.act import stop_the_fleet
    from migsafe.fleet.together import require_way_back

    at = opened(plan, databases, only)
    everywhere = at.readings()
    readings = at.among(everywhere)
    require_way_back(at.plan, everywhere, readings, at.fleet.application, new_version_gone=new_version_gone)
    if not only:
        stop_the_fleet(readings, at.plan.name, command)
    undo_first(at.plan.name, readings, output_format)
    words = [command, at.plan.name, *more, *(["--new-version-gone"] if new_version_gone else [])]
    act_and_report(words, readings, output_format, skip=not_taken_back)


def _words(option: str, value: float | None) -> list[str]:
    return [] if value is None else [option, f"{value:.15g}"]


def _repeated(option: str, values: "Sequence[str]") -> list[str]:
    return [word for value in values for word in (option, value)]
