"""Words that several formats use."""

from migsafe.lint.model import LintReport, Severity, SuppressionKind

RULE_PAGES = "https://github.com/migsafe/migsafe/blob/main/docs/rules"
HOME = "https://github.com/migsafe/migsafe"


def rule_url(rule: str) -> str:
    """The page of a rule."""
    return f"{RULE_PAGES}/{rule}.md"


def count(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def summary(report: LintReport) -> str:
    """One line that says what was looked at and what was found."""
    errors, warnings = report.count(Severity.ERROR), report.count(Severity.WARNING)
    statements = sum(file.statements for file in report.files)
    unread = sum(file.unread for file in report.files)
    found = f"{count(errors, 'error')}, {count(warnings, 'warning')}" if errors + warnings else "No findings"
    not_read = f", {unread} not understood" if unread else ""
    looked_at = f"{count(len(report.files), 'file')} ({count(statements, 'statement')}{not_read})"
    return f"{found} in {looked_at}{_accepted(report)}."


def baseline_notes(report: LintReport) -> list[str]:
    """What there is to say of the baseline: that it was written, or that it can get shorter."""
    used = report.baseline
    if used is None:
        return []
    notes: list[str] = []
    if used.written is not None:
        entries = "entry" if abs(used.written) == 1 else "entries"
        change = f"{abs(used.written)} {entries} " if used.written else "as long as before"
        if used.written:
            change += "more" if used.written > 0 else "fewer"
        notes.append(f"{used.path}: written, {change}; {used.accepted} accepted in these files.")
        new = len(report.findings)
        if new:
            notes.append(f"{count(new, 'new finding')} not added: --write-baseline --accept-new adds them.")
    if used.stale:
        are = "entry is" if len(used.stale) == 1 else "entries are"
        notes.append(
            f"{used.path}: {len(used.stale)} {are} not found any more; --write-baseline takes them out."
        )
    return notes


def _accepted(report: LintReport) -> str:
    kinds = [one.suppression.kind for one in report.suppressed if one.suppression]
    by_baseline = kinds.count(SuppressionKind.BASELINE)
    by_comment = len(kinds) - by_baseline
    parts = [
        f"{number} accepted by {whom}"
        for number, whom in ((by_comment, "comments"), (by_baseline, "the baseline"))
        if number
    ]
    return f"; {', '.join(parts)}" if parts else ""
