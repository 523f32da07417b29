"""`migsafe verify`: runs migration scripts on a real server and holds them against their prediction."""

import sys

import typer

from migsafe.cli.formats import OutputFormat
from migsafe.cli.options import CONFIG, ISOLATED, PATHS, STDIN_FILENAME, TRANSACTION
from migsafe.config.words import Transaction

EXIT_DIFFERENT, EXIT_NOT_JUDGED = 1, 2


def verify(
    paths: list[str] | None = PATHS,
    *,
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
    transaction: Transaction | None = TRANSACTION,
    diff: str = typer.Option(
        "",
        metavar="REF",
        help="Judge only what changed since this git ref; on a scratch server all else runs first.",
    ),
    down: bool = typer.Option(False, "--down", help="Judge the way back: down files, sections, downgrades."),
    stdin_filename: str = STDIN_FILENAME,
    config: str = CONFIG,
    isolated: bool = ISOLATED,
    format_: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """Run scripts on a real server: which locks, rewrites and scans, how long, and whether as predicted.

    Exit codes: 0 all as predicted, 1 some otherwise, 2 could not judge (or not everything ran).
    """
    from migsafe.cli.output import wants_color, write_report
    from migsafe.cli.request import read_request
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
    request = read_request(
        paths=paths or (),
        schema=schema,
        transaction=transaction,
        diff=diff,
        down=down,
        stdin_filename=stdin_filename,
        config=config,
        isolated=isolated,
    )
    report = verify_paths(request, stdin=sys.stdin.buffer, database=database)
    render = as_json.render if format_ is OutputFormat.JSON else as_text.render
    write_report(render(report, color=wants_color()))
    if report.differing:
        raise typer.Exit(EXIT_DIFFERENT)
    raise typer.Exit(EXIT_NOT_JUDGED if report.not_judged else 0)
