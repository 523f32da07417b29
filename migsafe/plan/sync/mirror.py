"""The triggers that carry every write of one table over to another one.

They fire AFTER the write, before all other AFTER triggers: one of those may write to the same row again, and
what is carried over last must be what was written last. Row triggers fire in the order of their names.

A write that meets a row which the backfill copied after the transaction's snapshot must not go unnoticed: ON
CONFLICT then fails with a serialization failure, under REPEATABLE READ and SERIALIZABLE alone, as such a
transaction has to expect. https://www.postgresql.org/docs/current/transaction-iso.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from migsafe.plan.conversion.conversions import fill
from migsafe.plan.sync.pair import LEDGER_SCHEMA, bounded
from migsafe.sql.names import Name, quote_identifier, quote_literal

_PREFIX = "00_migsafe"  # before every letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """The rows of `source` are kept in `target` too; `columns` have the same names in both.

    `key` says in the target which row is meant: a unique index there is on exactly these columns, and none of
    them is NULL. With `lenient`, a row that the target refuses is noted and left out. `values` are templates
    of the columns that are converted; a value that does not satisfy its template in `fits` is noted.
    """

    rollout: str
    tag: str
    source: Name
    target: Name
    columns: tuple[str, ...]
    key: tuple[str, ...]
    lenient: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    fits: Mapping[str, str] = field(default_factory=dict)

    def value(self, column: str, row: str) -> str:
        """What the target gets for a column of this row of the source."""
        return fill(self.values.get(column, "{value}"), f"{row}.{quote_identifier(column)}")

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
    yield "IF TG_OP = 'DELETE' THEN"
    yield from _indent(_found(mirror, f"DELETE FROM {target} AS migsafe_row WHERE {_same(mirror.key)};"))
    yield f"ELSIF TG_OP = 'UPDATE' AND {old} IS DISTINCT FROM {new} THEN"
    yield "    -- The same row by another key: foreign keys to it must not take it for one that is gone."
    keys = ", ".join(f"{quote_identifier(key)} = {mirror.value(key, 'NEW')}" for key in mirror.key)
    moved = _found(mirror, f"UPDATE {target} AS migsafe_row SET {keys} WHERE {_same(mirror.key)};")
    gone = f"DELETE FROM {target} AS migsafe_row WHERE {_same(mirror.key)};"
    yield from _indent(_leniently(mirror, tuple(moved), instead=gone))
    yield "END IF;"
    yield "IF TG_OP <> 'DELETE' THEN"
    yield from _indent(_leniently(mirror, _put(mirror)))
    if mirror.fits:
        fits = " AND ".join(fill(fits, f"NEW.{quote_identifier(c)}") for c, fits in mirror.fits.items())
        yield from _indent((f"IF ({fits}) IS FALSE THEN", f"    {_note(mirror)}", "END IF;"))
    yield "END IF;"
    yield "RETURN NULL;"


def _leniently(mirror: Mirror, lines: tuple[str, ...], *, instead: str = "") -> tuple[str, ...]:
    """What the target refuses is no reason for the application's statement to fail; it is noted."""
    if not mirror.lenient:
        return lines
    refused = "integrity_constraint_violation"
    refusals = f"{refused} OR data_exception" if mirror.values else refused
    return (
        "BEGIN",
        *_indent(lines),
        f"EXCEPTION WHEN {refusals} THEN",
        f"    {instead or _note(mirror)}",
        "END;",
    )


def _found(mirror: Mirror, statement: str) -> Iterator[str]:
    """The statement, for the row that has OLD's key in the target."""
    columns, values = _names(mirror.columns), ", ".join(mirror.value(c, "OLD") for c in mirror.columns)
    yield statement
    yield "IF NOT FOUND AND current_setting('transaction_isolation') <> 'read committed' THEN"
    yield "    -- Not copied yet, or copied after this transaction's snapshot: then this fails."
    yield f"    INSERT INTO {mirror.target.sql} ({columns}) OVERRIDING SYSTEM VALUE VALUES ({values})"
    yield f"    ON CONFLICT ({_names(mirror.key)}) DO NOTHING;"
    yield f"    {statement}"
    yield "END IF;"


def _put(mirror: Mirror) -> tuple[str, ...]:
    columns, values = _names(mirror.columns), ", ".join(mirror.value(c, "NEW") for c in mirror.columns)
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
