"""The session of a script while it is gone through: its transaction, its settings, the locks it holds."""

from collections.abc import Iterable, Mapping

from migsafe.effects.model import Lock
from migsafe.effects.session import advance, start_session, with_moved
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    Begin,
    Operation,
)


class Session:
    """Follows one script, operation by operation.

    `transaction` is a number that is new for every transaction, and None outside of one. `settings` are
    what the session starts with, so what RESET goes back to. With `wrapped` the tool that runs the
    script has begun a transaction before it.
    """

    def __init__(self, settings: Mapping[str, str], *, wrapped: bool = False) -> None:
        self._state = start_session(settings)
        self._begun = 0
        self._tools = 0
        if wrapped:
            self.apply(Begin())
            self._tools = self._begun

    @property
    def transaction(self) -> int | None:
        """Which transaction is open."""
        return self._begun if self._state.in_transaction else None

    @property
    def in_tools_transaction(self) -> bool:
        """Whether the open transaction is the one that the tool began."""
        return self._state.in_transaction and self._begun == self._tools

    @property
    def lock_timeout(self) -> float | None:
        """Milliseconds after which waiting for a lock ends by itself; None when it does not.

        What cannot be read as a time does not count.
        """
        return self._state.lock_timeout

    @property
    def statement_timeout(self) -> float | None:
        """Milliseconds after which a statement ends by itself; None when it does not."""
        return self._state.statement_timeout

    @property
    def has_lock_timeout(self) -> bool:
        """Whether waiting for a lock ends by itself here."""
        return self._state.lock_timeout is not None

    @property
    def held(self) -> tuple[Lock, ...]:
        """The strongest lock on each table that the open transaction holds."""
        return self._state.held

    def apply(self, operation: Operation, *, locks: Iterable[Lock] = ()) -> None:
        """Goes behind this operation, which took these locks."""
        if isinstance(operation, Begin) and not self._state.in_transaction:
            self._begun += 1
        self._state = advance(self._state, operation, locks=locks)

    def renamed(self, old: Name, new: Name) -> None:
        """What is held on a table that has another name now is held under that."""
        self._state = with_moved(self._state, {old: new})
