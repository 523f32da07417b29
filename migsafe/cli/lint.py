"""`migsafe lint`: what is unsafe in migration scripts, why, and what to do instead."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from migsafe.config.words import Color, FailOn, Transaction

if TYPE_CHECKING:
    from migsafe.catalog.model import Catalog
    from migsafe.config.model import Config, RuleLayer
    from migsafe.lint.model import LintReport
    from migsafe.lint.reports import View

INTERRUPTED = 130  # what a shell reports for Ctrl-C


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
    paths: list[str] | None = typer.Argument(
        None,
        metavar="PATH",
        help="SQL files, folders, alembic.ini, manage.py, or -; without any, all configured sources.",
    ),
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
    transaction: Transaction | None = typer.Option(
        None,
        help="Whether your tool opens a transaction around each script; auto: only what the script says.",
    ),
    diff: str = typer.Option(
        "", metavar="REF", help="Judge only what changed since this git ref; all else is context."
    ),
    down: bool = typer.Option(False, "--down", help="Judge the way back: down files, sections, downgrades."),
    stdin_filename: str = typer.Option(
        "", metavar="PATH", help="The name of what standard input brings, for its settings and its place."
    ),
    rule: list[str] | None = typer.Option(
        None, metavar="NAME=LEVEL", help="Set a rule or group to error, warning, on or off; may be repeated."
    ),
    config: str = typer.Option("", metavar="FILE", help="The configuration; else it is looked for."),
    isolated: bool = typer.Option(False, "--isolated", help="Look for no configuration."),
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
) -> None:
    """Say what is unsafe in migration scripts, why, and what to do instead.

    Exit codes: 0 nothing at or above --fail-on, 1 findings (with --fix: that are left), 2 the scripts could
    not be judged.
    """
    from migsafe.config.model import Flags
    from migsafe.config.read import load_config
    from migsafe.lint.accepted import BaselineRequest, with_baseline
    from migsafe.lint.run import LintRequest, lint_paths
    from migsafe.sources.settings import Direction

    reports = [_format_and_file(each) for each in report or []]
    try:
        settings = load_config(file=config, isolated=isolated).with_flags(
            Flags(server_version=server_version, transaction=transaction, rules=_rules(rule or []))
        )
        request = LintRequest(
            paths=tuple(paths or ()),
            config=settings,
            schema=schema,
            catalog=_catalog(database, schema),
            diff=diff,
            direction=Direction.DOWN if down else Direction.UP,
            stdin_filename=stdin_filename,
        )
        accepted = BaselineRequest(
            file=baseline, is_off=no_baseline, write=write_baseline, accept_new=accept_new
        )
        if fix or diff_fix:
            from migsafe.cli.lint_fix import fix_or_show

            found = fix_or_show(request, accepted, lock_timeout=fix_lock_timeout, write=not diff_fix)
        elif "sarif" in {format_, *(name for name, _ in reports)}:
            from migsafe.lint.fix.paths import lint_with_fixes

            found = lint_with_fixes(request, stdin=sys.stdin.buffer)
        else:
            found = lint_paths(request, stdin=sys.stdin.buffer)
        found = with_baseline(found, accepted, settings)
        view = _view(settings, quiet=quiet, verbose=verbose)
        # With --diff-fix the changes are all that goes to standard output.
        first = [] if diff_fix and not output else [(format_, output)]
        _show(found, [*first, *reports], view, color=color)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(int(found.fails(fail_on or settings.fail_on)))


def _catalog(database: str, schema: str) -> "Catalog | None":
    from migsafe.errors import UsageError

    if not database:
        return None
    if schema:
        raise UsageError("--schema and --database both say what the schema is", advice="Give one of them.")
    from migsafe.explain.run import start_catalog

    return start_catalog("", database)


def _rules(given: list[str]) -> "RuleLayer | None":
    from migsafe.config.model import RuleLayer
    from migsafe.config.words import Level
    from migsafe.errors import UsageError
    from migsafe.suggest import did_you_mean

    levels: dict[str, Level] = {}
    for each in given:
        name, _, level = each.partition("=")
        if level not in tuple(Level):
            raise UsageError(
                f"--rule {each}: the level cannot be {level!r}{did_you_mean(level, Level)}",
                advice=f"Write NAME=LEVEL; possible levels: {', '.join(Level)}.",
            )
        levels[name.strip()] = Level(level)
    return RuleLayer(levels=levels, where="--rule") if levels else None


def _format_and_file(given: str) -> tuple[str, str]:
    name, _, file = given.partition("=")
    if not file:
        raise typer.BadParameter("write FORMAT=FILE, for example sarif=migsafe.sarif", param_hint="--report")
    return _known_format(name), file


def _view(config: "Config", *, quiet: bool, verbose: bool) -> "View":
    from migsafe.lint.reports import View

    return View(quiet=quiet, verbose=verbose, locate=config.from_repository)


def _show(report: "LintReport", wanted: list[tuple[str, str]], view: "View", *, color: Color) -> None:
    from dataclasses import replace

    from migsafe.cli.output import wants_color, write_report
    from migsafe.errors import UsageError
    from migsafe.lint.reports import render

    for format_name, file in wanted:
        if not file or file == "-":
            painted = color is Color.ALWAYS or (color is Color.AUTO and wants_color())
            write_report(render(report, format_name, replace(view, color=painted)))
            continue
        try:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).write_text(
                render(report, format_name, replace(view, color=color is Color.ALWAYS)),
                encoding="utf-8",
                errors="backslashreplace",
                newline="\n",
            )
        except OSError as error:
            raise UsageError(
                f"{file}: cannot be written: {error.strerror}", advice="Check the folder and its permissions."
            ) from error
