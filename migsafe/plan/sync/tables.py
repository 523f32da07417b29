"""The triggers that keep a column equal with one of another table, whose rows stand for the same thing.

A row that comes without a value takes that of its partner; a changed value is pushed to the partner. Values
are compared, so that a push that finds its own value ends it.

A push holds its own row and wants the other one. Two transactions that write both halves at once would wait
for each other: so nobody waits long without looking whether the writer of the other row waits for it, itself
or by way of others. Who finds that gives way, and the other one's push makes both equal; that it gave way is
noted. The first look comes after some milliseconds, long before the server would look and cancel one of the
application's statements (`deadlock_timeout`).
"""

from dataclasses import dataclass

from migsafe.plan.conversion.conversions import differs
from migsafe.plan.sync.pair import LEDGER_SCHEMA, bounded, make_tag
from migsafe.plan.sync.trigger_text import (
    create_trigger,
    drop_trigger,
    fire_always,
    indent,
    note,
    trigger_name,
)
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import TypeName

_FIRST_WAIT, _LAST_WAIT = 10, 160  # ms
_LOOKS = 3  # without a single writer to be seen: several share the row, or it was written in a savepoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """The column in one of the tables, by its name of the moment; `join` is the column that finds a partner.

    `key` names the table's rows in reports. `default` is what the column gets when nobody gives a value.
    `tag` tells this move from every other.
    """

    tag: str
    table: Name
    column: str
    join: str
    key: tuple[str, ...]
    default: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A column that moves from `old` to `new`."""

    rollout: str
    type: TypeName
    exact: bool
    old: Half
    new: Half

    def unequal(self, left: str, right: str) -> str:
        """Whether two values of the column are not the same."""
        return differs(left, right, self.type, collation="C" if self.exact else None)


def create_one_way(moved: Moved) -> tuple[str, ...]:
    """The old half leads: whatever is written to the new one, it gets the old one's value."""
    old, new = moved.old, moved.new
    value = f"NEW.{quote_identifier(old.column)}"
    not_given = f"{value} IS NULL"
    if old.default is not None:
        not_given = f"{not_given} OR NOT ({moved.unequal(value, f'({old.default})')})"
    return (
        *_take(old, new),
        create_trigger(_name(old, "take", "insert"), not_given, "INSERT", old.table, _function(old, "take")),
        *_push(moved, old, new),
        *_push_triggers(old),
        fire_always(old.table, [_name(old, "take", "insert"), *_names(old, "push")]),
        *_followed(moved),
    )


def _followed(moved: Moved) -> tuple[str, ...]:
    new = moved.new
    return (
        *_follow(moved),
        create_trigger(_name(new, "take", "insert"), "", "INSERT", new.table, _function(new, "take")),
        create_trigger(
            _name(new, "take", "update"),
            f"{_changed(new.column)} OR {_changed(new.join)}",
            "UPDATE",
            new.table,
            _function(new, "take"),
        ),
        fire_always(new.table, _names(new, "take")),
    )


def both_ways(moved: Moved) -> tuple[str, ...]:
    """From `create_one_way` to where either half may be written."""
    new = moved.new
    empty = f"NEW.{quote_identifier(new.column)} IS NULL"
    return (
        *_drop_takes(new),
        *_take(new, moved.old),
        create_trigger(_name(new, "take", "insert"), empty, "INSERT", new.table, _function(new, "take")),
        create_trigger(
            _name(new, "take", "update"),
            f"{_changed(new.join)} AND NOT ({_changed(new.column)})",
            "UPDATE",
            new.table,
            _function(new, "take"),
        ),
        *_push(moved, new, moved.old),
        *_push_triggers(new),
        fire_always(new.table, [*_names(new, "take"), *_names(new, "push")]),
    )


def back_to_one_way(moved: Moved) -> tuple[str, ...]:
    """The way back from `both_ways`."""
    new = moved.new
    drops = (*_drop_pushes(new), *_drop_takes(new), f"DROP FUNCTION IF EXISTS {_function(new, 'push').sql}()")
    return (*drops, *_followed(moved))


def stop(moved: Moved) -> tuple[str, ...]:
    """No trigger on the new half: a write that is under way there has begun with the functions of now."""
    return (*_drop_pushes(moved.new), *_drop_takes(moved.new))


def again(moved: Moved) -> tuple[str, ...]:
    """After `stop`, for a column that is called otherwise now."""
    return (*_take(moved.old, moved.new), *_push(moved, moved.old, moved.new), *both_ways(moved))


def drop_all(moved: Moved) -> tuple[str, ...]:
    """Every trigger and function."""
    halves = (moved.new, moved.old)
    functions = [_function(half, what) for half in halves for what in ("take", "push")]
    return (
        *(statement for half in halves for statement in (*_drop_pushes(half), *_drop_takes(half))),
        *(f"DROP FUNCTION IF EXISTS {function.sql}()" for function in functions),
    )


def _take(half: Half, other: Half) -> tuple[str, ...]:
    """A row that has no value takes its partner's, which cannot change meanwhile."""
    own = f"NEW.{quote_identifier(half.column)}"
    return _trigger_function(
        _function(half, "take"),
        (
            "DECLARE",
            f"    found_value {other.table.sql}.{quote_identifier(other.column)}%TYPE;",
            "BEGIN",
            f"    SELECT o.{quote_identifier(other.column)} INTO found_value FROM {other.table.sql} AS o",
            f"        WHERE {_partner(half, other)} FOR SHARE;",
            "    IF found_value IS NOT NULL THEN",
            f"        {own} := found_value;",
            "    END IF;",
            "    RETURN NEW;",
            "END",
        ),
    )


def _follow(moved: Moved) -> tuple[str, ...]:
    """The new half while the old one leads.

    An UPDATE must not wait for the partner, since that one's push may wait for this row; it comes after.
    """
    old, new = moved.old, moved.new
    value = f"SELECT o.{quote_identifier(old.column)} INTO NEW.{quote_identifier(new.column)}"
    query = f"{value} FROM {old.table.sql} AS o WHERE {_partner(new, old)}"
    return _trigger_function(
        _function(new, "take"),
        (
            "BEGIN",
            "    IF TG_OP = 'INSERT' THEN",
            f"        {query} FOR SHARE;",
            "    ELSE",
            f"        {query};",
            "    END IF;",
            "    RETURN NEW;",
            "END",
        ),
    )


def _push(moved: Moved, half: Half, other: Half) -> tuple[str, ...]:
    value, target = f"NEW.{quote_identifier(half.column)}", f"o.{quote_identifier(other.column)}"
    where = f"{_partner(half, other)} AND ({moved.unequal(target, value)})"
    body = (
        "BEGIN",
        "    PERFORM set_config('lock_timeout', (wait_ms * (0.5 + random()))::int::text || 'ms', true);",
        f"    UPDATE {other.table.sql} AS o SET {quote_identifier(other.column)} = {value}",
        f"        WHERE {where};",
        "    RETURN NULL;",
        "EXCEPTION",
        "    WHEN lock_not_available THEN",
        *indent(indent(_give_way(moved, half, other))),
        f"        wait_ms := least(wait_ms * 2, {_LAST_WAIT});",
        "        looks := looks + 1;",
        "    WHEN serialization_failure THEN",
        "        RAISE;  -- of an application that asked for it, and knows what to do",
        "    WHEN deadlock_detected THEN",
        f"        {note(moved.rollout, half.table, half.key, 'gave_way')}",
        "        RETURN NULL;",
        "    WHEN OTHERS THEN",
        f"        {note(moved.rollout, half.table, half.key, 'unrepresentable')}",
        "        RETURN NULL;",
        "END;",
    )
    return _trigger_function(
        _function(half, "push"),
        (
            "DECLARE",
            f"    wait_ms float8 := {_FIRST_WAIT};",
            "    looks int := 1;",
            "BEGIN",
            f"    IF NOT EXISTS (SELECT FROM {other.table.sql} AS o WHERE {where}) THEN",
            "        RETURN NULL;",
            "    END IF;",
            "    LOOP",
            *indent(indent(body)),
            "    END LOOP;",
            "END",
        ),
    )


def _give_way(moved: Moved, half: Half, other: Half) -> tuple[str, ...]:
    """Leave it to the writer of the other row, when that one waits for us."""
    wrote_the_table = (
        "SELECT FROM pg_locks AS l WHERE l.pid = b.pid AND l.granted AND l.mode = 'RowExclusiveLock' "
        f"AND l.relation = {quote_literal(other.table.sql)}::regclass"
    )
    return (
        "IF EXISTS (",
        "    WITH RECURSIVE waiting AS MATERIALIZED (",
        "        SELECT l.pid, pg_blocking_pids(l.pid) AS blockers FROM pg_locks AS l WHERE NOT l.granted",
        "    ), behind AS (",
        "        SELECT w.pid FROM waiting AS w WHERE pg_backend_pid() = ANY (w.blockers)",
        "        UNION",
        "        SELECT w.pid FROM behind AS b JOIN waiting AS w ON b.pid = ANY (w.blockers)",
        "    ), writer AS (",
        f"        SELECT l.pid FROM {other.table.sql} AS o JOIN pg_locks AS l ON l.transactionid = o.xmax",
        f"            AND l.granted AND l.locktype = 'transactionid' WHERE {_partner(half, other)}",
        "    )",
        "    SELECT FROM behind AS b WHERE b.pid IN (SELECT w.pid FROM writer AS w)",
        f"        OR looks >= {_LOOKS} AND NOT EXISTS (SELECT FROM writer)",
        f"            AND EXISTS ({wrote_the_table})",
        ") THEN",
        f"    {note(moved.rollout, half.table, half.key, 'gave_way')}",
        "    RETURN NULL;",
        "END IF;",
    )


def _trigger_function(name: Name, lines: tuple[str, ...]) -> tuple[str, ...]:
    """With the rights of who carries out the plan: the application may have none on the other table.

    Nobody else may hang it on a table of their own; to fire, a trigger needs no right.
    https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY
    """
    body = "\n".join(lines)
    return (
        f"CREATE OR REPLACE FUNCTION {name.sql}() RETURNS trigger\n"
        "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '0'\n"
        f"AS $migsafe$\n{body}\n$migsafe$",
        f"REVOKE ALL ON FUNCTION {name.sql}() FROM PUBLIC",
    )


def _push_triggers(half: Half) -> tuple[str, ...]:
    function = _function(half, "push")
    insert, update = _name(half, "push", "insert"), _name(half, "push", "update")
    given = f"NEW.{quote_identifier(half.column)} IS NOT NULL"
    changed = f"{_changed(half.column)} OR {_changed(half.join)}"
    return (
        create_trigger(insert, given, "INSERT", half.table, function, moment="AFTER"),
        create_trigger(update, changed, "UPDATE", half.table, function, moment="AFTER"),
    )


def _names(half: Half, what: str) -> tuple[str, str]:
    return _name(half, what, "insert"), _name(half, what, "update")


def _drop_takes(half: Half) -> tuple[str, ...]:
    return tuple(drop_trigger(name, half.table) for name in _names(half, "take"))


def _drop_pushes(half: Half) -> tuple[str, ...]:
    return tuple(drop_trigger(name, half.table) for name in _names(half, "push"))


def _partner(half: Half, other: Half) -> str:
    return f"o.{quote_identifier(other.join)} = NEW.{quote_identifier(half.join)}"


def _changed(column: str) -> str:
    quoted = quote_identifier(column)
    return f"ROW(OLD.{quoted})::record *<> ROW(NEW.{quoted})::record"


def _tag(half: Half, what: str) -> str:
    return make_tag(half.tag, str(half.table), what)


def _name(half: Half, what: str, event: str) -> str:
    return trigger_name(_tag(half, what), event)


def _function(half: Half, what: str) -> Name:
    return Name(bounded(what, half.table.name, _tag(half, what)), LEDGER_SCHEMA)
