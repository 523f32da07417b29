"""`migsafe demo`: the newcomer's tour."""

import sys
from enum import StrEnum

import typer

from migsafe.cli.formats import OutputFormat, print_json

INTERRUPTED = 130


class Breakage(StrEnum):
    """What may be made to go wrong."""

    CANARY = "canary"


def demo(
    *,
    rows: int = typer.Option(200_000, min=1_000, help="Rows of the table."),
    breakage: Breakage | None = typer.Option(
        None, "--break", help="Let something go wrong: canary = the new version fails under real traffic."
    ),
    keep: bool = typer.Option(False, "--keep", help="Keep the directory with plan, logs and database files."),
    output_format: OutputFormat = typer.Option(
        OutputFormat.TEXT, "--format", help="text, or json: the result on stdout and the story on stderr."
    ),
) -> None:
    """See a column renamed on a real PostgreSQL, behind a real proxy, without a failed request.

    Takes about a minute. Needs the extra: pip install 'migsafe[demo]'. Exit code 0 only if everything held.
    """
    from migsafe.demo.outcome import to_json
    from migsafe.demo.story import Story
    from migsafe.demo.tour import Tour, run_tour

    story = Story(sys.stdout if output_format is OutputFormat.TEXT else sys.stderr)
    try:
        outcome, problems = run_tour(
            Tour(rows=rows, break_canary=breakage is Breakage.CANARY, keep=keep), story
        )
    except KeyboardInterrupt:
        story.line()
        story.line("Stopped; nothing of the demo is left." if not keep else "Stopped.")
        raise typer.Exit(INTERRUPTED) from None
    if output_format is OutputFormat.JSON:
        print_json(to_json(outcome, problems))
    if problems:
        raise typer.Exit(1)
