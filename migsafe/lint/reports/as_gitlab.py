"""The Code Quality report of GitLab, which is a part of Code Climate's format.

https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

import hashlib
import json
from collections.abc import Callable

from migsafe.lint.frame import printable
from migsafe.lint.model import Finding, LintReport, Severity
from migsafe.lint.reports import View

# GitLab knows info, minor, major, critical and blocker.
_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "minor"}


def render(report: LintReport, view: View) -> str:
    """An array of findings; each has a fingerprint of its own that stays when lines move."""
    issues = [_issue(finding, file.path, view.locate) for file in report.files for finding in file.findings]
    return json.dumps(issues, indent=2) + "\n"


def _issue(finding: Finding, script: str, locate: Callable[[str], str]) -> dict[str, object]:
    # Two scripts may have the same statement, and all of a report must differ.
    whole = f"{locate(script)}\0{finding.fingerprint}"
    return {
        "type": "issue",
        "check_name": finding.rule,
        "description": f"{printable(' '.join(finding.message.split()))} [{finding.id}]",
        "content": {"body": _body(finding)},
        "categories": ["Bug Risk"],
        "severity": _SEVERITIES[finding.severity],
        "fingerprint": hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:32],
        "location": {
            "path": locate(finding.path),
            "lines": {"begin": finding.line, "end": finding.end_line},
        },
    }


def _body(finding: Finding) -> str:
    why = " ".join(finding.why.split())
    if not finding.instead:
        return why
    indented = "\n".join(f"    {line}" for line in finding.instead.splitlines())
    return f"{why}\n\nInstead, by example:\n\n{indented}"
