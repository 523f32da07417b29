"""Which functions may give another value for every row.

The two lists hold the functions of pg_catalog by pg_proc.provolatile; a name with a volatile overload
counts as volatile. A function in neither list counts as volatile too, but that is not certain.
https://www.postgresql.org/docs/current/xfunc-volatility.html
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from migsafe.catalog.model import Catalog
from migsafe.catalog.model import Volatility as FunctionVolatility
from migsafe.sql.names import Name
from migsafe.sql.operations import Expression

# What the grammar knows and pg_proc does not.
_SYNTAX = frozenset(
    {
        *("coalesce", "nullif", "greatest", "least", "treat", "merge_action", "normalize", "timezone"),
        *("current_catalog", "current_date", "current_role", "current_schema", "current_time"),
        *("current_timestamp", "current_user", "localtime", "localtimestamp", "session_user"),
        *("system_user", "user", "json", "json_array", "json_exists", "json_object", "json_query"),
        *("json_scalar", "json_serialize", "json_value", "xmlelement", "xmlforest", "xmlparse"),
        *("xmlpi", "xmlroot", "xmlserialize"),
    }
)
# Functions of extensions that everybody uses.
_EXTENSIONS_VOLATILE = frozenset(
    {"uuid_generate_v1", "uuid_generate_v1mc", "uuid_generate_v4", "gen_salt", "gen_random_bytes"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volatility:
    """Whether an expression counts as volatile, and which of its functions nobody here knows."""

    volatile: bool
    unknown: tuple[str, ...] = ()


def volatility_of(expression: Expression, catalog: Catalog | None = None) -> Volatility:
    """The volatility of a whole expression; unknown functions are named only when they decide.

    The catalog's functions count: one that has a volatile overload is volatile.
    """
    unknown: list[str] = []
    for name in expression.functions:
        if _is_volatile(name):
            return Volatility(volatile=True)
        found = catalog.functions_named(_name(name)) if catalog else ()
        if any(function.volatility is FunctionVolatility.VOLATILE for function in found):
            return Volatility(volatile=True)
        if not found and not is_known(name):
            unknown.append(name)
    return Volatility(volatile=bool(unknown), unknown=tuple(unknown))


def _name(function: str) -> Name:
    schema, _, bare = function.rpartition(".")
    return Name(bare, schema or None)


def is_known(function: str) -> bool:
    """Whether the volatility of a function is known without looking at the server."""
    return function in _SYNTAX or function in _listed("functions_not_volatile.txt") or _is_volatile(function)


def _is_volatile(function: str) -> bool:
    bare = function.rpartition(".")[2]
    return function in _listed("functions_volatile.txt") or bare in _EXTENSIONS_VOLATILE


@cache
def _listed(file: str) -> frozenset[str]:
    return frozenset(files("migsafe.effects").joinpath(file).read_text().split())
