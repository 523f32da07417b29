"""Workflow commands of GitHub Actions: annotations on the lines of a pull request.

They need no token, so they also work for a pull request from a fork. GitHub shows ten errors and ten
warnings of a step; the log has them all.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from migsafe.lint.frame import printable
from migsafe.lint.model import Finding, LintReport
from migsafe.lint.reports import View
from migsafe.lint.reports.words import baseline_notes, rule_url, summary

_IN_TEXT = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY = {**_IN_TEXT, ":": "%3A", ",": "%2C"}


def render(report: LintReport, view: View) -> str:
    """One command for each finding, then the summary. Nothing in a finding can be a command of its own."""
    lines = [_command(finding, view) for finding in report.findings]
    lines += [printable(note) for note in baseline_notes(report)]
    return "\n".join([*lines, summary(report)]) + "\n"


def _command(finding: Finding, view: View) -> str:
    properties = {
        "file": view.locate(finding.path),
        "line": str(finding.line),
        "endLine": str(_last_line(finding)),
        # GitHub takes columns only for what is on one line.
        **(
            {"col": str(finding.column), "endColumn": str(max(finding.end_column - 1, finding.column))}
            if finding.line == finding.end_line
            else {}
        ),
        "title": f"{finding.id} {finding.rule}",
    }
    said = ",".join(f"{key}={_escaped(value, _IN_PROPERTY)}" for key, value in properties.items())
    statement = f"\nSQL: {printable(finding.statement)}" if finding.is_in_code else ""
    text = f"{printable(finding.message)}{statement}\n{rule_url(finding.rule)}"
    return f"::{finding.severity} {said}::{_escaped(text, _IN_TEXT)}"


def _last_line(finding: Finding) -> int:
    """The last line that has something of the finding: an end at column 1 is the line before."""
    return (
        finding.end_line - 1
        if finding.end_column == 1 and finding.end_line > finding.line
        else finding.end_line
    )


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
