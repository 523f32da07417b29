"""What a session has set and holds while a script runs: a pure state machine.

https://www.postgresql.org/docs/current/sql-set.html: SET lasts for the session but is undone with its
transaction; SET LOCAL lasts until the transaction ends, and does nothing outside of one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from migsafe.effects.model import Lock
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    Begin,
    Commit,
    Operation,
    ResetSetting,
    Rollback,
    Savepoint,
    SetSetting,
)

_MILLISECONDS = {
    "us": 0.001,
    "ms": 1.0,
    "s": 1000.0,
    "min": 60_000.0,
    "h": 3_600_000.0,
    "d": 86_400_000.0,
    "": 1.0,
}
_DURATION = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(us|ms|s|min|h|d|)\s*")

Settings = Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """Something to go back to."""

    name: str
    lasting: Settings
    current: Settings
    held: tuple[Lock, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """A session between two statements.

    `current` is what is in force, `lasting` what will be after COMMIT, `before` what was when the
    transaction began, `defaults` what RESET, and SET ... TO DEFAULT, go back to. A value of None means the
    server's default, which nobody here knows.
    """

    in_transaction: bool = False
    current: Settings = field(default_factory=dict)
    lasting: Settings = field(default_factory=dict)
    before: Settings = field(default_factory=dict)
    defaults: Settings = field(default_factory=dict)
    held: tuple[Lock, ...] = ()
    points: tuple[_Point, ...] = ()

    def setting(self, name: str) -> str | None:
        """The value in force, or None when nothing was set."""
        return self.current.get(name.lower())

    @property
    def lock_timeout(self) -> float | None:
        """Milliseconds; None when there is none or it is switched off."""
        return milliseconds(self.setting("lock_timeout"))

    @property
    def statement_timeout(self) -> float | None:
        """Milliseconds; None when there is none or it is switched off."""
        return milliseconds(self.setting("statement_timeout"))


def start_session(settings: Settings | None = None) -> SessionState:
    """A new session; `settings` are those of its role, database or configuration, where known."""
    known = {name.lower(): value for name, value in (settings or {}).items()}
    return SessionState(current=known, lasting=known, before=known, defaults=known)


def advance(state: SessionState, operation: Operation, *, locks: Iterable[Lock] = ()) -> SessionState:
    """The state after an operation that took these locks. Outside a transaction they are gone at once."""
    match operation:
        case Begin() if not state.in_transaction:
            return replace(state, in_transaction=True, before=state.current, lasting=state.current)
        case Commit():
            return _ended(state, state.lasting if state.in_transaction else state.current)
        case Rollback(to_savepoint=None):
            return _ended(state, state.before if state.in_transaction else state.current)
        case Rollback(to_savepoint=name):
            return _back_to(state, name or "")
        case Savepoint(name=name, release=release):
            return _savepoint(state, name, release=release)
        case SetSetting() if operation.local and not state.in_transaction:
            return state
        case SetSetting():
            name = operation.name.lower()
            value = operation.value if operation.value is not None else state.defaults.get(name)
            return _set(state, name, value, local=operation.local)
        case ResetSetting(name=None):
            return replace(state, current=state.defaults, lasting=state.defaults)
        case ResetSetting(name=str(name)):
            return _set(state, name.lower(), state.defaults.get(name.lower()), local=False)
        case _:
            return _hold(state, locks)


def with_moved(state: SessionState, moved: Mapping[Name, Name]) -> SessionState:
    """The state in which relations whose locks are held are called by the names they have now."""
    if not moved or not state.held:
        return state
    held = tuple(Lock(moved.get(lock.relation, lock.relation), lock.mode) for lock in state.held)
    return replace(state, held=held)


def milliseconds(value: str | None) -> float | None:
    """A duration as PostgreSQL reads it, without a unit in milliseconds; None when zero or unreadable."""
    found = _DURATION.fullmatch(value) if value else None
    if not found:
        return None
    return float(found[1]) * _MILLISECONDS[found[2]] or None


def _ended(state: SessionState, settings: Settings) -> SessionState:
    return SessionState(current=settings, lasting=settings, before=settings, defaults=state.defaults)


def _set(state: SessionState, name: str, value: str | None, *, local: bool) -> SessionState:
    current = {**state.current, name: value}
    return replace(state, current=current, lasting=state.lasting if local else {**state.lasting, name: value})


def _savepoint(state: SessionState, name: str, *, release: bool) -> SessionState:
    if not state.in_transaction:
        return state
    if release:
        return replace(state, points=state.points[: _find(state, name)])
    point = _Point(name=name, lasting=state.lasting, current=state.current, held=state.held)
    return replace(state, points=(*state.points, point))


def _find(state: SessionState, name: str) -> int:
    names = [point.name for point in state.points]
    return len(names) - 1 - names[::-1].index(name) if name in names else len(names)


def _back_to(state: SessionState, name: str) -> SessionState:
    index = _find(state, name)
    if index == len(state.points):
        return state
    point = state.points[index]
    return replace(
        state,
        lasting=point.lasting,
        current=point.current,
        held=point.held,
        points=state.points[: index + 1],
    )


def _hold(state: SessionState, locks: Iterable[Lock]) -> SessionState:
    if not state.in_transaction:
        return state
    held = {lock.relation: lock for lock in state.held}
    for lock in locks:
        known = held.get(lock.relation)
        if known is None or known.mode < lock.mode:
            held[lock.relation] = lock
    return replace(state, held=tuple(held.values()))
