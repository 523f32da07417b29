"""Findings and effects as the protocol's diagnostics and hovers."""

from collections.abc import Iterable

from lsprotocol.types import CodeDescription, Diagnostic, DiagnosticSeverity, Hover, MarkupContent, MarkupKind

from migsafe.effects.model import Blocks, LockMode
from migsafe.effects.script import StatementEffects
from migsafe.integrations.language_server.places import Places
from migsafe.lint.links import rule_page
from migsafe.lint.model import Finding, Severity

SOURCE = "migsafe"
_SHOWN_FROM = LockMode.SHARE_UPDATE_EXCLUSIVE
_SEVERITIES = {Severity.ERROR: DiagnosticSeverity.Error, Severity.WARNING: DiagnosticSeverity.Warning}


def diagnostic(finding: Finding, places: Places) -> Diagnostic:
    """A finding as an editor shows it; its code is the rule's name and leads to the rule's page."""
    return Diagnostic(
        range=places.range(*span(finding, places)),
        severity=_SEVERITIES[finding.severity],
        code=finding.rule,
        code_description=CodeDescription(href=rule_page(finding.rule)),
        source=SOURCE,
        message=finding.message,
    )


def span(finding: Finding, places: Places) -> tuple[int, int]:
    """The offsets of a finding's first and behind its last character."""
    return (
        places.offset_of(finding.line, finding.column),
        places.offset_of(finding.end_line, finding.end_column),
    )


def hover(findings: Iterable[Finding], statement: StatementEffects | None, places: Places) -> Hover | None:
    """What the statement does to a live database, then what is wrong with it and what to do instead."""
    parts = [_effects(statement)] if statement else []
    parts += [_finding(finding) for finding in findings]
    if not parts or statement is None:
        return None
    start, end = statement.statement.start, statement.statement.end
    markdown = MarkupContent(kind=MarkupKind.Markdown, value="\n\n---\n\n".join(parts))
    return Hover(contents=markdown, range=places.range(start, end))


def _effects(each: StatementEffects) -> str:
    if each.statement.unread is not None:
        return f"**Not understood**: {plain(each.statement.unread.reason)}"
    effects = each.effects
    lines = [f"**Blocks** {_blocks(each)}"]
    lines += [
        f"**Lock** {lock.mode.label} on `{code(str(lock.relation))}`"
        for lock in effects.locks
        if lock.mode >= _SHOWN_FROM
    ]
    lines += [f"**Rewrites** `{code(str(name))}`" for name in effects.rewrites]
    lines += [f"**Reads in full** `{code(str(name))}`" for name in effects.scans]
    if not effects.certain:
        lines.append(f"The worse case; it depends on {plain(', '.join(effects.depends_on))}.")
    return "  \n".join(lines)


def _blocks(each: StatementEffects) -> str:
    return "nothing" if each.effects.blocks is Blocks.NONE else each.effects.blocks.value


def _finding(finding: Finding) -> str:
    instead = f"```sql\n{finding.instead.rstrip()}\n```" if finding.instead else "No safe way is known."
    page = f"[{finding.id} {finding.rule}]({rule_page(finding.rule)})"
    why = " ".join(finding.why.split())
    return f"**{plain(finding.message)}**\n\n{plain(why)}\n\n{instead}\n\n{page}"


def plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|!" else char for char in text)


def code(text: str) -> str:
    """Text for between backticks."""
    return text.replace("`", "'")
