"""Options of providers and gates: from a plan's plain values to a typed dataclass."""

import dataclasses
import math
import types
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from migsafe.errors import UsageError
from migsafe.plan.model import Options, Scalar

Typed = TypeVar("Typed")
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def typed_options(kind: type[Typed], options: Options, *, where: str) -> Typed:
    """The dataclass `kind`, filled from the options of a plan.

    Raises:
        UsageError: An option is unknown, missing or of the wrong type, or the dataclass refuses a value
            (a ValueError of its `__post_init__`). `where` names the place, as in "gate 'errors'".
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # always a dataclass
    hints = get_type_hints(kind)
    for name in options:
        if name not in fields:
            raise UsageError(f"{where}: unknown option '{name}'", advice=did_you_mean(name, fields))
    missing = [name for name, field in fields.items() if name not in options and _is_required(field)]
    if missing:
        raise UsageError(f"{where}: option '{missing[0]}' is missing", advice="set it in the plan's options")
    values = {
        name: _value(value, hints[name], f"{where}: option '{name}'") for name, value in options.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The advice for a name that is not known."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(names)}"


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(value: Scalar, hint: Any, where: str) -> Scalar:
    wanted = _plain_type(hint)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:  # a bool is an int for isinstance
        raise UsageError(f"{where} must be {_WORDS[wanted]}, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where} must be a finite number, not {value!r}")
    return value


def _plain_type(hint: Any) -> type:
    """`float` for `float | None`."""
    if get_origin(hint) in (types.UnionType, Union):
        hint = next(part for part in get_args(hint) if part is not type(None))
    plain: type = hint
    return plain
