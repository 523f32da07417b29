"""How a value of one type becomes a value of another, and back.

Expressions are templates: `{value}` stands for the column. Only conversions whose way up cannot fail are
here; the way down says for which values it is exact (`fits`) and what the nearest value is otherwise.
"""

from dataclasses import dataclass

from migsafe.plan.model import DownMap
from migsafe.sql.operations import TypeName

_INTEGERS = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
# Where "=" is true, the bytes are the same too; elsewhere 1.0 = 1.000 would hide a change.
_EQUALITY_IS_IDENTITY = {
    *(
        "smallint",
        "integer",
        "bigint",
        "boolean",
        "uuid",
        "date",
        "oid",
        "bytea",
        "text",
        "character varying",
    ),
    *("timestamp without time zone", "timestamp with time zone", "time without time zone"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The way up (old to new) and down (new to old).

    `fits` is a condition under which `down` is defined and exact, None where it always is. `raises` marks
    a way down that may raise a data exception instead of being covered by `fits`.
    """

    up: str = "{value}"
    down: str = "{value}"
    down_map: DownMap = DownMap.TOTAL
    fits: str | None = None
    nearest: str | None = None
    raises: bool = False


IDENTITY = Conversion()


def fill(template: str, value: str) -> str:
    """The template with the column put in its place."""
    return template.replace("{value}", value)


def convert(old: TypeName, new: TypeName) -> Conversion | None:
    """The known conversion between two types; None when there is none that is safe without being told."""
    if old == new:
        return IDENTITY
    if old.array_dimensions or new.array_dimensions or old.schema or new.schema:
        return None
    if old.name in _INTEGERS:
        return _from_integer(old.name, new)
    match (old.name, new.name):
        case ("real", "double precision"):
            return Conversion(
                up="{value}::double precision", down="{value}::real", down_map=DownMap.LOSSY, raises=True
            )
        case ("json", "jsonb"):
            return None  # a json value may hold \u0000, which jsonb refuses
        case ("date", "timestamp without time zone") if not new.modifiers:
            return Conversion(
                up="{value}::timestamp without time zone", down="{value}::date", down_map=DownMap.LOSSY
            )
        case ("character varying" | "character", "text"):
            return _shorter_text(old)
    return None


def _from_integer(old: str, new: TypeName) -> Conversion | None:
    low, high = _INTEGERS[old]
    within = f"{{value}} BETWEEN {low} AND {high}"
    clamped = f"least(greatest({{value}}, {low}), {high})"
    if new.name in _INTEGERS:
        if _INTEGERS[new.name][1] < high:
            return None  # narrowing: values may not fit on the way up
        return Conversion(
            up=f"{{value}}::{new.name}",
            down=f"{{value}}::{old}",
            down_map=DownMap.LOSSY,
            fits=within,
            nearest=f"{clamped}::{old}",
        )
    if new.name == "numeric" and not new.modifiers:
        return Conversion(
            up="{value}::numeric",
            down=f"{{value}}::{old}",
            down_map=DownMap.LOSSY,
            fits=f"({{value}} = trunc({{value}}) AND {within})",
            nearest=f"CASE WHEN {{value}} = 'NaN' THEN NULL ELSE round({clamped})::{old} END",
        )
    if new.name == "text":
        return Conversion(up="{value}::text", down=f"{{value}}::{old}", down_map=DownMap.LOSSY, raises=True)
    return None


def _shorter_text(old: TypeName) -> Conversion | None:
    if old.name == "character" or not old.modifiers:
        return None if old.name == "character" else IDENTITY
    length = old.modifiers[0]
    return Conversion(
        up="{value}::text",
        down=f"{{value}}::character varying({length})",
        down_map=DownMap.LOSSY,
        fits=f"length({{value}}) <= {length}",
        nearest=f"left({{value}}, {length})::character varying({length})",
    )


def differs(left: str, right: str, kind: TypeName, *, collation: str | None = None) -> str:
    """A condition that is true when two values are not exactly the same, NULLs included.

    For types whose "=" is coarser than identity (numeric 1.0 and 1.000) or missing (json), whole records
    are compared byte for byte.

    https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
    """
    plain = kind.name in _EQUALITY_IS_IDENTITY and not kind.array_dimensions and not kind.schema
    if plain and collation is None:
        return f"{left} IS DISTINCT FROM {right}"
    return f"ROW({left})::record *<> ROW({right})::record"
