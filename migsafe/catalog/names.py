"""The names PostgreSQL makes up for constraints and indexes that were given none.

https://www.postgresql.org/docs/current/sql-createtable.html and src/backend/commands/indexcmds.c
"""

from collections.abc import Callable, Iterable

from migsafe.sql.names import MAX_IDENTIFIER_BYTES
from migsafe.sql.operations import ConstraintDefinition, ConstraintKind

_LABELS = {
    ConstraintKind.CHECK: "check",
    ConstraintKind.EXCLUDE: "excl",
    ConstraintKind.FOREIGN_KEY: "fkey",
    ConstraintKind.NOT_NULL: "not_null",
    ConstraintKind.PRIMARY_KEY: "pkey",
    ConstraintKind.UNIQUE: "key",
}


def constraint_name(table: str, constraint: ConstraintDefinition, is_free: Callable[[str], bool]) -> str:
    """The name of a constraint on a table: its own, or the first one made up that is free."""
    return constraint.name or made_up_name(table, constraint.kind, constraint.columns, is_free)


def made_up_name(
    table: str, kind: ConstraintKind, columns: tuple[str, ...], is_free: Callable[[str], bool]
) -> str:
    """The name that PostgreSQL makes up for a constraint of this kind on these columns."""
    if kind is ConstraintKind.PRIMARY_KEY or (kind is ConstraintKind.CHECK and len(columns) != 1):
        columns = ()
    if kind is ConstraintKind.EXCLUDE:
        columns = _distinct(columns)
    return _free(table, columns, _LABELS[kind], is_free)


def index_name(table: str, keys: Iterable[str], is_free: Callable[[str], bool]) -> str:
    """The name of an index on these columns and expressions: the first one made up that is free."""
    return _free(table, _distinct(keys), "idx", is_free)


def sequence_name(table: str, column: str, is_free: Callable[[str], bool]) -> str:
    """The name of a sequence that a serial or identity column owns."""
    return _free(table, (column,), "seq", is_free)


def _distinct(keys: Iterable[str]) -> tuple[str, ...]:
    """A second `expr` is called `expr1`, as PostgreSQL does."""
    found: list[str] = []
    for key in keys:
        name, number = key, 0
        while name in found:
            number += 1
            name = f"{key}{number}"
        found.append(name)
    return tuple(found)


def _free(table: str, columns: tuple[str, ...], label: str, is_free: Callable[[str], bool]) -> str:
    name, number = _joined(table, columns, label), 0
    while not is_free(name):
        number += 1
        name = _joined(table, columns, f"{label}{number}")
    return name


def _joined(table: str, columns: tuple[str, ...], label: str) -> str:
    """Table, columns and label with underscores; the longer of the first two is cut until all fits."""
    first = table.encode()
    second = "_".join(columns).encode()[:MAX_IDENTIFIER_BYTES]
    room = MAX_IDENTIFIER_BYTES - len(label) - 1 - (1 if second else 0)
    excess = max(0, len(first) + len(second) - room)
    # The longer one gives way until both are equally long; then they take turns, the second first.
    while excess and len(first) != len(second):
        cut = min(excess, abs(len(first) - len(second)))
        first, second = (first[:-cut], second) if len(first) > len(second) else (first, second[:-cut])
        excess -= cut
    if excess:
        first, second = first[: len(first) - excess // 2], second[: len(second) - (excess + 1) // 2]
    parts = [first.decode(errors="ignore"), second.decode(errors="ignore"), label]
    return "_".join(part for part in parts if part)
