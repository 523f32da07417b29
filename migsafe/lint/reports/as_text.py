"""Findings for people: place, code frame, why, and what to do instead."""

import textwrap
from collections import Counter

from migsafe.lint.frame import code_frame, printable
from migsafe.lint.model import Finding, LintedFile, LintReport, Severity
from migsafe.lint.reports import View
from migsafe.lint.reports.words import baseline_notes, rule_url, summary
from migsafe.sql.position import Lines

WIDTH = 100
_MANY = 30  # findings: more than anybody reads one by one
_MOST = 6  # rules
_RED, _YELLOW, _BOLD, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def render(report: LintReport, view: View) -> str:
    """The report as text. A rule's why and instead are given in full where it is found first."""
    writer = _Writer(view)
    notes = [printable(note) for note in baseline_notes(report)]
    if view.quiet:
        lines = [writer.head(finding) for finding in report.findings]
        return "".join(f"{line}\n" for line in lines)
    lines = [line for file in report.files for line in writer.file(file)]
    if view.verbose and report.baseline:
        notes += [f"  {printable(entry)}" for entry in report.baseline.stale]
    return "\n".join([*lines, *notes, *_overview(report), summary(report)]) + "\n"


def _overview(report: LintReport) -> list[str]:
    """What many findings come to, and what can be done: who adopts an old repository sees this."""
    if len(report.findings) <= _MANY:
        return []
    counts = Counter(finding.rule for finding in report.findings).most_common(_MOST)
    lines = ["Most often: " + ", ".join(f"{number} {rule}" for rule, number in counts) + "."]
    hint = "`migsafe lint --quiet` shows one line for each"
    if report.baseline is None:
        hint += ", `migsafe lint --write-baseline` accepts what is there today"
    return [*lines, f"{hint}.", ""]


class _Writer:
    """Writes findings; remembers which rules are explained already."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._paint = _Paint(enabled=view.color)
        self._explained: set[str] = set()

    def file(self, file: LintedFile) -> list[str]:
        """All that is to be said of one file."""
        shown: list[str] = []
        text_lines = Lines(file.text) if file.findings else None
        for finding in file.findings:
            frame = text_lines if finding.path == file.path else None
            shown += [*self._finding(finding, frame), ""]
        if self._view.verbose:
            shown += [self._suppressed(finding) for finding in file.suppressed]
            if not (file.findings or file.suppressed):
                shown.append(f"{printable(file.path)}: no findings")
        return shown

    def head(self, finding: Finding) -> str:
        """The place and the message, on one line."""
        place = f"{printable(finding.path)}:{finding.line}:{finding.column}"
        severity = self._paint(finding.severity, _RED if finding.severity is Severity.ERROR else _YELLOW)
        message = f"{printable(finding.message)} [{finding.id} {finding.rule}]"
        return f"{self._paint(place, _BOLD)}: {severity}: {message}"

    def _finding(self, finding: Finding, lines: Lines | None) -> list[str]:
        shown = [self.head(finding)]
        if lines is not None:
            shown += [self._paint.marks(line) for line in code_frame(lines, finding)]
        if finding.not_fixed:
            shown.append(f"  Not fixed: {printable(finding.not_fixed)}.")
        if finding.is_in_code:
            shown.append(f"  {self._paint('SQL:', _BOLD)} {printable(_cut(finding.statement))}")
        if finding.rule in self._explained and not self._view.verbose:
            said = f"  Why, and what instead: see above, or `migsafe rules {finding.rule}`."
            return [*shown, self._paint(said, _DIM)]
        self._explained.add(finding.rule)
        shown += ["", *self._block("why", printable(" ".join(finding.why.split())))]
        if not finding.instead:
            shown.append(f"{self._paint('  instead:', _BOLD)} no safe way is known")
        else:
            shown += [
                self._paint("  instead, by example:", _BOLD),
                *(f"    {printable(line)}".rstrip() for line in finding.instead.splitlines()),
            ]
        return [*shown, f"{self._paint('  more:', _BOLD)} {rule_url(finding.rule)}"]

    def _suppressed(self, finding: Finding) -> str:
        place = f"{printable(finding.path)}:{finding.line}:{finding.column}"
        reason = finding.suppression.reason if finding.suppression else ""
        shown = f"{place}: accepted: {printable(finding.message)} [{finding.id} {finding.rule}]"
        return self._paint(f"{shown}: {printable(reason)}", _DIM)

    def _block(self, title: str, text: str) -> list[str]:
        return [
            self._paint(f"  {title}:", _BOLD),
            *textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    "),
        ]


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 4]} ..."


class _Paint:
    """Puts control codes around text, or does nothing."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, text: str, code: str) -> str:
        return f"{code}{text}{_PLAIN}" if self.enabled else text

    def marks(self, line: str) -> str:
        gutter, bar, rest = line.partition(" | ")
        return f"{gutter}{bar}{self(rest, _RED)}" if rest and not rest.strip(" ^") else line
