"""The words that a configuration and the command line have in common."""

from enum import StrEnum


class Transaction(StrEnum):
    """Whether the tool that runs a script opens a transaction around it; AUTO: as the source says."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"

    @property
    def wrapped(self) -> bool | None:
        """The same as a truth value, None for AUTO."""
        return None if self is Transaction.AUTO else self is Transaction.ALWAYS


class FailOn(StrEnum):
    """The least severity that makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


class Level(StrEnum):
    """What a rule is set to. ON is the severity that the rule itself has."""

    ERROR = "error"
    WARNING = "warning"
    ON = "on"
    OFF = "off"


class ScriptPhase(StrEnum):
    """What a script declares: EXPAND and BACKFILL run while the old version serves, CONTRACT after it."""

    EXPAND = "expand"
    BACKFILL = "backfill"
    CONTRACT = "contract"


class Layout(StrEnum):
    """How a plan becomes revisions of Alembic: on two labelled branches, or one behind the other."""

    BRANCHES = "branches"
    PHASES = "phases"


class Color(StrEnum):
    """Whether text has colours; AUTO: on a terminal, and without NO_COLOR."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"
