"""Findings for programs: the stable JSON of `migsafe lint`, format version 1."""

import json

from migsafe.lint.model import Finding, LintReport, Severity

FORMAT_VERSION = 1
_FIELDS = ("rule", "id", "severity", "line", "column", "end_line", "end_column", "message", "why", "instead")


def render(report: LintReport, *, color: bool = False) -> str:
    """The report as JSON. Fields may be added within a format version, never removed or changed."""
    del color
    document = {
        "format_version": FORMAT_VERSION,
        "summary": {
            "files": len(report.files),
            "statements": sum(file.statements for file in report.files),
            "errors": report.count(Severity.ERROR),
            "warnings": report.count(Severity.WARNING),
            "unread": sum(file.unread for file in report.files),
        },
        "files": [
            {"path": file.path, "findings": [_finding(finding) for finding in file.findings]}
            for file in report.files
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, str | int]:
    return {field: getattr(finding, field) for field in _FIELDS}
