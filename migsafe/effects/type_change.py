"""Which changes of a column's type leave the stored rows as they are.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
A rewrite is spared when the cast is binary coercible, or when PostgreSQL can see that a longer limit
changes no value.
"""

from enum import StrEnum

from migsafe.sql.operations import TypeName

UTC_QUESTION = "whether the session's TimeZone is UTC"

# Casts that change no byte (pg_cast.castmethod = 'b'), beyond those among strings.
_SAME_BYTES = frozenset(
    {
        ("cidr", "inet"),
        ("integer", "oid"),
        ("oid", "integer"),
        ("oid", "regclass"),
        ("regclass", "oid"),
        ("integer", "regclass"),
        ("regclass", "integer"),
        ("bit", "bit varying"),
        ("xml", "bpchar"),
        ("xml", "text"),
        ("xml", "character varying"),
        ("character", "bpchar"),
        ("text", "bpchar"),
        ("character varying", "bpchar"),
    }
)
_PRECISIONS = (
    "timestamp without time zone",
    "timestamp with time zone",
    "time without time zone",
    "time with time zone",
    "interval",
)
_LONGER_IS_FREE = frozenset({"character varying", "bit varying", *_PRECISIONS})
_FIELDS = ("year", "month", "day", "hour", "minute")
_INTEGERS = ("smallint", "integer", "bigint")
_FLOATS = ("real", "double precision")
_DATES = ("date", "timestamp without time zone")
_STRINGS = frozenset({"character varying", "text", "bpchar"})


class Change(StrEnum):
    """What a change of type does to the stored rows."""

    FREE = "free"
    REWRITE = "rewrite"
    FREE_IN_UTC = "free in UTC"


def type_change(old: TypeName, new: TypeName) -> Change:
    """What changing a column from one type to the other does, with no USING or one that only casts."""
    if old == new:
        return Change.FREE
    if old.schema or new.schema or old.array_dimensions or new.array_dimensions:
        # The number of dimensions means nothing to PostgreSQL; without a limit nothing is cut.
        same = (old.schema, bool(old.array_dimensions)) == (new.schema, bool(new.array_dimensions))
        loses_limit = old.name == new.name or (old.name, new.name) == ("character", "bpchar")
        loses_fields = old.name.startswith("interval") and new.name == "interval"
        free = (not new.modifiers and (loses_limit or loses_fields)) or (
            (old.name, old.modifiers) == (new.name, new.modifiers)
        )
        return Change.FREE if same and free else Change.REWRITE
    if old.name == new.name:
        return Change.FREE if _limit_only_grows(old, new) else Change.REWRITE
    if old.name.startswith("interval") and new.name.startswith("interval"):
        no_seconds = _last_field(old) < len(_FIELDS)
        keeps = _last_field(new) >= _last_field(old) and (no_seconds or _precision(new) >= _precision(old))
        return Change.FREE if keeps else Change.REWRITE
    if {old.name, new.name} == {"timestamp without time zone", "timestamp with time zone"}:
        return Change.FREE_IN_UTC if _precision(new) == 6 else Change.REWRITE
    if old.name in _STRINGS - {"bpchar"} and new.name in _STRINGS:
        return Change.REWRITE if new.modifiers else Change.FREE
    return Change.FREE if (old.name, new.name) in _SAME_BYTES and not new.modifiers else Change.REWRITE


def keeps_values(old: TypeName, new: TypeName) -> bool:
    """Whether every value of the old type is a value of the new one that reads the same to an application."""
    if type_change(old, new) is Change.FREE:
        return True
    for order in (_INTEGERS, _FLOATS, _DATES):
        if old.name in order and new.name in order:
            return order.index(new.name) >= order.index(old.name)
    if new.name == "numeric" and not new.modifiers and old.name in {*_INTEGERS, "numeric"}:
        return True
    if old.name == new.name == "numeric" and len(old.modifiers) == len(new.modifiers) == 2:
        return _numeric_digits(new) >= _numeric_digits(old) and int(new.modifiers[1]) >= int(old.modifiers[1])
    return old.name == "character" and new.name in {"text", "character varying"} and not new.modifiers


def _limit_only_grows(old: TypeName, new: TypeName) -> bool:
    if not new.modifiers:
        return old.name != "bit"
    if old.name == "numeric":
        return (
            len(old.modifiers) == 2
            and old.modifiers[1:] == new.modifiers[1:]
            and _number(new.modifiers[0]) >= _number(old.modifiers[0])
        )
    if old.name in _PRECISIONS:
        return _precision(new) >= _precision(old)
    if old.name in _LONGER_IS_FREE and old.modifiers:
        return _number(new.modifiers[0]) >= _number(old.modifiers[0])
    return False


def _last_field(written: TypeName) -> int:
    """How fine an interval is, by the last field it keeps: `interval day to hour` ends with hours."""
    last = written.name.split()[-1]
    return _FIELDS.index(last) if last in _FIELDS else len(_FIELDS)


def _numeric_digits(written: TypeName) -> int:
    """Digits before the point."""
    return _number(written.modifiers[0]) - _number(written.modifiers[1])


def _precision(written: TypeName) -> int:
    """Fractional digits of a second: six when not given."""
    return _number(written.modifiers[0]) if written.modifiers else 6


def _number(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else 0
