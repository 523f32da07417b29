"""`migsafe rules`: the rules of the linter, or one of them with its examples."""

import typer

from migsafe.cli.formats import OutputFormat


def rules(
    name: str = typer.Argument("", help="A rule's name or id; without it, all rules are listed."),
    format_: OutputFormat = typer.Option(OutputFormat.TEXT, "--format", help="text or json."),
) -> None:
    """List the linter's rules, or show one with its reasons and examples."""
    from migsafe.cli.output import write_report
    from migsafe.lint.catalogue import list_as_json, list_as_text, rule_as_json, rule_as_text
    from migsafe.lint.rules import find_rule, shipped_rules

    known = shipped_rules()
    if name:
        rule = find_rule(known, name)
        write_report(rule_as_json(rule) if format_ is OutputFormat.JSON else rule_as_text(rule))
    else:
        write_report(list_as_json(known) if format_ is OutputFormat.JSON else list_as_text(known))
