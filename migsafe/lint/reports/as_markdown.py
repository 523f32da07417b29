"""Markdown for a comment on a pull or merge request.

What comes from scripts cannot become markup, a mention or a link there. The first line is a mark by which
a bot finds its own comment again.
"""

import re

from migsafe.lint.frame import code_frame, printable
from migsafe.lint.model import Finding, LintedFile, LintReport, Severity
from migsafe.lint.reports import View
from migsafe.lint.reports.words import baseline_notes, count, rule_url, summary
from migsafe.sql.position import Lines

MARK = "<!-- migsafe -->"
# GitHub takes 65,536 characters, GitLab more.
MAX_LENGTH = 60_000
_SIGNS = {Severity.ERROR: "🛑", Severity.WARNING: "⚠️"}
_MARKUP = re.compile(r"[\\`*_\[\]<>#|~&@$^]")
# What a forge turns into a link or a notification: @name, #1, !1, ~label, addresses. A word joiner stops it.
_LINKED = re.compile(
    r"""(?<=[@#!~$%&])(?=[\w"'])|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=GH-)(?=\d)""", re.IGNORECASE
)
_STARTS_BLOCK = re.compile(r"[-+=]|\d+[.)]")
_WORD_JOINER = "\u2060"
_TICKS = re.compile(r"`+")


def render(report: LintReport, view: View) -> str:
    """The report, as much of it as a comment can hold."""
    parts = [MARK, _headline(report)]
    length = sum(map(len, parts)) + len(summary(report)) + 200
    explained: set[str] = set()
    shown = 0
    for file in report.files:
        text_lines = Lines(file.text) if file.findings else None
        for finding in file.findings:
            part = _finding(finding, text_lines if finding.path == file.path else None, view, explained)
            length += len(part) + 2
            if length > MAX_LENGTH:
                break
            explained.add(finding.rule)
            parts.append(part)
            shown += 1
        if length > MAX_LENGTH:
            break
    left = len(report.findings) - shown
    if left:
        parts.append(f"... and {count(left, 'more finding')}: see the log of `migsafe lint`.")
    if view.verbose:
        parts += _accepted(report.files, view)
    parts += [_plain(note) for note in baseline_notes(report)]
    return "\n\n".join([*parts, summary(report)]) + "\n"


def _headline(report: LintReport) -> str:
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    if errors:
        return f"### {_SIGNS[Severity.ERROR]} migsafe: {count(errors, 'unsafe schema change')}"
    if warnings:
        return f"### {_SIGNS[Severity.WARNING]} migsafe: {count(warnings, 'warning')}"
    return "### ✅ migsafe: no findings"


def _finding(finding: Finding, lines: Lines | None, view: View, explained: set[str]) -> str:
    place = _code(f"{view.locate(finding.path)}:{finding.line}")
    rule = f"[{finding.id} {finding.rule}]({rule_url(finding.rule)})"
    shown = [f"#### {_SIGNS[finding.severity]} {place} {rule}", _plain(finding.message)]
    if lines is not None:
        shown.append(_fenced("\n".join(code_frame(lines, finding)), ""))
    if finding.is_in_code:
        shown.append(_fenced(finding.statement, "sql"))
    if finding.rule not in explained:
        inner = [_plain(" ".join(finding.why.split()))]
        if finding.instead:
            inner += ["Instead, by example:", _fenced(finding.instead, "sql")]
        body = "\n\n".join(inner)
        shown.append(f"<details><summary>Why, and what instead</summary>\n\n{body}\n\n</details>")
    return "\n\n".join(shown)


def _accepted(files: tuple[LintedFile, ...], view: View) -> list[str]:
    lines = [
        f"- {_code(f'{view.locate(finding.path)}:{finding.line}')} {finding.rule}: "
        f"{_plain(finding.suppression.reason if finding.suppression else '')}"
        for file in files
        for finding in file.suppressed
    ]
    listed = "\n".join(lines)
    return [f"<details><summary>Accepted</summary>\n\n{listed}\n\n</details>"] if lines else []


def _plain(text: str) -> str:
    """Text that stays text: markup is escaped, and what a forge would link or notify is broken up."""
    one_line = _LINKED.sub(_WORD_JOINER, printable(" ".join(text.split())))
    if _STARTS_BLOCK.match(one_line):
        one_line = f"{_WORD_JOINER}{one_line}"
    return _MARKUP.sub(r"\\\g<0>", one_line)


def _code(text: str) -> str:
    """A code span around any text on one line."""
    one_line = " ".join(printable(text).split())
    fence = "`" * (max((len(run) for run in _TICKS.findall(one_line)), default=0) + 1)
    pad = " " if one_line.startswith("`") or one_line.endswith("`") else ""
    return f"{fence}{pad}{one_line}{pad}{fence}"


def _fenced(text: str, language: str) -> str:
    """A code block around any text."""
    text = "\n".join(printable(line) for line in text.splitlines())
    fence = "`" * max(3, max((len(run) for run in _TICKS.findall(text)), default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"
