"""The triggers that keep several columns and several others equal: a column that is split, or columns merged.

They detect change and never ask who writes, as those of one column (sync.py). When both sides were written
and do not agree, the new one wins, and it is noted. What cannot be computed for a side becomes NULL there,
and is noted; the application's write does not fail because of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from migsafe.plan.conversion.conversions import differs
from migsafe.plan.sync.derived import probe, row_text, type_sql
from migsafe.plan.sync.pair import LEDGER_SCHEMA, bounded
from migsafe.plan.sync.trigger_text import (
    create_trigger,
    drop_trigger,
    fire_always,
    guarded,
    indent,
    note,
    trigger_function,
    trigger_name,
)
from migsafe.sql.names import Name, quote_identifier
from migsafe.sql.operations import Expression, TypeName


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One column of a side. `value` is how it comes from the other side, `default` what it gets otherwise."""

    column: str
    type: TypeName
    value: Expression
    default: str | None = None
    exact: bool = False  # compare byte for byte: a collation of its own is involved
    never_fails: bool = False
    not_null: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Two sides of one table that are kept equal.

    Columns have the names that the migration uses; `renamed` has those that are called otherwise now.
    """

    rollout: str
    tag: str
    table: Name
    key: tuple[str, ...]
    names: tuple[str, ...]  # every column of the table, the new ones too
    old: tuple[Part, ...]
    new: tuple[Part, ...]
    own_path: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def function(self) -> Name:
        """The trigger function; it lives in the ledger's schema, out of the application's sight."""
        return Name(bounded("sync", self.table.name, self.tag), LEDGER_SCHEMA)

    @property
    def triggers(self) -> tuple[str, str]:
        """The names of the INSERT and the UPDATE trigger."""
        return (trigger_name(self.tag, "insert"), trigger_name(self.tag, "update"))

    @property
    def others(self) -> tuple[str, ...]:
        """What the expressions read besides the two sides."""
        sides = {part.column for part in (*self.old, *self.new)}
        read = dict.fromkeys(name for part in (*self.old, *self.new) for name in part.value.columns)
        return tuple(name for name in read if name in self.names and name not in sides)

    def column(self, name: str, row: str = "") -> str:
        """A column as it is called now, of a row variable or alone."""
        quoted = quote_identifier(self.renamed.get(name, name))
        return f"{row}.{quoted}" if row else quoted

    def value(self, part: Part, row: str = "") -> str:
        """What a part should be, computed from a row variable or from the table's own row."""
        columns = {name: self.renamed.get(name, name) for name in self.names}
        return row_text(part.value, columns, row, self.table)


def create_triggers(sync: Columns) -> tuple[str, ...]:
    """The function and its two triggers, for the transaction that adds the new columns."""
    insert, update = sync.triggers
    watched = [part.column for part in (*sync.old, *sync.new)]
    changed = [_changed(sync, name) for name in (*watched, *sync.others)]
    filled = " OR ".join(f"{sync.column(part.column, 'NEW')} IS NOT NULL" for part in sync.old)
    unfilled = f"({_is_empty(sync, 'NEW')} AND ({filled}))"
    when = " OR ".join((*changed, unfilled))
    return (
        *set_function(sync),
        create_trigger(insert, "", "INSERT", sync.table, sync.function),
        create_trigger(update, when, "UPDATE", sync.table, sync.function),
        fire_always(sync.table, sync.triggers),
    )


def drop_triggers(sync: Columns) -> tuple[str, ...]:
    """The way back from `create_triggers`."""
    names = tuple(drop_trigger(name, sync.table) for name in sync.triggers)
    return (*names, f"DROP FUNCTION IF EXISTS {sync.function.sql}()")


def set_function(sync: Columns) -> tuple[str, ...]:
    """The function alone, for columns whose names have changed; with a probe of its expressions."""
    parts = (*sync.old, *sync.new)
    return (
        probe(sync.table, {part.column: sync.value(part, "NEW") for part in parts}),
        trigger_function(sync.function, _body(sync), own_path=sync.own_path),
    )


def pending(sync: Columns) -> str:
    """True for the rows whose new side is not right yet.

    That of a row that the new version wrote is right when the old side follows from it.
    """
    return (
        f"CASE WHEN NOT ({_unequal(sync, sync.new)}) THEN false WHEN {_is_empty(sync)} THEN true "
        f"ELSE {_unequal(sync, sync.old)} END"
    )


def assignments(sync: Columns) -> str:
    """SET: the new side from the old one."""
    return ", ".join(f"{sync.column(part.column)} = {sync.value(part)}" for part in sync.new)


def _body(sync: Columns) -> tuple[str, ...]:
    equal = f"IF NOT ({_unequal(sync, sync.new, 'NEW')}) THEN"
    check: tuple[str, ...] = (equal, "    RETURN NEW;", "END IF;")
    if not all(part.never_fails for part in sync.new):
        check = guarded(check, ("NULL;",))  # what cannot be computed is not equal
    return (
        "-- Equal already: the backfill, or an application that writes both.",
        *check,
        "IF TG_OP = 'INSERT' THEN",
        *indent(_insert(sync)),
        *_update(sync),
        "END IF;",
        "RETURN NEW;",
    )


def _insert(sync: Columns) -> tuple[str, ...]:
    """A side in which nothing but NULL and defaults stands was not given."""
    new_given = " OR ".join(_given(sync, part) for part in sync.new)
    old_given = " OR ".join(_given(sync, part) for part in sync.old)
    return (
        f"IF {new_given} THEN",
        *indent(_down(sync, old_given)),
        "ELSE",
        *indent(_assign(sync, sync.new)),
        "END IF;",
    )


def _update(sync: Columns) -> tuple[str, ...]:
    new_changed = " OR ".join(_changed(sync, part.column) for part in sync.new)
    old_changed = " OR ".join(_changed(sync, part.column) for part in sync.old)
    lines = (f"ELSIF {new_changed} THEN", *indent(_down(sync, old_changed)))
    up = indent(_assign(sync, sync.new))
    if not sync.others:
        return (*lines, "ELSE", *up)
    follow = f"ELSIF {old_changed} OR {_is_empty(sync, 'NEW')} THEN"
    # Something else that they are computed from has changed: the side that was computed follows.
    computed = f"IF NOT ({_unequal(sync, sync.new, 'OLD')}) THEN"
    rest = guarded((computed, *up, "ELSE", *indent(_assign(sync, sync.old)), "END IF;"), ("NULL;",))
    return (*lines, follow, *up, "ELSE", *indent(rest))


def _down(sync: Columns, old_written: str) -> tuple[str, ...]:
    both = (
        f"IF ({old_written}) AND ({_unequal(sync, sync.old, 'NEW')}) THEN",
        f"    {_note(sync, 'both_written')}",
        "END IF;",
    )
    if not all(part.never_fails for part in sync.old):
        return (*guarded(both, ("NULL;",)), *_assign(sync, sync.old))
    return (*both, *_assign(sync, sync.old))


def _assign(sync: Columns, side: Sequence[Part]) -> tuple[str, ...]:
    lines: list[str] = []
    for part in side:
        column = sync.column(part.column, "NEW")
        line = f"{column} := {sync.value(part, 'NEW')};"
        if part.never_fails:
            lines.append(line)
            continue
        instead = () if part.not_null else (f"{column} := NULL;",)
        lines += guarded((line,), (*instead, _note(sync, "unrepresentable")))
    return tuple(lines)


def _unequal(sync: Columns, side: Sequence[Part], row: str = "") -> str:
    """Whether a side is another than the other one makes it."""
    return " OR ".join(
        differs(
            sync.column(part.column, row),
            f"({sync.value(part, row)})::{type_sql(part.type)}",
            part.type,
            collation="C" if part.exact else None,
        )
        for part in side
    )


def _changed(sync: Columns, name: str) -> str:
    """Compared byte for byte, so that nothing needs to be known of the type."""
    return f"ROW({sync.column(name, 'OLD')})::record *<> ROW({sync.column(name, 'NEW')})::record"


def _given(sync: Columns, part: Part) -> str:
    column = sync.column(part.column, "NEW")
    if part.default is None:
        return f"{column} IS NOT NULL"
    default = f"({part.default})::{type_sql(part.type)}"
    return differs(column, default, part.type, collation="C" if part.exact else None)


def _is_empty(sync: Columns, row: str = "") -> str:
    return " AND ".join(f"{sync.column(part.column, row)} IS NULL" for part in sync.new)


def _note(sync: Columns, kind: str) -> str:
    return note(sync.rollout, sync.table, sync.key, kind)
