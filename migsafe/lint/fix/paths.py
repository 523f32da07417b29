"""From paths to repaired scripts: the one call behind `lint --fix` and `lint --diff-fix`."""

from dataclasses import dataclass, replace
from typing import BinaryIO

from migsafe.lint.engine import Linter
from migsafe.lint.fix.diff import unified_diff
from migsafe.lint.fix.engine import Fixed
from migsafe.lint.fix.files import write_fixed
from migsafe.lint.fix.run import Accept, fix_sources, reread, with_fixes
from migsafe.lint.fix.scene import FixSettings
from migsafe.lint.model import Finding, LintReport
from migsafe.lint.rules import shipped_rules
from migsafe.lint.run import LintRequest, options_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FixReport:
    """What was repaired, and what was found before and is left behind."""

    scripts: tuple[Fixed, ...]
    before: LintReport
    after: LintReport

    @property
    def diff(self) -> str:
        """All changes as a unified diff."""
        return unified_diff(self.scripts)

    @property
    def fixed(self) -> tuple[Finding, ...]:
        """All findings that were repaired."""
        return tuple(finding for script in self.scripts for finding in script.fixed)

    def write(self) -> int:
        """Writes the files that changed; gives their number.

        Raises:
            UsageError: One of them is not what was read any more, or cannot be written.
        """
        return len(write_fixed(self.scripts))


def fix_paths(
    request: LintRequest,
    *,
    stdin: BinaryIO,
    choices: FixSettings | None = None,
    accept: Accept | None = None,
) -> FixReport:
    """Repairs the scripts that are asked for in memory.

    `accept` takes out of a report what is not to be repaired.

    Raises:
        UsageError: A path cannot be read.
        SqlError: A statement of the schema file was not understood.
    """
    options = options_of(request)
    sources = request.sources(stdin)
    rules = shipped_rules()
    scripts = fix_sources(sources, rules=rules, options=options, choices=choices, accept=accept)
    linter = Linter(rules)
    texts = {script.source.path: script.text for script in scripts if script.changed}
    repaired = [
        reread(source, texts[source.path]) if source.judged and source.path in texts else source
        for source in sources
    ]
    return FixReport(
        scripts=scripts,
        before=linter.lint(sources, options),
        after=_with_reasons(linter.lint(repaired, options), scripts),
    )


def lint_with_fixes(request: LintRequest, *, stdin: BinaryIO) -> LintReport:
    """The same as `lint_paths`, with the fixes in the findings: for formats that have a place for them.

    Raises:
        UsageError: A path cannot be read, or the configuration names what does not exist.
        SqlError: A statement of the schema file was not understood.
    """
    options, rules = options_of(request), shipped_rules()
    sources = request.sources(stdin)
    return with_fixes(Linter(rules).lint(sources, options), sources, rules=rules, options=options)


def _with_reasons(report: LintReport, scripts: tuple[Fixed, ...]) -> LintReport:
    """The report, with why its findings could not be repaired."""
    known = {_key(finding): finding for script in scripts for finding in script.left}
    files = tuple(
        replace(file, findings=tuple(known.get(_key(finding), finding) for finding in file.findings))
        for file in report.files
    )
    return replace(report, files=files)


def _key(finding: Finding) -> tuple[str, str, int, int]:
    return finding.path, finding.rule, finding.line, finding.column
