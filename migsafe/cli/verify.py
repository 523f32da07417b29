"""`migsafe verify`: runs migration scripts on a real server and holds them against their prediction."""

import sys

import typer

from migsafe.cli.formats import OutputFormat
from migsafe.config.words import Transaction

EXIT_DIFFERENT, EXIT_NOT_JUDGED = 1, 2


def verify(
    paths: list[str] | None = typer.Argument(
        None, metavar="PATH", help="SQL files, folders of them, or - for standard input."
    ),
    schema: str = typer.Option(
        "", metavar="FILE", help="SQL that is run before the first script, e.g. from pg_dump --schema-only."
    ),
    database: str = typer.Option(
        "",
        metavar="URL",
        help="Run on this database, such as a copy of production, and not on a scratch server.",
    ),
    allow_changes: bool = typer.Option(
        False, "--allow-changes", help="The database may be changed: the scripts really run, and commit."
    ),
    transaction: Transaction = typer.Option(
        Transaction.AUTO,
        help="Whether your tool opens a transaction around each script; auto: only what the script says.",
    ),
    format_: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """Run scripts on a real server: which locks, rewrites and scans, how long, and whether as predicted.

    Exit codes: 0 all as predicted, 1 some otherwise, 2 could not judge (or not everything ran).
    """
    from migsafe.cli.output import wants_color, write_report
    from migsafe.errors import UsageError
    from migsafe.verify import as_json, as_text
    from migsafe.verify.scripts import verify_paths

    if database and not allow_changes:
        raise UsageError(
            "the scripts would really run on this database, and change it",
            advice="Say --allow-changes if it is a throw-away copy; "
            "without --database they run on a scratch server.",
        )
    if database and schema:
        raise UsageError(
            "--schema is for a scratch server: a database has a schema", advice="Leave --schema out."
        )
    report = verify_paths(
        paths or [],
        stdin=sys.stdin.buffer,
        schema=schema,
        database=database,
        wrapped=transaction.wrapped,
    )
    render = as_json.render if format_ is OutputFormat.JSON else as_text.render
    write_report(render(report, color=wants_color()))
    if report.differing:
        raise typer.Exit(EXIT_DIFFERENT)
    raise typer.Exit(EXIT_NOT_JUDGED if report.not_judged else 0)
