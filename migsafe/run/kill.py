"""The kill policy: which sessions that are in the way of a strong lock may be ended. By default none."""

from collections.abc import Sequence
from dataclasses import dataclass

from migsafe.errors import UsageError
from migsafe.run.blockers import Blocker, Kind

DEFAULT_SECONDS = 60.0
_CHOICES = (Kind.IDLE, Kind.ACTIVE, Kind.DUMP, Kind.VACUUM)


@dataclass(frozen=True, slots=True, kw_only=True)
class KillRule:
    """Sessions of this kind, from this age of their transaction on, in seconds."""

    kind: Kind
    seconds: float


def read_rules(texts: Sequence[str]) -> tuple[KillRule, ...]:
    """The rules from `KIND` or `KIND:SECONDS`; without seconds, a minute.

    Raises:
        UsageError: One of them is none.
    """
    return tuple(map(_read_rule, texts))


def why_not(blocker: Blocker, rules: Sequence[KillRule], *, superusers: bool) -> str | None:
    """Why this session is not ended; None when it may be.

    Never: a vacuum that prevents wraparound, any autovacuum (PostgreSQL sees to that), a session of migsafe,
    a prepared transaction (which is no session), and what our role may not see or not end.
    """
    kind = blocker.kind
    if kind not in _CHOICES:
        return f"never ended: {_NEVER[kind]}"
    rule = next((rule for rule in rules if rule.kind is kind), None)
    if rule is None:
        return f"the kill policy does not name '{kind}'"
    if blocker.transaction_seconds < rule.seconds:
        return f"its transaction is younger than {rule.seconds:g} s"
    if blocker.superuser and not superusers:
        return "it belongs to a superuser"
    return None if blocker.may_signal else "this role may not end it"


_NEVER = {
    Kind.PREPARED: "a prepared transaction; COMMIT PREPARED or ROLLBACK PREPARED it",
    Kind.WRAPAROUND: "an autovacuum that prevents wraparound",
    Kind.AUTOVACUUM: "an autovacuum, which gives way by itself",
    Kind.MIGSAFE: "a session of migsafe",
    Kind.UNKNOWN: "this role may not see what it does",
}


def _read_rule(text: str) -> KillRule:
    name, colon, seconds = text.partition(":")
    if name in {kind.value for kind in _CHOICES}:
        try:
            age = float(seconds) if colon else DEFAULT_SECONDS
        except ValueError:
            age = -1.0
        if 0 <= age < float("inf"):
            return KillRule(kind=Kind(name), seconds=age)
    raise UsageError(
        f"'{text}' is no kill rule",
        advice=f"write KIND or KIND:SECONDS, with one of {', '.join(_CHOICES)}: idle-in-transaction:30",
    )
