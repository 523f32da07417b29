"""What an editor offers to do about a finding: the fix that is certain, or to allow it with a reason."""

from collections.abc import Iterable, Iterator

from lsprotocol.types import CodeAction, CodeActionKind, Diagnostic, TextEdit, WorkspaceEdit

from migsafe.integrations.language_server.places import Places
from migsafe.integrations.language_server.show import span
from migsafe.lint.model import Finding


def actions(
    findings: Iterable[Finding], diagnostics: Iterable[Diagnostic], *, uri: str, places: Places, text: str
) -> list[CodeAction]:
    """The quick fixes for those findings that the editor asks about with these diagnostics."""
    asked = {_key(each): each for each in diagnostics}
    found: list[CodeAction] = []
    for finding in findings:
        mark = asked.get((finding.rule, *_start(finding, places)))
        if mark is not None:
            found += _actions(finding, mark, uri=uri, places=places, text=text)
    return found


def _key(each: Diagnostic) -> tuple[object, int, int]:
    return (each.code, each.range.start.line, each.range.start.character)


def _start(finding: Finding, places: Places) -> tuple[int, int]:
    position = places.position(span(finding, places)[0])
    return position.line, position.character


def _actions(
    finding: Finding, mark: Diagnostic, *, uri: str, places: Places, text: str
) -> Iterator[CodeAction]:
    if finding.fix is not None:
        edits = [
            TextEdit(range=places.range(edit.start, edit.end), new_text=edit.text)
            for edit in finding.fix.edits
        ]
        yield CodeAction(
            title=finding.fix.title,
            kind=CodeActionKind.QuickFix,
            diagnostics=[mark],
            is_preferred=True,
            edit=WorkspaceEdit(changes={uri: edits}),
        )
    yield CodeAction(
        title=f"Allow {finding.rule} here (write the reason)",
        kind=CodeActionKind.QuickFix,
        diagnostics=[mark],
        edit=WorkspaceEdit(changes={uri: [_allow(finding, places, text)]}),
    )


def _allow(finding: Finding, places: Places, text: str) -> TextEdit:
    """A comment line above the statement. Its reason is open: a finding until somebody writes it."""
    start = span(finding, places)[0]
    line = text.rfind("\n", 0, start) + 1
    before = text[line:start]
    indent = before if not before.strip() else ""
    at = line if indent == before else start
    return TextEdit(range=places.range(at, at), new_text=f"{indent}-- migsafe: allow {finding.rule}: \n")
