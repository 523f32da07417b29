"""`migsafe lint`: what is unsafe in migration scripts, why, and what to do instead."""

import sys
from enum import StrEnum

import typer

INTERRUPTED = 130  # what a shell reports for Ctrl-C


class TransactionMode(StrEnum):
    """Whether the tool that runs a script opens a transaction around it."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class FailOn(StrEnum):
    """The least severity that makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


def _known_format(value: str) -> str:
    from migsafe.lint.reports import formats

    if value not in formats():
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(formats())}.")
    return value


def lint(
    paths: list[str] | None = typer.Argument(
        None, metavar="[PATH]...", help="SQL files, folders of them, or - for standard input."
    ),
    schema: str = typer.Option(
        "", metavar="FILE", help="The schema before the first script, e.g. from pg_dump --schema-only."
    ),
    server_version: int | None = typer.Option(
        None, min=14, max=18, help="The major version of PostgreSQL that the scripts will run on: 14 to 18."
    ),
    transaction: TransactionMode = typer.Option(
        TransactionMode.AUTO,
        help="Whether your tool opens a transaction around each script; auto: only what the script says.",
    ),
    format_: str = typer.Option("text", "--format", callback=_known_format, help="text or json."),
    fail_on: FailOn = typer.Option(FailOn.ERROR, help="The least severity that makes the exit code 1."),
) -> None:
    """Say what is unsafe in migration scripts, why, and what to do instead.

    Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 the scripts could not be judged.
    """
    from migsafe.cli.output import wants_color, write_report
    from migsafe.lint.model import Severity
    from migsafe.lint.reports import render
    from migsafe.lint.run import lint_paths

    try:
        report = lint_paths(
            paths or [],
            stdin=sys.stdin.buffer,
            schema=schema,
            server_version=server_version,
            wrapped={"always": True, "never": False}.get(transaction),
        )
        write_report(render(report, format_, color=wants_color()))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(INTERRUPTED) from None
    failing = {FailOn.ERROR: {Severity.ERROR}, FailOn.WARNING: set(Severity), FailOn.NEVER: set()}[fail_on]
    raise typer.Exit(int(any(report.count(severity) for severity in failing)))
