"""Reads, in the operations that follow each other, new columns that an UPDATE fills from others.

ALTER TABLE t ADD COLUMN x text;
UPDATE t SET x = lower(y) WHERE x IS NULL;
ALTER TABLE t ALTER COLUMN x SET NOT NULL;
ALTER TABLE t DROP COLUMN y;
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from migsafe.catalog.model import Table
from migsafe.plan.draft import Scene
from migsafe.plan.migration import Wanted
from migsafe.plan.sync.derived import read
from migsafe.sql.aliases import NotPlain
from migsafe.sql.lex import TokenKind, lex
from migsafe.sql.names import Name
from migsafe.sql.operations import (
    AddColumn,
    DropColumn,
    DropDefault,
    Expression,
    SetDefault,
    SetNotNull,
    TableOperation,
    Update,
)
from migsafe.sql.update import PlainUpdate, plain_update


@dataclass(slots=True)
class Added:
    """One new column, and what becomes of it. `value` is where its rows get their value from."""

    wanted: Wanted
    operation: AddColumn
    value: Expression | None = None
    not_null: bool = False
    default: Expression | None = None

    @property
    def name(self) -> str:
        """The column's name."""
        return self.operation.column.name


@dataclass(slots=True)
class Reshape:
    """The new columns of one table, the columns that they make superfluous, and how many operations it is."""

    table: Table
    added: dict[str, Added] = field(default_factory=dict)
    dropped: list[Wanted] = field(default_factory=list)
    count: int = 0

    @property
    def reads(self) -> frozenset[str]:
        """The columns that the new ones are made of."""
        values = (each.value for each in self.added.values())
        return frozenset(name for value in values if value is not None for name in value.columns)


def read_reshape(wanted: Sequence[Wanted], scene: Scene) -> Reshape | None:
    """The reshape that begins with the first operation; None when it is none."""
    first = wanted[0].operation
    table = scene.catalog.table(first.table) if isinstance(first, AddColumn) else None
    if table is None or scene.catalog.created_now(table):
        return None
    found = Reshape(table)
    for each in wanted:
        operation = each.operation
        if not isinstance(operation, TableOperation) or scene.catalog.table(operation.table) is not table:
            break
        if not _take(found, each):
            break
        found.count += 1
    filled = bool(found.added) and all(each.value is not None for each in found.added.values())
    return found if filled else None


def _take(found: Reshape, wanted: Wanted) -> bool:
    """Whether the operation belongs to it; then it is noted."""
    match wanted.operation:
        case AddColumn() as operation:
            return _add(found, wanted, operation)
        case Update(table=table):
            return _update(found, _plain(wanted.sql, table))
        case SetNotNull(column=name) if name in found.added:
            found.added[name].not_null = True
            return True
        case SetDefault(column=name, default=default) if name in found.added:
            found.added[name].default = None if default.is_null_constant else default
            return True
        case DropDefault(column=name) if name in found.added:
            found.added[name].default = None
            return True
        case DropColumn(column=name) if name in found.reads:
            found.dropped.append(wanted)
            return True
        case _:
            return False


def _add(found: Reshape, wanted: Wanted, operation: AddColumn) -> bool:
    column = operation.column
    own_value = column.generated or column.is_serial or column.default
    if own_value or found.dropped or column.name in found.added:
        return False
    value = None if wanted.up is None else read(wanted.up)
    found.added[column.name] = Added(
        wanted=wanted, operation=operation, value=value, not_null=column.not_null
    )
    return True


def _plain(sql: str, table: Name) -> PlainUpdate | None:
    """An UPDATE of the table by its own columns; None when it is another one."""
    try:
        update = plain_update(sql, table)
    except NotPlain:
        return None
    texts = [each.value.text for each in update.assignments]
    texts += [update.where.text] if update.where else []
    queries = any(token.kind is TokenKind.WORD and token.value == "select" for t in texts for token in lex(t))
    return None if update.sources or queries else update


def _update(found: Reshape, update: PlainUpdate | None) -> bool:
    """The UPDATE of new columns alone, from columns that were there before."""
    if update is None or found.dropped:
        return False
    if not {each.column for each in update.assignments} <= set(found.added):
        return False
    where = _condition(found, update)
    new = found.added.keys()
    if (
        where is None
        or new & {*where.columns}
        or any(new & {*each.value.columns} for each in update.assignments)
    ):
        return False
    for each in update.assignments:
        added = found.added[each.column]
        added.value = _composed(added.value, each.value, where)
    return True


_ALL = Expression(text="")


def _condition(found: Reshape, update: PlainUpdate) -> Expression | None:
    """Which rows it is about, said of the columns that were there before; None when that cannot be said."""
    where = update.where
    if where is None:
        return _ALL
    alone = {*where.columns} & found.added.keys()
    if not alone:
        return where
    if {*where.columns} != set(update.emptied) or len(alone) > 1 or "and" in where.text.lower().split():
        return None
    value = found.added[alone.pop()].value
    return _ALL if value is None else replace(value, text=f"({value.text}) IS NULL")


def _composed(before: Expression | None, value: Expression, where: Expression) -> Expression:
    """What the column holds after one more UPDATE."""
    if where is _ALL:
        return value
    if before is not None and where.text == f"({before.text}) IS NULL":
        return _joined(f"coalesce({before.text}, {value.text})", before, value)
    otherwise = "" if before is None else f" ELSE {before.text}"
    parts = (value, where) if before is None else (value, where, before)
    return _joined(f"CASE WHEN {where.text} THEN {value.text}{otherwise} END", *parts)


def _joined(text: str, *parts: Expression) -> Expression:
    return replace(
        parts[0],
        text=text,
        functions=tuple(dict.fromkeys(name for part in parts for name in part.functions)),
        columns=tuple(dict.fromkeys(name for part in parts for name in part.columns)),
        is_null_constant=False,
    )
