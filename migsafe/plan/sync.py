"""The triggers that keep the old and the new shape of a column equal.

They detect change and never ask who writes: OLD and NEW are compared on both sides. If both sides were
written and differ, the new one wins and it is noted. A value that the old side cannot hold never fails the
application's statement unless the plan says so: it becomes NULL or the nearest value there, and is noted.

INSERT and UPDATE need separate triggers, since a WHEN condition of INSERT cannot name OLD.
https://www.postgresql.org/docs/current/sql-createtrigger.html
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

from migsafe.plan.conversions import Conversion, differs, fill
from migsafe.sql.names import MAX_IDENTIFIER_BYTES, Name, quote_identifier, quote_literal
from migsafe.sql.operations import TypeName

LEDGER_SCHEMA = "migsafe"
# Row triggers fire in the order of their names; ours comes last, to see what the others made of the row.
TRIGGER_PREFIX = "zzz_migsafe"
_OF_A_ROLLOUT = re.compile(rf"{TRIGGER_PREFIX}_[0-9a-f]{{8}}_(insert|update)")


class OnMisfit(StrEnum):
    """What becomes of a value that the old side cannot hold."""

    NULL = "null"
    NEAREST = "nearest"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two columns under the name it has at a moment."""

    column: str
    type: TypeName
    collation: str | None = None
    has_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """The pair of columns of one rollout that is kept equal."""

    rollout: str
    tag: str  # eight hexadecimal digits that tell this pair from every other
    table: Name
    key: tuple[str, ...]
    old: Side
    new: Side
    conversion: Conversion
    on_misfit: OnMisfit = OnMisfit.NULL

    @property
    def function(self) -> Name:
        """The trigger function; it lives in the ledger's schema, out of the application's sight."""
        return Name(bounded("sync", self.table.name, self.tag), LEDGER_SCHEMA)

    @property
    def triggers(self) -> tuple[str, str]:
        """The names of the INSERT and the UPDATE trigger."""
        return (f"{TRIGGER_PREFIX}_{self.tag}_insert", f"{TRIGGER_PREFIX}_{self.tag}_update")


def make_tag(*parts: str) -> str:
    """Eight hexadecimal digits made from these parts, the same at every time."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def bounded(prefix: str, base: str, tag: str) -> str:
    """`prefix_base_tag`, with the base cut so that PostgreSQL does not cut the tag (63 bytes)."""
    room = MAX_IDENTIFIER_BYTES - len(prefix) - len(tag) - 2
    short = base.encode()[:room].decode(errors="ignore")
    return f"{prefix}_{short}_{tag}"


def fires_after_sync(trigger: str) -> bool:
    """Whether a trigger of this name comes after the sync triggers and is none of another rollout's."""
    return trigger > TRIGGER_PREFIX and not is_sync_trigger(trigger)


def is_sync_trigger(trigger: str) -> bool:
    """Whether a trigger of this name is ours, of this rollout or another."""
    return _OF_A_ROLLOUT.fullmatch(trigger) is not None


def create_triggers(sync: Sync) -> tuple[str, ...]:
    """The function and its two triggers, for the transaction that adds the new column."""
    insert, update = sync.triggers
    conditions = [
        differs(f"OLD.{quoted}", f"NEW.{quoted}", side.type, collation=side.collation)
        for side in (sync.old, sync.new)
        for quoted in (quote_identifier(side.column),)
    ]
    # A row from before is filled by whatever changes it: so the backfill cannot miss a row that moved.
    old, new = (f"NEW.{quote_identifier(side.column)}" for side in (sync.old, sync.new))
    conditions.append(f"({new} IS NULL AND {old} IS NOT NULL)")
    changed = " OR ".join(conditions)
    execute = f"FOR EACH ROW {{when}}EXECUTE FUNCTION {sync.function.sql}()"
    return (
        two_way_function(sync),
        f"CREATE TRIGGER {quote_identifier(insert)} BEFORE INSERT ON {sync.table.sql}\n"
        f"    {execute.format(when='')}",
        f"CREATE TRIGGER {quote_identifier(update)} BEFORE UPDATE ON {sync.table.sql}\n"
        f"    {execute.format(when=f'WHEN ({changed})' + chr(10) + '    ')}",
    )


def drop_triggers(sync: Sync) -> tuple[str, ...]:
    """The way back from `create_triggers`."""
    names = tuple(
        f"DROP TRIGGER IF EXISTS {quote_identifier(name)} ON {sync.table.sql}" for name in sync.triggers
    )
    return (*names, f"DROP FUNCTION IF EXISTS {sync.function.sql}()")


def two_way_function(sync: Sync) -> str:
    """While both shapes have their names: a new side that is NULL in an INSERT was not given."""
    new = f"NEW.{quote_identifier(sync.new.column)}"
    old = f"NEW.{quote_identifier(sync.old.column)}"
    conflict: tuple[str, ...] = ()
    if not sync.old.has_default:  # with a default, the old side is filled by nobody's wish
        conflict = (f"IF {old} IS NOT NULL THEN", f"    {_note(sync, 'both_written')}", "END IF;")
    insert = (
        f"IF {new} IS NULL THEN",
        f"    {_up(sync)}",
        "ELSE",
        *_indent((*conflict, *_down(sync))),
        "END IF;",
    )
    return _function(sync, insert)


def tombstone_function(sync: Sync) -> str:
    """While the old shape is a tombstone: only an INSERT without a column list can still reach it."""
    old = f"NEW.{quote_identifier(sync.old.column)}"
    insert = (
        f"IF {old} IS NOT NULL THEN",
        f"    {_note(sync, 'old_shape_written')}",
        f"    {_up(sync)}",
        "ELSE",
        *_indent(_down(sync)),
        "END IF;",
    )
    return _function(sync, insert)


def _function(sync: Sync, insert: tuple[str, ...]) -> str:
    new, old = quote_identifier(sync.new.column), quote_identifier(sync.old.column)
    unequal = differs(
        f"NEW.{new}",
        fill(sync.conversion.up, f"NEW.{old}"),
        sync.new.type,
        collation=sync.new.collation,
    )
    lines = (
        "BEGIN",
        "    -- Equal already: the backfill, or an application that writes both.",
        f"    IF NOT ({unequal}) THEN",
        "        RETURN NEW;",
        "    END IF;",
        "    IF TG_OP = 'INSERT' THEN",
        *_indent(insert, 2),
        f"    ELSIF {_changed(sync.new)} THEN",
        f"        IF {_changed(sync.old)} THEN",
        f"            {_note(sync, 'both_written')}",
        "        END IF;",
        *_indent(_down(sync), 2),
        "    ELSE",
        f"        {_up(sync)}",
        "    END IF;",
        "    RETURN NEW;",
        "END",
    )
    body = "\n".join(lines)
    return (
        f"CREATE OR REPLACE FUNCTION {sync.function.sql}() RETURNS trigger\n"
        f"LANGUAGE plpgsql AS $migsafe$\n{body}\n$migsafe$"
    )


def _changed(side: Side) -> str:
    column = quote_identifier(side.column)
    return differs(f"NEW.{column}", f"OLD.{column}", side.type, collation=side.collation)


def _up(sync: Sync) -> str:
    new, old = quote_identifier(sync.new.column), quote_identifier(sync.old.column)
    return f"NEW.{new} := {fill(sync.conversion.up, f'NEW.{old}')};"


def _down(sync: Sync) -> tuple[str, ...]:
    new = f"NEW.{quote_identifier(sync.new.column)}"
    old = f"NEW.{quote_identifier(sync.old.column)}"
    exact = f"{old} := {fill(sync.conversion.down, new)};"
    if sync.on_misfit is OnMisfit.FAIL:
        return (exact,)
    note = _note(sync, "unrepresentable")
    if sync.conversion.raises:
        handler = ("EXCEPTION WHEN data_exception THEN", f"    {old} := NULL;", f"    {note}")
        return ("BEGIN", f"    {exact}", *handler, "END;")
    if sync.conversion.fits is None:
        return (exact,)
    nearest = sync.conversion.nearest if sync.on_misfit is OnMisfit.NEAREST else None
    substitute = fill(nearest, new) if nearest else "NULL"
    return (
        f"IF {new} IS NULL OR {fill(sync.conversion.fits, new)} THEN",
        f"    {exact}",
        "ELSE",
        f"    {old} := {substitute};",
        f"    {note}",
        "END IF;",
    )


def _note(sync: Sync, kind: str) -> str:
    pairs = ", ".join(f"{quote_literal(name)}, NEW.{quote_identifier(name)}" for name in sync.key)
    arguments = (
        quote_literal(sync.rollout),
        quote_literal(str(sync.table)),
        quote_literal(kind),
        f"pg_catalog.jsonb_build_object({pairs})::text",
    )
    return f"PERFORM {LEDGER_SCHEMA}.note_sync({', '.join(arguments)});"


def _indent(lines: tuple[str, ...], levels: int = 1) -> tuple[str, ...]:
    return tuple("    " * levels + line for line in lines)
