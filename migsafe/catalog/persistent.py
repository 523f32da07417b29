"""A mapping that never changes and is still cheap to change: a new version shares nearly all of the old.

Keys live in 64 x 64 small dictionaries. A change copies one of them and the two short tuples above it, so
that a history over many thousand tables takes time in proportion to its length.
"""

from collections.abc import Iterator, Mapping
from typing import TypeVar, cast, overload

from migsafe.sql.names import Name

Value = TypeVar("Value")
Other = TypeVar("Other")

_BITS = 6
_WIDTH = 1 << _BITS
_MASK = _WIDTH - 1
_ALL = _WIDTH * _WIDTH - 1


class NameMap(Mapping[Name, Value]):
    """Values by name. Iteration is in the order of the names, whatever was put in first.

    Where a name is kept follows from its hash, which differs from run to run: nothing may depend on it.
    """

    __slots__ = ("_buckets", "_length")

    def __init__(self, items: Mapping[Name, Value] | None = None) -> None:
        self._length = len(items) if items else 0
        self._buckets = _filled(items) if items else cast("_Buckets[Value]", _EMPTY)

    def __getitem__(self, name: Name) -> Value:
        place = hash(name) & _ALL
        return self._buckets[place >> _BITS][place & _MASK][name]

    @overload
    def get(self, name: Name, /) -> Value | None: ...
    @overload
    def get(self, name: Name, /, default: Value | Other) -> Value | Other: ...
    def get(self, name: Name, /, default: object = None) -> object:
        """The value of this name, or the default."""
        place = hash(name) & _ALL
        return self._buckets[place >> _BITS][place & _MASK].get(name, default)

    def __iter__(self) -> Iterator[Name]:
        found = [name for row in self._buckets if row is not _EMPTY_ROW for bucket in row for name in bucket]
        return iter(sorted(found, key=_order))

    def __len__(self) -> int:
        return self._length

    def __contains__(self, name: object) -> bool:
        place = hash(name) & _ALL
        return name in self._buckets[place >> _BITS][place & _MASK]

    def __reduce__(self) -> tuple[type["NameMap[Value]"], tuple[dict[Name, Value]]]:
        return NameMap, (dict(self),)

    def __repr__(self) -> str:
        return f"NameMap({dict(self)!r})"

    def put(self, name: Name, value: Value) -> "NameMap[Value]":
        """A mapping with one more, or one other, value."""
        place = hash(name) & _ALL
        bucket = dict(self._buckets[place >> _BITS][place & _MASK])
        length = self._length + (name not in bucket)
        bucket[name] = value
        return self._with(place, bucket, length)

    def drop(self, name: Name) -> "NameMap[Value]":
        """A mapping without this name; itself when it is not there."""
        place = hash(name) & _ALL
        old = self._buckets[place >> _BITS][place & _MASK]
        if name not in old:
            return self
        bucket = dict(old)
        del bucket[name]
        return self._with(place, bucket, self._length - 1)

    def _with(self, place: int, bucket: dict[Name, Value], length: int) -> "NameMap[Value]":
        high, low = place >> _BITS, place & _MASK
        row = self._buckets[high]
        row = (*row[:low], bucket, *row[low + 1 :])
        made: NameMap[Value] = NameMap.__new__(NameMap)
        made._buckets = (*self._buckets[:high], row, *self._buckets[high + 1 :])
        made._length = length
        return made


_Buckets = tuple[tuple[dict[Name, Value], ...], ...]
_EMPTY_ROW: tuple[dict[Name, object], ...] = ({},) * _WIDTH
_EMPTY: _Buckets[object] = (_EMPTY_ROW,) * _WIDTH


def _filled(items: Mapping[Name, Value]) -> _Buckets[Value]:
    rows: list[list[dict[Name, Value]]] = [[{} for _ in range(_WIDTH)] for _ in range(_WIDTH)]
    for name, value in items.items():
        place = hash(name) & _ALL
        rows[place >> _BITS][place & _MASK][name] = value
    return tuple(tuple(row) for row in rows)


def _order(name: Name) -> tuple[str, str]:
    return (name.schema or "", name.name)


def put(names: Mapping[Name, Value], name: Name, value: Value) -> NameMap[Value]:
    """The mapping with one more, or one other, value."""
    return (names if isinstance(names, NameMap) else NameMap(names)).put(name, value)


def drop(names: Mapping[Name, Value], name: Name) -> NameMap[Value]:
    """The mapping without this name."""
    return (names if isinstance(names, NameMap) else NameMap(names)).drop(name)
