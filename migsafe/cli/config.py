"""`migsafe config`: the configuration that is in effect."""

import typer

from migsafe.cli.formats import OutputFormat


def config(
    path: str = typer.Argument("", metavar="PATH", help="A script; without it, what holds for all."),
    file: str = typer.Option(
        "", "--config", metavar="FILE", help="The configuration; else it is looked for."
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="All rules, not only those that are set."),
    format_: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """Show the configuration that is in effect, and where each value comes from.

    Exit codes: 0 it is valid, 2 it is not.
    """
    from migsafe.cli.output import write_report
    from migsafe.config.read import load_config
    from migsafe.lint.effective import effective
    from migsafe.lint.rules import shipped_rules
    from migsafe.lint.show_config import config_as_json, config_as_text

    found = effective(load_config(file=file), shipped_rules(), path)
    is_json = format_ is OutputFormat.JSON
    write_report(config_as_json(found) if is_json else config_as_text(found, verbose=verbose))
