"""`migsafe lint`: what is unsafe in migration scripts, why, and what to do instead."""

import typer

from migsafe.cli.options import CONFIG, ISOLATED, PATHS, STDIN_FILENAME, TRANSACTION
from migsafe.config.words import Color, FailOn, Transaction


def _known_format(value: str) -> str:
    from migsafe.lint.reports import formats
    from migsafe.suggest import did_you_mean

    if value not in formats():
        hint = did_you_mean(value, formats())
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(formats())}{hint}.")
    return value


def _known_time(value: str) -> str:
    from migsafe.effects.session import milliseconds

    if milliseconds(value) is None:
        raise typer.BadParameter(f"{value!r} is no time such as 2s or 500ms.")
    return value


def lint(
    paths: list[str] | None = PATHS,
    *,
    schema: str = typer.Option(
        "", metavar="FILE", help="The schema before the first script, e.g. from pg_dump --schema-only."
    ),
    database: str = typer.Option(
        "",
        metavar="URL",
        help="Read the schema and the sizes of tables from this database; nothing is changed.",
    ),
    server_version: int | None = typer.Option(
        None, min=14, max=18, help="The major version of PostgreSQL that the scripts will run on: 14 to 18."
    ),
    transaction: Transaction | None = TRANSACTION,
    diff: str = typer.Option(
        "", metavar="REF", help="Judge only what changed since this git ref; all else is context."
    ),
    down: bool = typer.Option(False, "--down", help="Judge the way back: down files, sections, downgrades."),
    stdin_filename: str = STDIN_FILENAME,
    rule: list[str] | None = typer.Option(
        None, metavar="NAME=LEVEL", help="Set a rule or group to error, warning, on or off; may be repeated."
    ),
    config: str = CONFIG,
    isolated: bool = ISOLATED,
    format_: str = typer.Option(
        "text",
        "--format",
        callback=_known_format,
        help="text, json, sarif, github, gitlab, junit or markdown.",
    ),
    output: str = typer.Option("", metavar="FILE", help="Write the report there, not to standard output."),
    report: list[str] | None = typer.Option(
        None, metavar="FORMAT=FILE", help="Write one more report of the same run; may be repeated."
    ),
    fail_on: FailOn | None = typer.Option(
        None, help="The least severity that makes the exit code 1; error if nothing else is configured."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="One line for each finding, nothing else."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Also what was accepted, and by whom."),
    color: Color = typer.Option(Color.AUTO, help="Colours: auto is on a terminal, without NO_COLOR."),
    baseline: str = typer.Option("", metavar="FILE", help="The file of accepted findings."),
    no_baseline: bool = typer.Option(False, "--no-baseline", help="Use no baseline."),
    write_baseline: bool = typer.Option(
        False, "--write-baseline", help="Accept all findings, or take out of the baseline what is gone."
    ),
    accept_new: bool = typer.Option(
        False, "--accept-new", help="With --write-baseline: also add what is new to a baseline that exists."
    ),
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
    no_cache: bool = typer.Option(
        False, "--no-cache", help="Judge everything anew; neither use nor fill the cache."
    ),
) -> None:
    """Say what is unsafe in migration scripts, why, and what to do instead.

    Exit codes: 0 nothing at or above --fail-on, 1 findings (with --fix: that are left), 2 the scripts could
    not be judged.
    """
    from migsafe.cli.lint_run import run_lint

    code = run_lint(
        paths=paths or (),
        schema=schema,
        database=database,
        server_version=server_version,
        transaction=transaction,
        diff=diff,
        down=down,
        stdin_filename=stdin_filename,
        rule=rule or (),
        config=config,
        isolated=isolated,
        format_=format_,
        output=output,
        report=[_format_and_file(each) for each in report or []],
        fail_on=fail_on,
        quiet=quiet,
        verbose=verbose,
        color=color,
        baseline=baseline,
        no_baseline=no_baseline,
        write_baseline=write_baseline,
        accept_new=accept_new,
        fix=fix,
        diff_fix=diff_fix,
        fix_lock_timeout=fix_lock_timeout,
        no_cache=no_cache,
    )
    raise typer.Exit(code)


def _format_and_file(given: str) -> tuple[str, str]:
    name, _, file = given.partition("=")
    if not file:
        raise typer.BadParameter("write FORMAT=FILE, for example sarif=migsafe.sarif", param_hint="--report")
    return _known_format(name), file
