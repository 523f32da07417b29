"""SARIF 2.1.0, for code scanning on GitHub and for editors.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

import json
from string import ascii_letters, digits
from typing import Any

from migsafe import __version__
from migsafe.lint.model import Finding, LintedFile, LintReport, Rule, SuppressionKind
from migsafe.lint.reports import View
from migsafe.lint.reports.words import HOME, rule_url
from migsafe.lint.rules import shipped_rules
from migsafe.sql.position import Lines

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_UNRESERVED = frozenset(f"{ascii_letters}{digits}-._~/")
_KINDS = {
    SuppressionKind.STATEMENT: "inSource",
    SuppressionKind.FILE: "inSource",
    SuppressionKind.BASELINE: "external",
}


def render(report: LintReport, view: View) -> str:
    """One run; accepted findings are results with a suppression. Rules are those that results name."""
    named = {finding.rule for finding in (*report.findings, *report.suppressed)}
    rules = [rule for rule in shipped_rules() if rule.name in named]
    index = {rule.name: number for number, rule in enumerate(rules)}
    results = [
        _result(finding, file, index, view)
        for file in report.files
        for finding in (*file.findings, *file.suppressed)
    ]
    run = {
        "tool": {
            "driver": {
                "name": "migsafe",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    why = " ".join(rule.why.split())
    instead = f"\n\nInstead, by example:\n\n{rule.instead}" if rule.instead else ""
    in_markdown = f"\n\nInstead, by example:\n\n```sql\n{rule.instead}\n```" if rule.instead else ""
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": why},
        "help": {"text": f"{why}{instead}", "markdown": f"{why}{in_markdown}"},
        "helpUri": rule_url(rule.name),
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": sorted({rule.family, "migration", "postgresql"}), "precision": "high"},
    }


def _result(finding: Finding, file: LintedFile, index: dict[str, int], view: View) -> dict[str, Any]:
    statement = f" (SQL: {finding.statement})" if finding.is_in_code else ""
    result: dict[str, Any] = {
        "ruleId": finding.id,
        "level": finding.severity,
        "message": {"text": _without_links(f"{finding.message}{statement}")},
        "locations": [{"physicalLocation": {**_artifact(finding.path, view), "region": _region(finding)}}],
        "partialFingerprints": {"migsafe/v1": finding.fingerprint},
    }
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    # An empty list says that somebody looked and accepted nothing; consumers want all or none to have one.
    result["suppressions"] = (
        [
            {
                "kind": _KINDS[finding.suppression.kind],
                "status": "accepted",
                "justification": finding.suppression.reason,
            }
        ]
        if finding.suppression
        else []
    )
    if finding.fix is not None and not finding.is_in_code and finding.path == file.path:
        result["fixes"] = [_fix(finding, file, view)]
    return result


def _uri(path: str) -> str:
    """The path with every byte escaped that a URI cannot hold (RFC 3986, 2.3)."""
    return "".join(
        chr(byte) if chr(byte) in _UNRESERVED else f"%{byte:02X}" for byte in path.encode(errors="replace")
    )


def _without_links(text: str) -> str:
    """Text of a message, where `[a](b)` would be a link (3.11.6); a word joiner stops that."""
    return text.replace("](", "]\u2060(")


def _artifact(path: str, view: View) -> dict[str, Any]:
    uri = _uri(view.locate(path))
    location: dict[str, Any] = {"uri": f"file://{uri}" if uri.startswith("/") else uri}
    if not uri.startswith("/"):
        location["uriBaseId"] = _ROOT
    return {"artifactLocation": location}


def _region(finding: Finding) -> dict[str, int]:
    return {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.end_line,
        "endColumn": finding.end_column,
    }


def _fix(finding: Finding, file: LintedFile, view: View) -> dict[str, Any]:
    fix = finding.fix
    if fix is None:
        raise ValueError("a finding without a fix")
    lines = Lines(file.text)
    replacements: list[dict[str, Any]] = []
    for edit in fix.edits:
        start, end = lines.position(edit.start), lines.position(edit.end)
        deleted = {
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        }
        replacements.append({"deletedRegion": deleted, "insertedContent": {"text": edit.text}})
    change = {**_artifact(file.path, view), "replacements": replacements}
    return {"description": {"text": fix.title}, "artifactChanges": [change]}
