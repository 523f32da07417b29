"""Findings in, edits out. Pure: nothing is written here.

A fix counts only when the script after it, judged again, no longer has the finding and has nothing new that
is as bad. Fixes are made in rounds, those that touch different parts of a script at once, until none is
left: structure first, timeouts last, because a statement that works CONCURRENTLY wants none.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from migsafe.lint.fix.fixers import find_fix
from migsafe.lint.fix.markers import is_marker
from migsafe.lint.fix.model import Fix, NotFixed, apply_edits
from migsafe.lint.fix.scene import Before, Scene, scenes
from migsafe.lint.model import Finding, LintedFile, Severity
from migsafe.sources.model import Source
from migsafe.sql.position import Lines

MAX_ROUNDS = 100
_LAST = frozenset({"lock_timeout", "statement_timeout"})
_WORSE_OR_SAME = {
    Severity.ERROR: frozenset({Severity.ERROR}),
    Severity.WARNING: frozenset({Severity.ERROR, Severity.WARNING}),
}

Judge = Callable[[Source], LintedFile]
Reread = Callable[[Source, str], Source]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A script after its fixes: what was repaired, what is left, and why that could not be.

    `text` is that of the file.
    """

    source: Source
    text: str
    fixed: tuple[Finding, ...] = ()
    left: tuple[Finding, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self.text != file_text(self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixer:
    """Repairs one script: `fixers` are the names of fixers by rule.

    `judge` lints it in its context, `stand` says what is known when it starts, and `reread` makes of the
    file's new text the script as its tool runs it.
    """

    fixers: Mapping[str, str]
    judge: Judge
    stand: Callable[[Source], Before]
    reread: Reread

    def offer(self, source: Source, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings, each with its fix, or with the reason why there is none."""
        found = tuple(findings)
        if not any(self._may_fix(source, each) for each in found):
            return found
        standing = scenes(source, self.stand(source))
        lines = Lines(source.text)
        offered: list[Finding] = []
        for finding in found:
            result = self._draft(source, finding, standing, lines)
            if isinstance(result, Fix):
                result = self._checked(source, found, finding, result)
            offered.append(_with(finding, result))
        return tuple(offered)

    def fix(self, source: Source) -> Fixed:
        """The script after as many rounds as it takes."""
        now = source
        findings = self.judge(source).findings
        fixed: list[Finding] = []
        for _ in range(MAX_ROUNDS):
            done = self._round(now, findings)
            if done is None:
                break
            now, findings, repaired = done
            fixed += repaired
        left = self.offer(now, findings)
        return Fixed(source=source, text=file_text(now), fixed=tuple(fixed), left=left)

    def _round(
        self, source: Source, findings: tuple[Finding, ...]
    ) -> tuple[Source, tuple[Finding, ...], tuple[Finding, ...]] | None:
        """The script after one round, its findings, and what was repaired; None when nothing is to do."""
        open_ = [each for each in findings if self._may_fix(source, each)]
        if not open_:
            return None
        standing = scenes(source, self.stand(source))
        lines = Lines(source.text)
        drafts = [
            (finding, fix)
            for finding in open_
            if isinstance(fix := self._draft(source, finding, standing, lines), Fix)
        ]
        first = [each for each in reversed(drafts) if self.fixers[each[0].rule] not in _LAST]
        last = [each for each in drafts if self.fixers[each[0].rule] in _LAST]
        together = _apart(first, standing)
        if len(together) > 1 and (done := self._apply(source, findings, together)):
            return done
        for draft in (*first, *last):
            if done := self._apply(source, findings, [draft]):
                return done
        return None

    def _apply(
        self, source: Source, findings: tuple[Finding, ...], drafts: list[tuple[Finding, Fix]]
    ) -> tuple[Source, tuple[Finding, ...], tuple[Finding, ...]] | None:
        edits = sorted(
            (edit for _, fix in drafts for edit in fix.edits), key=lambda edit: (edit.start, edit.end)
        )
        changed = self.reread(source, apply_edits(file_text(source), edits))
        after = self.judge(changed)
        repaired = tuple(finding for finding, _ in drafts)
        if self._is_better(source, findings, after, drafts):
            return changed, after.findings, repaired
        return None

    def _is_better(
        self,
        source: Source,
        before: tuple[Finding, ...],
        after: LintedFile,
        drafts: list[tuple[Finding, Fix]],
    ) -> bool:
        """Whether the repaired findings are gone, and nothing came that is as bad."""
        was, now = list(before), list(after.findings)
        if len(drafts) == 1 and self.fixers[drafts[0][0].rule] in _LAST:
            # Such a finding stands for all statements up to the next one that sets or takes back the timeout:
            # those that it stood for may be found now.
            finding, fix = drafts[0]
            place = _moved(source, finding, fix, after)
            now = [each for each in now if each.rule != finding.rule or _place(each) <= place]
            was = [each for each in was if each.rule != finding.rule or _place(each) <= _place(finding)]
        return _is_less(was, now, [finding for finding, _ in drafts])

    def _checked(
        self, source: Source, findings: tuple[Finding, ...], finding: Finding, fix: Fix
    ) -> Fix | NotFixed:
        changed = self.reread(source, apply_edits(file_text(source), fix.edits))
        if self._is_better(source, findings, self.judge(changed), [(finding, fix)]):
            return fix
        return NotFixed(reason="what the change would lead to is no better")

    def _draft(
        self, source: Source, finding: Finding, standing: tuple[Scene, ...], lines: Lines
    ) -> Fix | NotFixed | None:
        if not self._may_fix(source, finding):
            return None
        scene = _scene_of(finding, standing, lines)
        if scene is None:
            return NotFixed(reason="it is not known which statement this is about")
        result = find_fix(self.fixers[finding.rule], scene)
        if isinstance(result, Fix) and not _is_sql(source, result):
            return NotFixed(reason="a marker of the migration tool stands there")
        return result

    def _may_fix(self, source: Source, finding: Finding) -> bool:
        """Findings that somebody accepted stay; so do those in text that no file holds."""
        return (
            finding.rule in self.fixers
            and finding.path == source.path
            and finding.suppression is None
            and not source.problem
            and not source.origins
        )


def file_text(source: Source) -> str:
    """The text of the file that a script is in; its offsets are those of `source.text`."""
    return source.shown or source.text


def _is_sql(source: Source, fix: Fix) -> bool:
    """Whether the edits meet only what the tool runs as it stands in the file."""
    file = file_text(source)
    spans = ((max(0, edit.start - 1), edit.end + 1) for edit in fix.edits if not is_marker(edit))
    return all(file[start:end] == source.text[start:end] for start, end in spans)


def _scene_of(finding: Finding, standing: tuple[Scene, ...], lines: Lines) -> Scene | None:
    place = _place(finding)
    for scene in standing:
        start, end = lines.position(scene.statement.start), lines.position(scene.statement.end)
        if (start.line, start.column) <= place < (end.line, end.column):
            return scene
    return None


def _apart(drafts: list[tuple[Finding, Fix]], standing: tuple[Scene, ...]) -> list[tuple[Finding, Fix]]:
    """Those that do not meet: one for each transaction, and one for each place between."""
    chosen: list[tuple[Finding, Fix]] = []
    taken: list[tuple[int, int]] = []
    for finding, fix in drafts:
        start, end = _region(fix, standing)
        if all(end <= first or start >= last for first, last in taken):
            chosen.append((finding, fix))
            taken.append((start, end))
    return chosen


def _region(fix: Fix, standing: tuple[Scene, ...]) -> tuple[int, int]:
    """What a fix relies on: from its first edit to its last, and all of every transaction it touches."""
    start, end = fix.edits[0].start, fix.edits[-1].end + 1
    for scene in standing:
        if scene.begin is None or scene.statement.start > end or scene.statement.end < start:
            continue
        last = scene.end if scene.end is not None else len(standing) - 1
        start = min(start, scene.at(scene.begin).start)
        end = max(end, scene.at(last).source.outer_end + 1)
    return start, end


def _is_less(was: list[Finding], now: list[Finding], repaired: list[Finding]) -> bool:
    before, after = Counter(each.rule for each in was), Counter(each.rule for each in now)
    gone = Counter(each.rule for each in repaired)
    if any(after[rule] > before[rule] - count for rule, count in gone.items()):
        return False
    as_bad = frozenset(one for each in repaired for one in _WORSE_OR_SAME[each.severity])
    return not any(after[each.rule] > before[each.rule] and each.severity in as_bad for each in now)


def _place(finding: Finding) -> tuple[int, int]:
    return finding.line, finding.column


def _moved(source: Source, finding: Finding, fix: Fix, after: LintedFile) -> tuple[int, int]:
    """Where the place of a finding is after the edits before it."""
    at = Lines(source.text).offset(finding.line, finding.column)
    at += sum(len(edit.text) - (edit.end - edit.start) for edit in fix.edits if edit.end <= at)
    moved = Lines(after.text).position(at)
    return moved.line, moved.column


def _with(finding: Finding, result: Fix | NotFixed | None) -> Finding:
    match result:
        case Fix():
            return replace(finding, fix=result)
        case NotFixed(reason=reason):
            return replace(finding, not_fixed=reason)
        case None:
            return finding
