"""The base of all operations; those of transactions and settings; and what was not understood."""

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The base of all operations."""

    @property
    def kind(self) -> str:
        """The operation's name in JSON and in rules: `add_column` for AddColumn."""
        return _in_snake_case(type(self).__name__)


@cache
def _in_snake_case(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread(Operation):
    """What was not understood, and why. Never counts as safe."""

    reason: str


# --- transaction control and settings ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin(Operation):
    """BEGIN or START TRANSACTION."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit(Operation):
    """COMMIT or END."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback(Operation):
    """ROLLBACK, ABORT, or ROLLBACK TO SAVEPOINT."""

    to_savepoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Savepoint(Operation):
    """SAVEPOINT, or RELEASE SAVEPOINT."""

    name: str
    release: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSetting(Operation):
    """SET, SET LOCAL or set_config: value None means DEFAULT."""

    name: str
    value: str | None
    local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetSetting(Operation):
    """RESET name; name None means RESET ALL or DISCARD ALL."""

    name: str | None
