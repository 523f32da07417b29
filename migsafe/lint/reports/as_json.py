"""Findings for programs: the stable JSON of `migsafe lint`, format version 1."""

import json

from migsafe.lint.model import Finding, LintReport, Severity
from migsafe.lint.reports import View
from migsafe.lint.reports.words import rule_url

FORMAT_VERSION = 1
_FIELDS = ("rule", "id", "severity", "line", "column", "end_line", "end_column", "message", "why", "instead")


def render(report: LintReport, view: View) -> str:
    """The report as JSON. Fields may be added within a format version, never removed or changed."""
    del view
    document = {
        "format_version": FORMAT_VERSION,
        "summary": {
            "files": len(report.files),
            "statements": sum(file.statements for file in report.files),
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "unread": sum(file.unread for file in report.files),
            "suppressed": len(report.suppressed),
        },
        "files": [
            {
                "path": file.path,
                "findings": [_finding(finding, file.path) for finding in file.findings],
                "suppressed": [_finding(finding, file.path) for finding in file.suppressed],
            }
            for file in report.files
        ],
    }
    if report.baseline is not None:
        document["baseline"] = {
            "path": report.baseline.path,
            "accepted": report.baseline.accepted,
            "stale": list(report.baseline.stale),
        }
    return json.dumps(document, indent=2) + "\n"


def _finding(finding: Finding, path: str) -> dict[str, object]:
    shown: dict[str, object] = {field: getattr(finding, field) for field in _FIELDS}
    shown |= {"url": rule_url(finding.rule), "fingerprint": finding.fingerprint}
    if finding.path != path:
        shown["path"] = finding.path
    if finding.is_in_code:
        shown["statement"] = finding.statement
    if finding.suppression is not None:
        shown["suppression"] = {
            "kind": finding.suppression.kind,
            "reason": finding.suppression.reason,
            "line": finding.suppression.line,
        }
    return shown
