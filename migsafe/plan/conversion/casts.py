"""The conversions that are known: for each pair of types how a value passes, and which values do not.

https://www.postgresql.org/docs/current/datatype.html
"""

from migsafe.catalog.model import Catalog, TypeKind
from migsafe.plan.conversion.conversions import IDENTITY, INTEGERS, Conversion, guarded, type_sql
from migsafe.plan.model import DownMap
from migsafe.sql.names import Name
from migsafe.sql.operations import TypeName

_TEXTS = {"text", "character varying"}
_VARCHAR = "character varying"


def convert(old: TypeName, new: TypeName, catalog: Catalog | None = None) -> Conversion | None:
    """The known conversion between two types; None when there is none that can be had without being told."""
    if old == new:
        return IDENTITY
    if old.array_dimensions or new.array_dimensions:
        return None
    if old.schema or new.schema:
        return _labels(old, new, catalog)
    if old.name in INTEGERS and (new.name in INTEGERS or new.name == "text"):
        return _from_integer(old.name, new.name)
    match (old.name, new.name):
        case (("smallint" | "integer" | "bigint" | "numeric"), "numeric") | (
            "numeric",
            ("smallint" | "integer" | "bigint"),
        ):
            return _numeric(old, new)
        case ("real", "double precision"):
            return Conversion(
                up="{value}::double precision", down="{value}::real", down_map=DownMap.LOSSY, raises=True
            )
        case ("jsonb", "json"):  # a json value may hold \u0000, which jsonb refuses
            return Conversion(up="{value}::json", down="{value}::jsonb", down_map=DownMap.LOSSY, raises=True)
        case ("date", "timestamp without time zone") if not new.modifiers:
            return Conversion(
                up="{value}::timestamp without time zone",
                down="{value}::date",
                down_map=DownMap.LOSSY,
                fits="({value} = {value}::date)",
                nearest="{value}::date",
            )
    if old.name in _TEXTS and new.name in _TEXTS:
        return _between_texts(old, new)
    return None


def _from_integer(old: str, new: str) -> Conversion:
    low, high = INTEGERS[old]
    if new == "text":
        return Conversion(up="{value}::text", down=f"{{value}}::{old}", down_map=DownMap.LOSSY, raises=True)
    least, most = INTEGERS[new]
    if most < high:
        return guarded(f"{{value}} BETWEEN {least} AND {most}", f"{{value}}::{new}", down=f"{{value}}::{old}")
    return Conversion(
        up=f"{{value}}::{new}",
        down=f"{{value}}::{old}",
        down_map=DownMap.LOSSY,
        fits=f"{{value}} BETWEEN {low} AND {high}",
        nearest=f"least(greatest({{value}}, {low}), {high})::{old}",
    )


def _numeric(old: TypeName, new: TypeName) -> Conversion:
    """Between integers and numeric(p, s): rounded as the cast does it, where the result has room."""
    up = f"{{value}}::{new}"
    down, fits = f"{{value}}::{old}", _room(old)
    back: dict[str, object] = {"down": down}
    if fits is not None:
        low, high = _bounds(old)
        exact = f"({fits} AND {{value}} = round({{value}}::numeric, {_scale(old)}))"
        clamped = f"least(greatest(round({{value}}::numeric, {_scale(old)}), {low}), {high})::{old}"
        back |= {
            "down_map": DownMap.LOSSY,
            "fits": exact if old.name in INTEGERS else f"({{value}} = 'NaN' OR {exact})",
            "nearest": f"CASE WHEN {{value}}::numeric <> 'NaN' THEN {clamped} END",
        }
        if new.name in INTEGERS:
            back |= {"fits": exact, "nearest": clamped}
    room = _room(new)
    if room is None or _holds(new, old):
        return Conversion(up=up, **back)  # type: ignore[arg-type] # fields of Conversion
    if new.name == "numeric" and old.name == "numeric":
        room = f"({{value}} = 'NaN' OR {room})"
    return guarded(room, up, **back)


def _scale(kind: TypeName) -> int:
    return int(kind.modifiers[1]) if len(kind.modifiers) > 1 else 0


def _bounds(kind: TypeName) -> tuple[str, str]:
    """The least and the greatest value."""
    if kind.name in INTEGERS:
        low, high = INTEGERS[kind.name]
        return str(low), str(high)
    precision, scale = int(kind.modifiers[0]), _scale(kind)
    digits = "9" * precision
    if scale <= 0:
        most = digits + "0" * -scale
    else:
        padded = digits.rjust(scale, "0")
        most = f"{padded[:-scale] or '0'}.{padded[-scale:]}"
    return f"-{most}", most


def _room(kind: TypeName) -> str | None:
    """The condition under which a number has a place in this type; None where every one has."""
    if kind.name == "numeric" and not kind.modifiers:
        return None
    low, high = _bounds(kind)
    return f"round({{value}}::numeric, {_scale(kind)}) BETWEEN {low} AND {high}"


def _holds(new: TypeName, old: TypeName) -> bool:
    """Whether every value of the old type has a place in the new one, rounded or not."""
    if old.name == "numeric" and not old.modifiers:
        return False
    if new.name in INTEGERS or (old.modifiers and _scale(old) > _scale(new)):
        return False  # rounded up, it may need one more digit
    digits = int(new.modifiers[0]) - _scale(new)
    if old.name in INTEGERS:
        return len(str(INTEGERS[old.name][1])) <= digits
    return int(old.modifiers[0]) - _scale(old) <= digits


def _between_texts(old: TypeName, new: TypeName) -> Conversion:
    up, fits = f"{{value}}::{new}", _short(new)
    if old.modifiers and new.modifiers and int(old.modifiers[0]) <= int(new.modifiers[0]):
        fits = None
    down: dict[str, object] = {"down": f"{{value}}::{old}"}
    if old.modifiers and not (new.modifiers and int(new.modifiers[0]) <= int(old.modifiers[0])):
        limit = old.modifiers[0]
        down |= {
            "down_map": DownMap.LOSSY,
            "fits": f"length({{value}}) <= {limit}",
            "nearest": f"left({{value}}, {limit})::{old}",
        }
    if fits is None:
        return Conversion(up=up, **down)  # type: ignore[arg-type] # fields of Conversion
    return guarded(fits, up, **down)


def _short(kind: TypeName) -> str | None:
    """An assignment cuts off spaces that are too many, and refuses everything else."""
    if kind.name != _VARCHAR or not kind.modifiers:
        return None
    limit = int(kind.modifiers[0])
    return f"rtrim(substr({{value}}, {limit + 1}), ' ') = ''"


def _labels(old: TypeName, new: TypeName, catalog: Catalog | None) -> Conversion | None:
    """Between text and an enum."""
    if old.name in _TEXTS and not old.schema and _is_enum(new, catalog):
        down: dict[str, object] = {"down": f"{{value}}::text::{old}"}
        if old.modifiers:
            down |= {"down_map": DownMap.LOSSY, "fits": f"length({{value}}::text) <= {old.modifiers[0]}"}
        return guarded(_is_label(new), f"{{value}}::text::{type_sql(new)}", **down)
    if _is_enum(old, catalog) and new.name in _TEXTS and not new.schema:
        down = {
            "down": f"{{value}}::text::{type_sql(old)}",
            "down_map": DownMap.LOSSY,
            "fits": _is_label(old),
        }
        if new.modifiers:
            return guarded(
                f"length({{value}}::text) <= {new.modifiers[0]}", f"{{value}}::text::{new}", **down
            )
        return Conversion(up=f"{{value}}::text::{new}", **down)  # type: ignore[arg-type] # fields of Conversion
    return None


def _is_enum(kind: TypeName, catalog: Catalog | None) -> bool:
    found = catalog.types.get(Name(kind.name, kind.schema)) if catalog and kind.schema else None
    return found is not None and found.kind is TypeKind.ENUM


def _is_label(kind: TypeName) -> str:
    return f"{{value}}::text = ANY (pg_catalog.enum_range(NULL::{type_sql(kind)})::text[])"
