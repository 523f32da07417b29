"""Indexes whose operator class is for any array, enum, range or multirange.

When a column's type changes, if only to itself, PostgreSQL keeps such an index only where the index has the
column's very type (CheckIndexCompatible in src/backend/commands/indexcmds.c).
"""

from migsafe.catalog.model import Catalog, Column, Index, TypeKind
from migsafe.effects.domains import base_type, is_plain
from migsafe.effects.prediction import Prediction
from migsafe.sql.operations import TypeName

# Hash codes, elements, summaries: what these methods keep is of a type of their own.
_OTHER_TYPE = frozenset({"brin", "gin", "hash"})
_SAME = {"character": "bpchar"}
_RANGE_END = ("range", "multirange")


def is_same_type(catalog: Catalog, one: TypeName, other: TypeName) -> bool:
    """Whether both are one type to PostgreSQL, whatever their limits and how many dimensions arrays have."""
    if bool(one.array_dimensions) != bool(other.array_dimensions):
        return False
    known = catalog.resolve_type(one), catalog.resolve_type(other)
    if known[0] is not None or known[1] is not None:
        return known[0] == known[1]
    return (one.schema, _without_limit(one.name)) == (other.schema, _without_limit(other.name))


def _without_limit(name: str) -> str:
    return "interval" if name.startswith("interval") else _SAME.get(name, name)


def is_polymorphic(catalog: Catalog, written: TypeName) -> bool | None:
    """Whether the type, which is no domain, has the operator classes of all its kind; None when not known."""
    if written.array_dimensions:
        return True
    if is_plain(written):
        return written.name.endswith(_RANGE_END)
    found = catalog.types.get(name) if (name := catalog.resolve_type(written)) else None
    if found is None:
        return None
    return found.kind in {TypeKind.ENUM, TypeKind.RANGE}


def keeps_another_type(prediction: Prediction, column: Column, index: Index) -> bool:
    """Whether an index on the column itself keeps something else than its values: then it is built again."""
    base = base_type(prediction.catalog, column.type)
    polymorphic = is_polymorphic(prediction.catalog, base)
    multirange = base.name.endswith("multirange") and not base.array_dimensions
    if polymorphic is False or not (index.method in _OTHER_TYPE or (index.method == "gist" and multirange)):
        return False
    if polymorphic is None:
        prediction.unknown(f"whether {base} is an enum or a range")
    return True
