"""The triggers that carry every write of one table over to another one.

They fire AFTER the write, before all other AFTER triggers: one of those may write to the same row again, and
what is carried over last must be what was written last. Row triggers fire in the order of their names.

A write that meets a row which the backfill copied after the transaction's snapshot must not go unnoticed: ON
CONFLICT then fails with a serialization failure, under REPEATABLE READ and SERIALIZABLE alone, as such a
transaction has to expect. https://www.postgresql.org/docs/current/transaction-iso.html
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migsafe.plan.sync.pair import LEDGER_SCHEMA, bounded
from migsafe.sql.names import Name, quote_identifier, quote_literal

_PREFIX = "00_migsafe"  # before every letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The rows of `source` are kept in `target` too; `columns` have the same names in both.

    `key` says in the target which row is meant: a unique index there is on exactly these columns, and none of
    them is NULL. With `lenient`, a row that the target refuses is noted and left out.
    """

    rollout: str
    tag: str
    source: Name
    target: Name
    columns: tuple[str, ...]
    key: tuple[str, ...]
    lenient: bool = False

    @property
    def triggers(self) -> tuple[str, str]:
        """The names of the row trigger and of the one of TRUNCATE."""
        return (f"{_PREFIX}_{self.tag}_row", f"{_PREFIX}_{self.tag}_truncate")


def fires_before(trigger: str) -> bool:
    """Whether a trigger of this name fires before those of a mirror."""
    return trigger < _PREFIX


def function_of(mirror: Mirror, base: str) -> Name:
    """The trigger function: one for both directions, of which there is one at a time."""
    return Name(bounded("mirror", base, mirror.tag), LEDGER_SCHEMA)


def start_mirror(mirror: Mirror, function: Name) -> tuple[str, ...]:
    """The function, as it is for this direction, and its triggers on the source."""
    row, truncate = (quote_identifier(name) for name in mirror.triggers)
    call = f"EXECUTE FUNCTION {function.sql}()"
    return (
        _function(mirror, function),
        f"CREATE TRIGGER {row} AFTER INSERT OR UPDATE OR DELETE ON {mirror.source.sql}\n"
        f"    FOR EACH ROW {call}",
        f"CREATE TRIGGER {truncate} AFTER TRUNCATE ON {mirror.source.sql}\n    FOR EACH STATEMENT {call}",
    )


def stop_mirror(mirror: Mirror) -> tuple[str, ...]:
    """Takes the triggers away; the function stays."""
    return tuple(
        f"DROP TRIGGER IF EXISTS {quote_identifier(name)} ON {mirror.source.sql}" for name in mirror.triggers
    )


def drop_function(function: Name) -> str:
    """Takes the function away."""
    return f"DROP FUNCTION IF EXISTS {function.sql}()"


def _function(mirror: Mirror, function: Name) -> str:
    """Who writes needs no rights on the target; names are found whatever the writer's search path is."""
    path = ", ".join(
        dict.fromkeys(quote_identifier(each) for each in ("pg_catalog", mirror.source.schema or "public"))
    )
    body = "\n".join(("BEGIN", *_indent(_body(mirror)), "END"))
    return (
        f"CREATE OR REPLACE FUNCTION {function.sql}() RETURNS trigger\n"
        f"LANGUAGE plpgsql SECURITY DEFINER SET search_path = {path}, pg_temp AS $migsafe$\n{body}\n$migsafe$"
    )


def _body(mirror: Mirror) -> Iterator[str]:
    target = mirror.target.sql
    yield "IF TG_OP = 'TRUNCATE' THEN"
    yield f"    TRUNCATE {target};"
    yield "    RETURN NULL;"
    yield "END IF;"
    old, new = (_row(record, mirror.key) for record in ("OLD", "NEW"))
    yield f"IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND {old} IS DISTINCT FROM {new}) THEN"
    yield from _indent(_gone(mirror))
    yield "END IF;"
    yield "IF TG_OP <> 'DELETE' THEN"
    put = _put(mirror)
    if mirror.lenient:
        note = _note(mirror)
        put = (
            "BEGIN",
            *_indent(put),
            "EXCEPTION WHEN integrity_constraint_violation THEN",
            f"    {note}",
            "END;",
        )
    yield from _indent(put)
    yield "END IF;"
    yield "RETURN NULL;"


def _gone(mirror: Mirror) -> Iterator[str]:
    columns, values = _names(mirror.columns), ", ".join(f"OLD.{quote_identifier(c)}" for c in mirror.columns)
    delete = f"DELETE FROM {mirror.target.sql} AS migsafe_row WHERE {_same(mirror.key)};"
    yield delete
    yield "IF NOT FOUND AND current_setting('transaction_isolation') <> 'read committed' THEN"
    yield "    -- Not copied yet, or copied after this transaction's snapshot: then this fails."
    yield f"    INSERT INTO {mirror.target.sql} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})"
    yield f"    ON CONFLICT ({_names(mirror.key)}) DO NOTHING;"
    yield f"    {delete}"
    yield "END IF;"


def _put(mirror: Mirror) -> tuple[str, ...]:
    columns, values = _names(mirror.columns), ", ".join(f"NEW.{quote_identifier(c)}" for c in mirror.columns)
    rest = [quote_identifier(c) for c in mirror.columns if c not in mirror.key]
    changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in rest)
    return (
        f"INSERT INTO {mirror.target.sql} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})",
        f"ON CONFLICT ({_names(mirror.key)}) DO {f'UPDATE SET {changes}' if changes else 'NOTHING'};",
    )


def _same(key: Sequence[str]) -> str:
    quoted = [quote_identifier(column) for column in key]
    return " AND ".join(f"migsafe_row.{column} = OLD.{column}" for column in quoted)


def _row(record: str, columns: Sequence[str]) -> str:
    return f"ROW({', '.join(f'{record}.{quote_identifier(column)}' for column in columns)})"


def _names(columns: Sequence[str]) -> str:
    return ", ".join(quote_identifier(column) for column in columns)


def _note(mirror: Mirror) -> str:
    pairs = ", ".join(f"{quote_literal(name)}, NEW.{quote_identifier(name)}" for name in mirror.key)
    arguments = (
        quote_literal(mirror.rollout),
        quote_literal(str(mirror.source)),
        quote_literal("unrepresentable"),
        f"pg_catalog.jsonb_build_object({pairs})::text",
    )
    return f"PERFORM {LEDGER_SCHEMA}.note_sync({', '.join(arguments)});"


def _indent(lines: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    return tuple(f"    {line}" for line in lines)
