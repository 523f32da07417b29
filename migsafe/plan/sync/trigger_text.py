"""The parts that trigger functions are written of."""

from collections.abc import Sequence

from migsafe.plan.sync.pair import LEDGER_SCHEMA, TRIGGER_PREFIX
from migsafe.sql.names import Name, quote_identifier, quote_literal

# What the application's statement must not fail of: everything but being cancelled.
# https://www.postgresql.org/docs/current/plpgsql-control-structures.html#PLPGSQL-ERROR-TRAPPING
_ANY_ERROR = "EXCEPTION WHEN OTHERS THEN"


def trigger_name(tag: str, event: str) -> str:
    """The name of the trigger of one event; `tag` is eight hexadecimal digits."""
    return f"{TRIGGER_PREFIX}_{tag}_{event}"


def trigger_function(name: Name, body: Sequence[str], *, own_path: bool = False) -> str:
    """CREATE FUNCTION of a trigger, over these lines.

    With `own_path`, names are looked up as they are at this moment, whatever the search path of the
    application is: it costs a little each time.
    """
    path = " SET search_path FROM CURRENT" if own_path else ""
    text = "\n".join(("BEGIN", *indent(body), "END"))
    return (
        f"CREATE OR REPLACE FUNCTION {name.sql}() RETURNS trigger\n"
        f"LANGUAGE plpgsql{path} AS $migsafe$\n{text}\n$migsafe$"
    )


def create_trigger(
    name: str, when: str, event: str, table: Name, function: Name, *, moment: str = "BEFORE"
) -> str:
    """CREATE TRIGGER for each row; `when` is its condition, or empty."""
    condition = f"WHEN ({when})\n    " if when else ""
    return (
        f"CREATE TRIGGER {quote_identifier(name)} {moment} {event} ON {table.sql}\n"
        f"    FOR EACH ROW {condition}EXECUTE FUNCTION {function.sql}()"
    )


def fire_always(table: Name, names: Sequence[str]) -> str:
    """For rows that a subscription of logical replication applies, too.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER
    """
    listed = ", ".join(f"ENABLE ALWAYS TRIGGER {quote_identifier(name)}" for name in names)
    return f"ALTER TABLE {table.sql} {listed}"


def drop_trigger(name: str, table: Name) -> str:
    """DROP TRIGGER, also when it is gone already."""
    return f"DROP TRIGGER IF EXISTS {quote_identifier(name)} ON {table.sql}"


def guarded(lines: Sequence[str], otherwise: Sequence[str]) -> tuple[str, ...]:
    """The lines, and what to do when they fail, so that the application's statement does not."""
    return ("BEGIN", *indent(lines), _ANY_ERROR, *indent(otherwise), "END;")


def note(rollout: str, table: Name, key: Sequence[str], kind: str) -> str:
    """Count a write that is worth telling, with its row; the application needs no rights for it."""
    pairs = ", ".join(f"{quote_literal(name)}, NEW.{quote_identifier(name)}" for name in key)
    arguments = (
        quote_literal(rollout),
        quote_literal(str(table)),
        quote_literal(kind),
        f"pg_catalog.jsonb_build_object({pairs})::text",
    )
    return f"PERFORM {LEDGER_SCHEMA}.note_sync({', '.join(arguments)});"


def indent(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines, one level deeper."""
    return tuple("    " + line for line in lines)
