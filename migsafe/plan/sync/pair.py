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

from migsafe.plan.conversion.conversions import Conversion, differs, fill
from migsafe.sql.names import MAX_IDENTIFIER_BYTES, Name, quote_identifier, quote_literal
from migsafe.sql.operations import TypeName

LEDGER_SCHEMA = "migsafe"
# Row triggers fire in the order of their names; ours comes last, to see what the others made of the row.
TRIGGER_PREFIX = "zzz_migsafe"
_CAST = re.compile(r"\{value\}::(bigint|integer|double precision)")
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
    """The function and its two triggers, for the transaction that adds the new column.

    WHEN keeps everything out of PL/pgSQL that has nothing to do: there a row costs ten times as much. But it
    is short, one comparison where possible: the server reads it anew from its text for each statement.
    They fire ALWAYS: for rows that a subscription of logical replication applies, too. Where the publisher
    has synced them already, both sides are equal and there is nothing to do.
    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER
    """
    insert, update = sync.triggers
    old, new = (f"NEW.{quote_identifier(side.column)}" for side in (sync.old, sync.new))
    # A row from before is filled by whatever changes it: so the backfill cannot miss a row that moved.
    touched = f"{_changed(sync.new)} OR {_changed(sync.old)} OR ({new} IS NULL AND {old} IS NOT NULL)"
    return (
        two_way_function(sync),
        _trigger(sync, insert, "INSERT", _unequal(sync) if _fits_when(sync) else ""),
        _trigger(sync, update, "UPDATE", _unequal(sync) if _is_cheap(sync) else touched),
        f"ALTER TABLE {sync.table.sql} "
        + ", ".join(f"ENABLE ALWAYS TRIGGER {quote_identifier(name)}" for name in sync.triggers),
    )


def _is_cheap(sync: Sync) -> bool:
    """Whether the way up costs no more than a comparison, so that it may be taken for every UPDATE."""
    return sync.conversion.up == "{value}" or _CAST.fullmatch(sync.conversion.up) is not None


def _fits_when(sync: Sync) -> bool:
    """Whether the way up may stand in WHEN, which has no subqueries."""
    return re.search(r"\bselect\b", sync.conversion.up, re.IGNORECASE) is None


def _trigger(sync: Sync, name: str, event: str, condition: str) -> str:
    when = f"WHEN ({condition})\n    " if condition else ""
    return (
        f"CREATE TRIGGER {quote_identifier(name)} BEFORE {event} ON {sync.table.sql}\n"
        f"    FOR EACH ROW {when}EXECUTE FUNCTION {sync.function.sql}()"
    )


def drop_triggers(sync: Sync) -> tuple[str, ...]:
    """The way back from `create_triggers`."""
    names = tuple(
        f"DROP TRIGGER IF EXISTS {quote_identifier(name)} ON {sync.table.sql}" for name in sync.triggers
    )
    return (*names, f"DROP FUNCTION IF EXISTS {sync.function.sql}()")


def two_way_function(sync: Sync) -> str:
    """While both shapes have their names: a new side that is NULL in an INSERT was not given.

    In an INSERT every column of OLD reads as NULL, so that what is given there looks changed.
    https://www.postgresql.org/docs/current/plpgsql-trigger.html
    """
    both = _changed(sync.old)
    if sync.old.has_default:  # then an INSERT fills the old side by nobody's wish
        both = f"TG_OP = 'UPDATE' AND {both}"
    return _function(sync, _both_ways(sync, both, "IF"))


def tombstone_function(sync: Sync) -> str:
    """While the old shape is a tombstone: only an INSERT without a column list can still reach it."""
    old = f"NEW.{quote_identifier(sync.old.column)}"
    return _function(
        sync,
        (
            f"IF {old} IS NOT NULL AND TG_OP = 'INSERT' THEN",
            f"    {_note(sync, 'old_shape_written')}",
            f"    {_up(sync)}",
            *_both_ways(sync, _changed(sync.old), "ELSIF"),
        ),
    )


def _both_ways(sync: Sync, both: str, first: str) -> tuple[str, ...]:
    """What was written goes to the other side; a value that did not fit there stays while nobody writes."""
    new = f"NEW.{quote_identifier(sync.new.column)}"
    note = (f"IF {both} THEN", f"    {_note(sync, 'both_written')}", "END IF;")
    return (
        f"{first} {_changed(sync.new)} THEN",
        *_indent((*note, *_down(sync))),
        f"ELSIF {new} IS NULL OR {_changed(sync.old)} THEN",
        f"    {_up(sync)}",
        "END IF;",
    )


def _function(sync: Sync, work: tuple[str, ...]) -> str:
    equal: tuple[str, ...] = ()
    if not (_fits_when(sync) and _is_cheap(sync)):  # else WHEN has asked
        equal = (f"IF NOT ({_unequal(sync)}) THEN", "    RETURN NEW;", "END IF;")
    body = "\n".join(("BEGIN", *_indent((*equal, *work, "RETURN NEW;")), "END"))
    return (
        f"CREATE OR REPLACE FUNCTION {sync.function.sql}() RETURNS trigger\n"
        f"LANGUAGE plpgsql AS $migsafe$\n{body}\n$migsafe$"
    )


def _unequal(sync: Sync) -> str:
    """The new side is not what the old one says; an application that writes both makes them equal."""
    new, old = quote_identifier(sync.new.column), quote_identifier(sync.old.column)
    up = fill(sync.conversion.up, f"NEW.{old}")
    return differs(f"NEW.{new}", up, sync.new.type, collation=sync.new.collation)


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
