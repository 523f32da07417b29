"""Every error that migsafe raises for a person to read.

A message says what happened and where; `advice` says what to do next. Findings are values, not
exceptions: an error means that migsafe could not judge or could not act.
"""


class MigsafeError(Exception):
    """The base of all errors below: catch this one."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        """What happened, then what to do."""
        return f"{self.message}\n{self.advice}" if self.advice else self.message


class UsageError(MigsafeError):
    """A flag, a path or a setting that cannot be used as given."""


class RuleError(MigsafeError):
    """A rule file is wrong: which file, which key, and what was probably meant."""


class SqlError(MigsafeError):
    """SQL that cannot be read where it must be (a schema file, a plan's own step)."""


class PlanError(MigsafeError):
    """No safe plan is known, or a plan file is not valid: why, and what would help."""


class ConnectionFailed(MigsafeError):
    """The database cannot be reached or does not let us in."""


class RunError(MigsafeError):
    """A rollout cannot go on. What was done is in the ledger; running it again resumes."""


class LeaseHeld(RunError):
    """Another runner acts on this rollout: who, and since when."""


class Fenced(RunError):
    """Another runner took this rollout over while we held it; nothing of ours was applied after that."""


class LockTimeout(RunError):
    """A lock was not granted within all attempts: which, and who held it."""


class LedgerMismatch(RunError):
    """The ledger does not fit: made by a newer migsafe, or for another plan of the same name."""


class Quarantined(RunError):
    """Some rows could not be changed: which, and why. They wait to be corrected or waived."""


class VerificationFailed(RunError):
    """Old and new shape differ: which rows."""


class StateRefused(RunError):
    """The stage the rollout is in does not allow what was asked."""


class TrafficError(MigsafeError):
    """A traffic provider did not do, or did not confirm, what was asked."""


class GateFailed(MigsafeError):
    """A gate said no, so traffic went back; the schema stays as it is."""
