"""Rules, findings and reports, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migsafe.lint.fix.model import Fix


class Severity(StrEnum):
    """How bad a finding is. An error fails the run, a warning does so only when asked to."""

    ERROR = "error"
    WARNING = "warning"


FactValue = bool | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One [[when]] table: every fact must have one of its values."""

    wanted: tuple[tuple[str, tuple[FactValue, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """SQL that shows a rule: [[bad]] yields it, [[good]] is clean under all rules.

    `setup` is the schema that was there before. `settings` are in effect when the script starts.
    `also` names other rules that the example yields; `observed` what a real server says while it runs.
    """

    sql: str
    setup: str = ""
    observed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One file under rules/: the check, its text, and the examples that test it.

    `fix` names the module of migsafe.lint.fix.fixers that repairs what it finds, "" when none can.
    """

    id: str
    name: str
    family: str
    title: str
    message: str
    severity: Severity
    why: str
    instead: str
    sources: tuple[str, ...]
    when: tuple[Condition, ...]
    bad: tuple[Example, ...]
    good: tuple[Example, ...]
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that matched at a place. Lines and columns (code points) are 1-based, `end_column` exclusive.

    `fix` is there when somebody asked for fixes and there is one; else `not_fixed` may say why not.
    """

    rule: str
    id: str
    severity: Severity
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    why: str
    instead: str
    fix: Fix | None = None
    not_fixed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintedFile:
    """One judged file: its text (for code frames), how much is in it, and what was found."""

    path: str
    text: str
    statements: int
    unread: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What was found in all judged files, in the order they were read."""

    files: tuple[LintedFile, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in order of file and position."""
        return tuple(finding for file in self.files for finding in file.findings)

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity is severity for finding in self.findings)
