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


def _known_time(value: str) -> str:
    from migsafe.effects.session import milliseconds

    if milliseconds(value) is None:
        raise typer.BadParameter(f"{value!r} is no time such as 2s or 500ms.")
    return value


def lint(
    paths: list[str] | None = typer.Argument(
        None, metavar="[PATH]...", help="SQL files, folders of them, or - for standard input."
    ),
    *,
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
    fix: bool = typer.Option(
        False, "--fix", help="Repair what is certain, in the files; report what is left."
    ),
    diff_fix: bool = typer.Option(False, "--diff-fix", help="Print what --fix would change; change nothing."),
    fix_lock_timeout: str = typer.Option(
        "2s",
        metavar="TIME",
        callback=_known_time,
        help="The lock timeout that --fix sets where there is none.",
    ),
) -> None:
    """Say what is unsafe in migration scripts, why, and what to do instead.

    Exit codes: 0 nothing at or above --fail-on, 1 findings (with --fix: that are left), 2 the scripts could
    not be judged.
    """
    from migsafe.cli.output import wants_color, write_report
    from migsafe.lint.model import Severity
    from migsafe.lint.reports import render
    from migsafe.lint.run import lint_paths

    wrapped = {"always": True, "never": False}.get(transaction)
    try:
        if fix or diff_fix:
            from migsafe.cli.lint_fix import fix_or_show

            report = fix_or_show(
                paths or [],
                schema=schema,
                server_version=server_version,
                wrapped=wrapped,
                lock_timeout=fix_lock_timeout,
                write=not diff_fix,
            )
        else:
            report = lint_paths(
                paths or [],
                stdin=sys.stdin.buffer,
                schema=schema,
                server_version=server_version,
                wrapped=wrapped,
            )
        if not diff_fix:
            write_report(render(report, format_, color=wants_color()))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(INTERRUPTED) from None
    failing = {FailOn.ERROR: {Severity.ERROR}, FailOn.WARNING: set(Severity), FailOn.NEVER: set()}[fail_on]
    raise typer.Exit(int(any(report.count(severity) for severity in failing)))
