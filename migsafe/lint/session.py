"""The session of a script while it is gone through: its transaction and its settings."""

from collections.abc import Mapping

from migsafe.effects.session import advance, start_session
from migsafe.sql.operations import (
    Begin,
    Commit,
    Operation,
    ResetSetting,
    Rollback,
    Savepoint,
    SetSetting,
)

_RELEVANT = Begin | Commit | Rollback | Savepoint | SetSetting | ResetSetting


class Session:
    """Follows one script, operation by operation.

    `transaction` is a number that is new for every transaction, and None outside of one. `settings` are
    what the session starts with, so what RESET goes back to. With `wrapped` the tool that runs the
    script has begun a transaction before it.
    """

    def __init__(self, settings: Mapping[str, str], *, wrapped: bool = False) -> None:
        self._state = start_session(settings)
        self._begun = 0
        if wrapped:
            self.apply(Begin())

    @property
    def transaction(self) -> int | None:
        """Which transaction is open."""
        return self._begun if self._state.in_transaction else None

    @property
    def has_lock_timeout(self) -> bool:
        """Whether waiting for a lock ends by itself here. What cannot be read as a time does not count."""
        return self._state.lock_timeout is not None

    def apply(self, operation: Operation) -> None:
        """Goes behind this operation."""
        if not isinstance(operation, _RELEVANT):
            return
        if isinstance(operation, Begin) and not self._state.in_transaction:
            self._begun += 1
        self._state = advance(self._state, operation)
