"""What the session of a script has in effect at each statement: its transaction and its settings.

SET is undone by a rollback, SET LOCAL ends with the transaction and does nothing outside of one.
https://www.postgresql.org/docs/current/sql-set.html
"""

import re
from collections.abc import Mapping

from migsafe.sql.operations import Begin, Commit, Operation, ResetSetting, Rollback, Savepoint, SetSetting

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*")

_Settings = dict[str, str]


class Session:
    """Follows one script, operation by operation.

    `transaction` is a number that is new for every transaction, and None outside of one. With `wrapped`
    the tool that runs the script has begun a transaction before it.
    """

    def __init__(self, settings: Mapping[str, str], *, wrapped: bool = False) -> None:
        self._defaults: _Settings = dict(settings)
        self._session: _Settings = dict(settings)
        self._local: _Settings = {}
        self._before: _Settings = {}
        self._savepoints: list[tuple[str, _Settings, _Settings]] = []
        self._begun = 0
        self.transaction: int | None = None
        if wrapped:
            self._begin()

    @property
    def has_lock_timeout(self) -> bool:
        """Whether waiting for a lock ends by itself here. What cannot be read as a time does not count."""
        value = self._local.get("lock_timeout", self._session.get("lock_timeout", "0"))
        found = _DURATION.fullmatch(value)
        return found is not None and float(found.group(1)) > 0

    def apply(self, operation: Operation) -> None:
        """Goes behind this operation."""
        match operation:
            case Begin():
                self._begin()
            case Commit():
                self._end()
            case Rollback(to_savepoint=None):
                if self.transaction is not None:
                    self._session = self._before
                self._end()
            case Rollback(to_savepoint=str(name)):
                self._roll_back_to(name)
            case Savepoint(name=name, release=False):
                self._savepoints.append((name, dict(self._session), dict(self._local)))
            case SetSetting(name=name, value=value, local=local):
                self._set(name.lower(), value, local=local)
            case ResetSetting(name=None):
                self._session, self._local = dict(self._defaults), {}
            case ResetSetting(name=str(name)):
                self._set(name.lower(), None, local=False)
            case _:
                pass

    def _begin(self) -> None:
        if self.transaction is None:  # BEGIN inside a transaction is a warning and changes nothing
            self._begun += 1
            self.transaction = self._begun
            self._before = dict(self._session)

    def _end(self) -> None:
        self.transaction = None
        self._local = {}
        self._savepoints = []

    def _roll_back_to(self, name: str) -> None:
        for index in range(len(self._savepoints) - 1, -1, -1):
            if self._savepoints[index][0] == name:
                self._session, self._local = (dict(kept) for kept in self._savepoints[index][1:])
                del self._savepoints[index + 1 :]
                return

    def _set(self, name: str, value: str | None, *, local: bool) -> None:
        value = self._defaults.get(name, "0") if value is None else value
        if not local:
            self._session[name] = value
            self._local.pop(name, None)
        elif self.transaction is not None:
            self._local[name] = value
