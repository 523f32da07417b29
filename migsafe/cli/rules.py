"""`migsafe rules`: the rules of the linter, or one of them with its examples."""

import typer

from migsafe.cli.formats import OutputFormat


def rules(
    name: str = typer.Argument("", help="A rule's name or id; without it, all rules are listed."),
    file: str = typer.Option(
        "", "--config", metavar="FILE", help="The configuration; else it is looked for."
    ),
    isolated: bool = typer.Option(False, "--isolated", help="Look for no configuration."),
    format_: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """List the rules by group with what each is set to, or show one with its reasons and examples."""
    from migsafe.cli.output import write_report
    from migsafe.config.read import load_config
    from migsafe.lint.catalogue import list_as_json, list_as_text, rule_as_json, rule_as_text
    from migsafe.lint.effective import effective
    from migsafe.lint.rules import find_rule, shipped_rules

    known = shipped_rules()
    if name:
        rule = find_rule(known, name)
        write_report(rule_as_json(rule) if format_ is OutputFormat.JSON else rule_as_text(rule))
        return
    listed = effective(load_config(file=file, isolated=isolated), known).rules
    write_report(list_as_json(listed) if format_ is OutputFormat.JSON else list_as_text(listed))
