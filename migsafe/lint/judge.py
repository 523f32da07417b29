"""From one script that was gone through to its findings: rules, comments, order."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from migsafe.config.model import ScriptSettings
from migsafe.lint.facts import Facts
from migsafe.lint.model import Finding, LintedFile, Rule, Suppression, SuppressionKind
from migsafe.lint.pen import Pen
from migsafe.lint.phases import Given, with_expands
from migsafe.lint.selection import Selection
from migsafe.lint.suppress import UNUSED, Allowance, Comments, about_problems
from migsafe.lint.walk import Observation
from migsafe.sources.model import Source
from migsafe.sql.operations import Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script that was gone through, with all that says how to judge it. `phase` is "" if undeclared."""

    source: Source
    settings: ScriptSettings
    comments: Comments
    observations: tuple[Observation, ...]
    statements: int
    phase: str


class Judge:
    """Applies rules to scripts: `match` gives the rules that an operation breaks."""

    def __init__(self, match: Callable[[Facts], Iterable[Rule]], selection: Selection) -> None:
        self._match = match
        self._selection = selection
        self._known = tuple(rule.name for rule in selection.rules)

    def file(self, script: Script, release: Sequence[Given]) -> LintedFile:
        """What is found in one script; `release` is what is given by all that is deployed with it."""
        pen = Pen(script.source, self._match, self._selection.severities(script.settings))
        findings = [
            finding
            for seen in with_expands(script.observations, release, phase=script.phase)
            for finding in pen.operation(seen)
        ]
        problems = script.source.problems
        comments = about_problems(script.comments, script.source.text, [each.at for each in problems])
        findings += [finding for number, each in enumerate(problems) for finding in pen.unread(each, number)]
        findings += [finding for each in script.comments.malformed for finding in pen.malformed(each)]
        findings += [
            finding for each in script.comments.unknown for finding in pen.unknown(each, self._known)
        ]
        done = _accepted(findings, comments, pen)
        in_order = _numbered(sorted(done, key=lambda finding: (finding.path, finding.line, finding.column)))
        return LintedFile(
            path=script.source.path,
            text=script.source.shown or script.source.text,
            statements=script.statements,
            unread=sum(isinstance(seen.operation, Unread) for seen in script.observations) + len(problems),
            findings=tuple(finding for finding in in_order if finding.suppression is None),
            suppressed=tuple(finding for finding in in_order if finding.suppression is not None),
        )


def _accepted(findings: list[Finding], comments: Comments, pen: Pen) -> list[Finding]:
    """The findings, each with the comment that accepts it; and one for every comment that accepts none."""
    used: set[int] = set()
    done = [_with_suppression(finding, comments.allowances, used, pen) for finding in findings]
    unused = [
        finding
        for number, allowance in enumerate(comments.allowances)
        if number not in used and allowance.rule != UNUSED and pen.is_on(allowance.rule)
        for finding in pen.unused(allowance)
    ]
    done += [_with_suppression(finding, comments.allowances, used, pen) for finding in unused]
    done += [
        finding
        for number, allowance in enumerate(comments.allowances)
        if number not in used and allowance.rule == UNUSED
        for finding in pen.unused(allowance)
    ]
    return done


def _with_suppression(
    finding: Finding, allowances: tuple[Allowance, ...], used: set[int], pen: Pen
) -> Finding:
    found: Suppression | None = None
    for number, allowance in enumerate(allowances):
        if allowance.covers(finding.rule, finding.start):
            used.add(number)
            found = found or Suppression(
                kind=SuppressionKind.FILE if allowance.is_for_file else SuppressionKind.STATEMENT,
                reason=allowance.directive.reason,
                line=pen.line(allowance.directive.start),
            )
    return replace(finding, suppression=found) if found else finding


def _numbered(findings: list[Finding]) -> list[Finding]:
    """The findings with their fingerprints: rule, statement, and which of several alike it is."""
    seen: Counter[tuple[str, str]] = Counter()
    done: list[Finding] = []
    for finding in findings:
        same = (finding.id, finding.statement)
        seen[same] += 1
        digest = hashlib.sha256("\0".join((*same, str(seen[same]))).encode(errors="replace"))
        done.append(replace(finding, fingerprint=digest.hexdigest()[:16]))
    return done
