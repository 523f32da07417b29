"""What the commands share that act on a rollout."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from migsafe.cli.formats import OutputFormat, print_json

if TYPE_CHECKING:
    from migsafe.cli.render import Recorder, TextObserver
    from migsafe.config.pace import PaceSettings
    from migsafe.plan.model import Plan
    from migsafe.rollout.outcome import Outcome
    from migsafe.run.connect import Conn

EXIT_FAILED_GATE, EXIT_INTERRUPTED = 1, 130

DATABASE = typer.Option(None, "--database", help="The database. [env: MIGSAFE_DATABASE_URL, DATABASE_URL]")
FORMAT = typer.Option(OutputFormat.TEXT, "--format", help="text or json.")
PLAN = typer.Argument(help="The plan file, or the name of a rollout in this database.", metavar="PLAN")


def looks_like_a_file(target: str) -> bool:
    """Whether the user means a file and not a rollout's name."""
    return Path(target).exists() or target.endswith(".toml") or os.sep in target


def find_plan(target: str, dsn: str) -> "Plan":
    """The plan in a file, or the one that the ledger keeps under this name.

    Raises:
        UsageError: There is neither.
        PlanError: The file is not a plan.
    """
    from migsafe.plan.toml.file import load_plan, read_plan
    from migsafe.rollout.requests import known_rollout
    from migsafe.run.connect import connect

    if looks_like_a_file(target):
        return load_plan(Path(target))
    with connect(dsn) as conn:
        return read_plan(known_rollout(conn, target).plan, file=f"the plan of '{target}' in the ledger")


def rollout_name(target: str) -> str:
    """The name that a plan file gives, or the name itself."""
    from migsafe.plan.toml.file import load_plan

    return load_plan(Path(target)).name if looks_like_a_file(target) else target


def configured_pace(limits: Sequence[str]) -> "PaceSettings":
    """What the configuration that holds here says about pace, and these options.

    Raises:
        UsageError: Something of it is not known or not possible.
    """
    from migsafe.config.pace import PaceSettings
    from migsafe.config.read import load_config

    return (load_config().pace or PaceSettings()).with_options(tuple(limits))


@contextmanager
def connected(dsn: str) -> "Iterator[Conn]":
    """A connection that is only for looking and asking."""
    from migsafe.run.connect import connect
    from migsafe.run.lost import database_errors

    with database_errors(dsn), connect(dsn) as conn:
        yield conn


@contextmanager
def watching(
    output_format: OutputFormat, *, to_stderr: bool = False
) -> "Iterator[tuple[TextObserver, Recorder]]":
    """The observers of one command: text to stdout, or to stderr when stdout is for something else."""
    from migsafe.cli.render import Recorder, TextObserver

    stream = sys.stderr if output_format is OutputFormat.JSON or to_stderr else sys.stdout
    text = TextObserver(stream, terminal=stream.isatty() and os.environ.get("TERM") != "dumb")
    try:
        yield text, Recorder()
    finally:
        text.close()


@contextmanager
def interruptible(place: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run between two pieces of work, with exit code 130."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"\ninterrupted: the piece of work at hand was rolled back, what was finished is in the ledger, "
            f"traffic stays where it is\ngo on with `migsafe resume {place}`",
            err=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, former)


def report(
    plan: "Plan",
    place: str,
    outcome: "Outcome",
    recorder: "Recorder",
    output_format: OutputFormat,
    *,
    to_stderr: bool = False,
) -> None:
    """Say how it ended, and exit with 1 when a gate said no or held for too long."""
    from migsafe.rollout.advice import next_step

    advice = next_step(plan, place, outcome.stage, outcome.state)
    if output_format is OutputFormat.JSON:
        print_json(_document(plan, outcome, recorder, advice))
    else:
        if outcome.reason:
            typer.echo(outcome.reason, err=to_stderr)
        typer.echo(f"{outcome.state}: stage '{outcome.stage}', {_traffic(plan, outcome)}", err=to_stderr)
        typer.echo(f"next: {advice}", err=to_stderr)
    if not outcome.ok:
        raise typer.Exit(EXIT_FAILED_GATE)


def _traffic(plan: "Plan", outcome: "Outcome") -> str:
    if plan.traffic is None:
        return "no traffic is moved by this plan"
    return f"traffic green {outcome.green_percent} %, blue {100 - outcome.green_percent} %"


def _document(plan: "Plan", outcome: "Outcome", recorder: "Recorder", advice: str) -> dict[str, Any]:
    return {
        "format_version": 1,
        "rollout": plan.name,
        "stage": outcome.stage.value,
        "state": outcome.state.value,
        "green_percent": outcome.green_percent,
        "ok": outcome.ok,
        "reason": outcome.reason,
        "next": advice,
        **recorder.document(),
    }
