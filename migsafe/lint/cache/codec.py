"""What was found in one script, as bytes: JSON, which can hold nothing but data.

The text of the script is not in it; whoever looks an entry up has it.
"""

import json
from typing import Any

from migsafe.lint.model import Finding, LintedFile, Severity, Suppression, SuppressionKind
from migsafe.sources.model import Source

_FIELDS = (
    *("rule", "id", "severity", "path", "line", "column", "end_line", "end_column", "message", "why"),
    *("instead", "start", "end", "statement", "is_in_code", "fingerprint"),
)


def encode(file: LintedFile) -> bytes:
    """The findings of a script. Fixes are left out: nobody may ask for them from here."""
    document = [
        file.statements,
        file.unread,
        [_values(finding) for finding in file.findings],
        [_values(finding) for finding in file.suppressed],
    ]
    return json.dumps(document, separators=(",", ":")).encode()


def decode(data: bytes, source: Source) -> LintedFile | None:
    """What was found in this script; None when these bytes do not say it."""
    try:
        statements, unread, findings, suppressed = json.loads(data)
        return LintedFile(
            path=source.path,
            text=source.shown or source.text,
            statements=statements,
            unread=unread,
            findings=tuple(_finding(values) for values in findings),
            suppressed=tuple(_finding(values) for values in suppressed),
        )
    except (ValueError, TypeError):
        return None


def _values(finding: Finding) -> list[Any]:
    accepted = finding.suppression
    why = [accepted.kind, accepted.reason, accepted.line] if accepted else None
    return [*(getattr(finding, field) for field in _FIELDS), why]


def _finding(values: list[Any]) -> Finding:
    *plain, why = values
    given = dict(zip(_FIELDS, plain, strict=True))
    given["severity"] = Severity(given["severity"])
    accepted = None
    if why is not None:
        kind, reason, line = why
        accepted = Suppression(kind=SuppressionKind(kind), reason=reason, line=line)
    return Finding(**given, suppression=accepted)
