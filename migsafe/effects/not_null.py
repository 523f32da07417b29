"""NOT NULL: which tables it goes to, and which of them are read."""

from migsafe.catalog.model import Table, TypeKind
from migsafe.effects.model import LockMode
from migsafe.effects.prediction import Prediction
from migsafe.effects.proofs import proves_not_null
from migsafe.effects.refusals import NOT_NULL_SINCE
from migsafe.sql.names import Name


def locks_not_null(prediction: Prediction, table: Name, column: str, *, only: bool = False) -> None:
    """SET NOT NULL goes down to the tables below, unless the column is NOT NULL already.

    Before PostgreSQL 18 a table that inherits may differ from its parent there.
    """
    known = prediction.table(table)
    found = known.column(column) if known else None
    stays = prediction.server_version >= NOT_NULL_SINCE or (known is not None and known.partitioned)
    alone = only or (stays and found is not None and found.not_null)
    if prediction.server_version < NOT_NULL_SINCE:
        prediction.lock(prediction.family(table, only=alone), LockMode.ACCESS_EXCLUSIVE)
        return
    prediction.lock(_goes_to(prediction, table, column, alone=alone), LockMode.ACCESS_EXCLUSIVE)


def _goes_to(prediction: Prediction, name: Name, column: str, *, alone: bool) -> tuple[Name, ...]:
    """From PostgreSQL 18 on NOT NULL goes down table by table, no further than where one is already."""
    top = prediction.table(name)
    if alone or top is None:
        return (prediction.catalog.resolve(name),)
    if _is_marked(top, column):
        # Not valid yet, or it would not get here: all below are validated.
        return prediction.family(name)
    found: list[Name] = [top.name]
    waiting = list(prediction.catalog.children(name))
    while waiting:
        child = waiting.pop()
        found.append(child.name)
        if not _is_marked(child, column):
            waiting += prediction.catalog.children(child.name)
    return tuple(found)


def _is_marked(table: Table | None, column: str) -> bool:
    """Whether a NOT NULL constraint is there, valid or not."""
    found = table.column(column) if table else None
    marked = table is not None and any(column in each.columns for each in table.not_nulls)
    return marked or (found is not None and found.not_null)


def _is_row(prediction: Prediction, table: Table, column: str) -> bool:
    """Whether a column holds rows: IS NOT NULL asks for each of their fields then."""
    found = table.column(column)
    name = prediction.catalog.resolve_type(found.type) if found and not found.type.array_dimensions else None
    known = prediction.catalog.types.get(name) if name else None
    return name in prediction.catalog.tables or (known is not None and known.kind is TypeKind.COMPOSITE)


def requires_not_null(prediction: Prediction, table: Name, column: str, *, only: bool = False) -> None:
    """Reads each table of the family whose column may hold NULL."""
    if prediction.server_version >= NOT_NULL_SINCE:
        # Below, what is marked NOT NULL is not looked at, though it may be NOT VALID.
        start = prediction.catalog.resolve(table)
        reached = _goes_to(prediction, table, column, alone=only)
        whole = _is_marked(prediction.table(table), column)
        members = tuple(
            name
            for name in reached
            if whole or name == start or not _is_marked(prediction.table(name), column)
        )
    else:
        members = prediction.family(table, only=only)
    for member in (name for name in members if not prediction.is_partitioned(name)):
        known = prediction.table(member)
        if known is not None and proves_not_null(known, column, of_rows=_is_row(prediction, known, column)):
            continue
        if known is None or not known.columns_complete:
            prediction.unknown(f"whether a constraint proves that {member}.{column} has no NULL")
        prediction.scan([member])
