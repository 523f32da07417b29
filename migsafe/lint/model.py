"""Rules, findings and reports, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migsafe.config.words import FailOn
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
    `application` is a statement of the running version, which works before and fails behind a bad example.
    `since` is the oldest major version of PostgreSQL that the example is for. `transaction`: a migration
    tool runs it in a transaction.
    """

    sql: str
    setup: str = ""
    observed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    application: str = ""
    since: int = 14
    transaction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One file under rules/: the check, its text, and the examples that test it.

    A rule that is not `enabled` is off until the configuration turns it, or its family, on. `fix` names the
    module of migsafe.lint.fix.fixers that repairs what it finds, "" when none can.
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
    enabled: bool = True
    fix: str = ""


class SuppressionKind(StrEnum):
    """Who accepted a finding: a comment at the statement, one for the whole file, or the baseline."""

    STATEMENT = "statement"
    FILE = "file"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """Why a finding does not count. `line` is that of the comment, 0 for the baseline."""

    kind: SuppressionKind
    reason: str
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule that matched at a place. Lines and columns (code points) are 1-based, `end_column` exclusive.

    `start` and `end` are the same place as offsets in the script's SQL, and `statement` is what stands
    there, on one line. `is_in_code`: the place is not in SQL but in code that makes it. `fingerprint`
    stays the same when lines move; it is unique within its script.
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
    start: int = 0
    end: int = 0
    statement: str = ""
    is_in_code: bool = False
    fingerprint: str = ""
    suppression: Suppression | None = None
    fix: Fix | None = None
    not_fixed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintedFile:
    """One judged file: its text (for code frames), how much is in it, and what was found.

    `suppressed` are the findings that somebody accepted: they do not count.
    """

    path: str
    text: str
    statements: int
    unread: int
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineReport:
    """What a baseline did: its file, how many findings it accepted, and its entries that match nothing.

    `written` is by how many entries the file became longer, None when it was not written.
    """

    path: str
    accepted: int
    stale: tuple[str, ...] = ()
    written: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """What was found in all judged files, in the order they were read."""

    files: tuple[LintedFile, ...]
    baseline: BaselineReport | None = None

    @property
    def suppressed(self) -> tuple[Finding, ...]:
        """All accepted findings, in order of file and position."""
        return tuple(finding for file in self.files for finding in file.suppressed)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in order of file and position."""
        return tuple(finding for file in self.files for finding in file.findings)

    def fails(self, least: FailOn) -> bool:
        """Whether a finding is at least this severe."""
        failing = {FailOn.ERROR: {Severity.ERROR}, FailOn.WARNING: set(Severity), FailOn.NEVER: set()}[least]
        return any(finding.severity in failing for finding in self.findings)

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity is severity for finding in self.findings)
