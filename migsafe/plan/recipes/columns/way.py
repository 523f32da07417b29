"""How a column's values get to another type: by what is known, or by what a person says."""

import re
from dataclasses import dataclass, field, replace

from migsafe.catalog.model import Catalog, Column, Domain, Table
from migsafe.errors import PlanError
from migsafe.plan.conversion.casts import convert
from migsafe.plan.conversion.conversions import Conversion, type_sql
from migsafe.plan.conversion.guards import Guard
from migsafe.plan.conversion.said import template_of
from migsafe.plan.draft import Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.model import DownMap
from migsafe.plan.replace.replacement import Helpers
from migsafe.plan.sync.pair import OnMisfit
from migsafe.sql.casts import simple_cast
from migsafe.sql.names import quote_identifier, quote_literal
from migsafe.sql.operations import AlterColumnType

_ZONED, _PLAIN = "timestamp with time zone", "timestamp without time zone"
_IN_ZONE = re.compile(
    r"\(*\s*(\"(?:[^\"]|\"\")+\"|\w+)\s*\)*\s+AT\s+TIME\s+ZONE\s+'([^']+)'\s*\)*", re.IGNORECASE
)
# Zones without summer time: there every moment has one local time, and every local time one moment.
_EVEN_ZONES = re.compile(r"(?i)utc|gmt|zulu|z|etc/(utc|gmt[+-]?\d*|uct|universal)")
# Casts between these ask the session's time zone.
_LOCAL = {_PLAIN, "date", "time without time zone", "text", "character varying", "character"}
_DATED = {_PLAIN, "date", "time without time zone", "interval"}
_UNTOLD = {"money", "time with time zone"}  # their casts depend on the session, and nobody uses them


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The conversion, the functions it needs, and what a person must know of it."""

    conversion: Conversion
    helpers: Helpers = field(default_factory=Helpers)
    warnings: tuple[str, ...] = ()


def way_of(
    operation: AlterColumnType,
    wanted: Wanted,
    table: Table,
    old: Column,
    scene: Scene,
    *,
    tag: str,
    by_copy: bool = False,
) -> Way:
    """The way up and down; `by_copy` says that a new table gets the values, not a new column.

    Raises:
        PlanError: None is known, or the one that was given cannot be used.
    """
    change = f"{old.name} of {table.name} from {old.type} to {operation.type}"
    guard = Guard(
        old=old.type,
        new=operation.type,
        up="",
        down=None,
        base=table.name.name,
        tag=tag,
        search_path=scene.catalog.search_path,
    )
    using = operation.using.text if operation.using else None
    plain = using is None or _is_plain_cast(using, operation)
    if plain and wanted.up is None and wanted.down is None:
        return _known(guard, change, scene, by_copy=by_copy)
    if using is not None and wanted.up is None and wanted.down is None:
        zoned = _zoned(using, guard, operation.column)
        if zoned is not None:
            return Way(conversion=zoned)
    up = wanted.up or using or f"{quote_identifier(operation.column)}::{type_sql(operation.type)}"
    template = template_of(up, operation.column, scene.catalog, what=f"the way up of {change}")
    down = None
    if wanted.down is not None:
        what = f"the way down of {change}"
        down = template_of(wanted.down, operation.column, scene.catalog, what=what)
    return _guarded(replace(guard, up=template, down=down), scene)


def _is_plain_cast(text: str, operation: AlterColumnType) -> bool:
    match simple_cast(text):
        case (column, kind):
            wanted = operation.type
            same = kind is None or kind == wanted or replace(kind, schema=wanted.schema) == wanted
            return column == operation.column and same
        case _:
            return False


def _demands(domain: Domain | None, catalog: Catalog) -> bool:
    """Whether the domain, or one that it is made of, has constraints."""
    while domain is not None:
        if domain.constrained:
            return True
        domain = catalog.domain(domain.base)
    return False


def _known(guard: Guard, change: str, scene: Scene, *, by_copy: bool) -> Way:
    old, new = guard.old, guard.new
    conversion = convert(old, new, scene.catalog)
    if conversion is not None:
        return Way(conversion=conversion)
    names = {old.name, new.name}
    if _ZONED in names and names & _LOCAL:
        raise PlanError(
            f"changing {change} asks for a time zone, and every session may have another one",
            advice="Say it: USING column AT TIME ZONE 'UTC' (or wherever those times are meant).",
        )
    if names & _UNTOLD:
        raise PlanError(
            f"changing {change} depends on the settings of each session",
            advice="Say how: USING with an expression that does not, and `-- migsafe: down EXPRESSION`.",
        )
    if not by_copy and _demands(scene.catalog.domain(new), scene.catalog):
        raise PlanError(
            f"changing {change}: PostgreSQL writes a whole table anew for a column of a domain that demands "
            "something, a new and empty column too",
            advice="Give the column the domain's base type, and what the domain demands as a CHECK: that has "
            "a plan.",
        )
    up = f"({{value}}::{type_sql(new)})"
    return _guarded(replace(guard, up=up, down=f"({{value}}::{type_sql(old)})"), scene)


def _guarded(guard: Guard, scene: Scene) -> Way:
    dated = {guard.old.name, guard.new.name} & (_DATED | {_ZONED})
    told = (
        (
            "Dates and times are read and written with DateStyle 'ISO, MDY' and time zone UTC, whatever a "
            "session has set.",
        )
        if dated
        else ()
    )
    conversion = guard.conversion()
    if scene.options.on_misfit is OnMisfit.FAIL and guard.down is not None:
        conversion = replace(conversion, down=guard.down, fits=None)  # it is to fail, not to be caught
    return Way(
        conversion=conversion,
        helpers=guard.helpers(),
        warnings=told,
    )


def _zoned(using: str, guard: Guard, column: str) -> Conversion | None:
    """`column AT TIME ZONE 'zone'`, which is its own way back."""
    found = _IN_ZONE.fullmatch(using.strip())
    if found is None or {guard.old.name, guard.new.name} != {_ZONED, _PLAIN}:
        return None
    if guard.old.modifiers or guard.new.modifiers:
        return None
    written = found[1]
    name = written[1:-1].replace('""', '"') if written.startswith('"') else written.lower()
    if name != column:
        return None
    there = f"({{value}} AT TIME ZONE {quote_literal(found[2])})"
    if _EVEN_ZONES.fullmatch(found[2]):
        return Conversion(up=there, down=there)
    again = f"({there} AT TIME ZONE {quote_literal(found[2])})"
    return Conversion(
        up=there, down=there, down_map=DownMap.LOSSY, fits=f"({again} = {{value}})", nearest=there
    )
