"""`migsafe explain`: what each statement of migration scripts will do."""

import sys

import typer

from migsafe.cli.formats import OutputFormat
from migsafe.config.words import Transaction


def explain(
    paths: list[str] | None = typer.Argument(
        None, metavar="PATH", help="SQL files, folders of them, or - for standard input."
    ),
    schema: str = typer.Option(
        "", metavar="FILE", help="The schema before the first script, e.g. from pg_dump --schema-only."
    ),
    database: str = typer.Option(
        "",
        metavar="URL",
        help="Read the schema before the first script from this database; nothing is changed.",
    ),
    server_version: int | None = typer.Option(
        None, min=14, max=18, help="The major version of PostgreSQL that the scripts will run on: 14 to 18."
    ),
    transaction: Transaction = typer.Option(
        Transaction.AUTO,
        help="Whether your tool opens a transaction around each script; auto: only what the script says.",
    ),
    format_: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """Say what each statement will do: locks, rewrites, scans, for how long, and which version it breaks.

    Exit codes: 0 all statements were understood, 1 some were not, 2 the scripts could not be read.
    """
    from migsafe.cli.output import wants_color, write_report
    from migsafe.errors import UsageError
    from migsafe.explain import as_json, as_text
    from migsafe.explain.run import explain_paths

    if schema and database:
        raise UsageError("--schema and --database both say what the schema is", advice="Give one of them.")
    explanation = explain_paths(
        paths or [],
        stdin=sys.stdin.buffer,
        schema=schema,
        database=database,
        server_version=server_version,
        wrapped=transaction.wrapped,
    )
    render = as_json.render if format_ is OutputFormat.JSON else as_text.render
    write_report(render(explanation, color=wants_color()))
    raise typer.Exit(int(explanation.unread > 0))
