"""Findings for people: place, code frame, why, and what to do instead."""

import textwrap

from migsafe.lint.frame import code_frame, printable
from migsafe.lint.model import Finding, LintedFile, LintReport, Severity
from migsafe.sql.position import Lines

WIDTH = 100
_RED, _YELLOW, _BOLD, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def render(report: LintReport, *, color: bool = False) -> str:
    """The report as text. A rule's why and instead are given in full where it is found first."""
    paint = _Paint(enabled=color)
    explained: set[str] = set()
    lines: list[str] = []
    for file in report.files:
        text_lines = Lines(file.text) if file.findings else None
        for finding in file.findings:
            if text_lines is not None:
                lines += [*_finding(finding, text_lines, paint, explained), ""]
    return "\n".join([*lines, summary(report.files, report)]) + "\n"


def summary(files: tuple[LintedFile, ...], report: LintReport) -> str:
    """One line that says what was looked at and what was found."""
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    statements, unread = sum(file.statements for file in files), sum(file.unread for file in files)
    found = (
        f"{_count(errors, 'error')}, {_count(warnings, 'warning')}" if errors + warnings else "No findings"
    )
    not_read = f", {unread} not understood" if unread else ""
    return f"{found} in {_count(len(files), 'file')} ({_count(statements, 'statement')}{not_read})."


def _finding(finding: Finding, lines: Lines, paint: "_Paint", explained: set[str]) -> list[str]:
    place = f"{printable(finding.path)}:{finding.line}:{finding.column}"
    severity = paint(finding.severity, _RED if finding.severity is Severity.ERROR else _YELLOW)
    head = f"{paint(place, _BOLD)}: {severity}: {printable(finding.message)} [{finding.id} {finding.rule}]"
    shown = [head, *(paint.marks(line) for line in code_frame(lines, finding))]
    if finding.not_fixed:
        shown.append(f"  Not fixed: {printable(finding.not_fixed)}.")
    if finding.rule in explained:
        return [
            *shown,
            paint(f"  Why, and what instead: see above, or `migsafe rules {finding.rule}`.", _DIM),
        ]
    explained.add(finding.rule)
    shown += ["", *_block("why", " ".join(finding.why.split()), paint)]
    if not finding.instead:
        shown.append(f"{paint('  instead:', _BOLD)} no safe way is known")
    else:
        shown += [
            paint("  instead, by example:", _BOLD),
            *(f"    {line}".rstrip() for line in finding.instead.splitlines()),
        ]
    return shown


def _block(title: str, text: str, paint: "_Paint") -> list[str]:
    return [
        paint(f"  {title}:", _BOLD),
        *textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    "),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Paint:
    """Puts control codes around text, or does nothing."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, text: str, code: str) -> str:
        return f"{code}{text}{_PLAIN}" if self.enabled else text

    def marks(self, line: str) -> str:
        gutter, bar, rest = line.partition(" | ")
        return f"{gutter}{bar}{self(rest, _RED)}" if rest and not rest.strip(" ^") else line
