"""How a value of one type becomes a value of another, and back.

Expressions are templates: `{value}` stands for the column. Where the way up can fail, `up_fits` says for
which values it cannot, and `up` gives NULL for the others instead of an error; the way down says for which
values it is exact (`fits`) and what the nearest value is otherwise.
"""

from dataclasses import dataclass

from migsafe.plan.model import DownMap
from migsafe.sql.names import Name
from migsafe.sql.operations import TypeName

INTEGERS = {
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

    `up_fits` is a condition, true for NULL, under which a value has one of the new type; None where every
    value has. `fits` is a condition under which `down` is defined and exact, None where it always is.
    `raises` marks a way down that may raise a data exception instead of being covered by `fits`.
    """

    up: str = "{value}"
    down: str = "{value}"
    down_map: DownMap = DownMap.TOTAL
    up_fits: str | None = None
    fits: str | None = None
    nearest: str | None = None
    raises: bool = False


IDENTITY = Conversion()


def fill(template: str, value: str) -> str:
    """The template with the column put in its place."""
    return template.replace("{value}", value)


def guarded(condition: str, up: str, **down: object) -> Conversion:
    """A conversion whose way up is defined only where the condition holds; NULL always fits."""
    return Conversion(
        up=f"CASE WHEN {condition} THEN {up} END",
        up_fits=f"({{value}} IS NULL OR {condition})",
        **down,  # type: ignore[arg-type] # the other fields of Conversion
    )


def type_sql(kind: TypeName) -> str:
    """The type as SQL, with a user's type in quotes."""
    if kind.schema is None:
        return str(kind)
    modifiers = f"({','.join(kind.modifiers)})" if kind.modifiers else ""
    return f"{Name(kind.name, kind.schema).sql}{modifiers}{'[]' * kind.array_dimensions}"


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
