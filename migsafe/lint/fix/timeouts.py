"""The timeouts around statements that are put outside of a transaction.

A statement that works CONCURRENTLY waits for older transactions and nobody waits for it: a timeout would
only make it fail half-way. Everything else keeps those that were in effect where it stood.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from migsafe.effects.session import Settings, milliseconds
from migsafe.lint.fix.scene import Scene
from migsafe.lint.fix.transaction import goes_on
from migsafe.sql.names import quote_literal

_NAMES = ("lock_timeout", "statement_timeout")
OWN = ""  # the place of the statement itself in a sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One statement of a sequence; `patient`: no timeout may end it. An empty text is the present one."""

    sql: str = OWN
    patient: bool = False


def with_timeouts(scene: Scene, steps: Sequence[Step], *, upper: bool) -> tuple[list[str], list[str]]:
    """What comes before the present statement and what behind it, with the settings that it takes."""
    here = scene.session.current
    session = scene.session.lasting if scene.session.in_transaction else here
    now = {name: session.get(name) for name in _NAMES}
    before: list[str] = []
    behind: list[str] = []
    into = before
    for step in steps:
        for name in _NAMES:
            wanted = "0" if step.patient else here.get(name)
            if milliseconds(now[name]) != milliseconds(wanted):
                into.append(_setting(name, wanted, upper=upper))
                now[name] = wanted
        if step.sql == OWN:
            into = behind
        else:
            into.append(step.sql)
    if goes_on(scene):
        into += [
            _back(scene.before.settings, name, session.get(name), upper=upper)
            for name in _NAMES
            if milliseconds(now[name]) != milliseconds(session.get(name))
        ]
    return before, behind


def _setting(name: str, value: str | None, *, upper: bool) -> str:
    if value is None:
        return f"{'RESET' if upper else 'reset'} {name}"
    text = "0" if value == "0" else quote_literal(value)
    return f"{'SET' if upper else 'set'} {name} = {text}"


def _back(defaults: Settings, name: str, value: str | None, *, upper: bool) -> str:
    """Back to what the session had; what it started with is not known better than RESET knows it."""
    return _setting(name, None if value == defaults.get(name) else value, upper=upper)
