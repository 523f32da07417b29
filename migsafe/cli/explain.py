"""`migsafe explain`: what each statement of migration scripts will do."""

import sys

import typer

from migsafe.cli.formats import OutputFormat
from migsafe.cli.options import CONFIG, ISOLATED, PATHS, STDIN_FILENAME, TRANSACTION
from migsafe.config.words import Transaction


def explain(
    paths: list[str] | None = PATHS,
    *,
    schema: str = typer.Option(
        "", metavar="FILE", help="The schema before the first script, e.g. from pg_dump --schema-only."
    ),
    database: str = typer.Option(
        "",
        metavar="URL",
        help="Read the schema before the first script, and the version, from this database; "
        "nothing is changed.",
    ),
    server_version: int | None = typer.Option(
        None, min=14, max=18, help="The major version of PostgreSQL that the scripts will run on: 14 to 18."
    ),
    transaction: Transaction | None = TRANSACTION,
    diff: str = typer.Option(
        "", metavar="REF", help="Explain only what changed since this git ref; all else is context."
    ),
    down: bool = typer.Option(
        False, "--down", help="Explain the way back: down files, sections, downgrades."
    ),
    stdin_filename: str = STDIN_FILENAME,
    config: str = CONFIG,
    isolated: bool = ISOLATED,
    format_: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """Say what each statement will do: locks, rewrites, scans, for how long, and which version it breaks.

    Exit codes: 0 all statements were understood, 1 some were not, 2 the scripts could not be read.
    """
    from migsafe.cli.output import wants_color, write_report
    from migsafe.cli.request import read_request
    from migsafe.explain import as_json, as_text
    from migsafe.explain.run import explain_paths

    request = read_request(
        paths=paths or (),
        schema=schema,
        database=database,
        server_version=server_version,
        transaction=transaction,
        diff=diff,
        down=down,
        stdin_filename=stdin_filename,
        config=config,
        isolated=isolated,
    )
    explanation = explain_paths(request, stdin=sys.stdin.buffer)
    render = as_json.render if format_ is OutputFormat.JSON else as_text.render
    write_report(render(explanation, color=wants_color()))
    raise typer.Exit(int(explanation.unread > 0))
