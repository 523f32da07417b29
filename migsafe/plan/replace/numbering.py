"""The default of a column that makes way, the sequence it owns, and its identity.

An identity's sequence cannot change hands, so the new column gets one of its own, which takes over the name,
the privileges and the last value in the transaction of the exchange.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-GENERATED-IDENTITY
"""

from migsafe.catalog.model import Sequence
from migsafe.errors import PlanError
from migsafe.plan.conversion.conversions import INTEGERS
from migsafe.plan.replace.exchange import Exchange
from migsafe.plan.replace.replacement import Replacement
from migsafe.sql.names import Name, quote_identifier, quote_literal
from migsafe.sql.operations import Generated


def numbering(change: Replacement) -> Exchange:
    """What happens to the default, the owned sequences and the identity.

    Raises:
        PlanError: How the identity counts is not known.
    """
    if change.old.generated is Generated.IDENTITY:
        return _identity(change)
    default, drop = change.old.default, "DROP DEFAULT"
    then = change.around.default or default
    return Exchange(
        before=(_column(change, change.old.name, drop),) if default else (),
        after=(*_take(change, change.final, then), *_owned(change, there=True)),
        undo_before=(_column(change, change.final, drop),) if then else (),
        undo_after=(*_take(change, change.old.name, default), *_owned(change, there=False)),
    )


def _take(change: Replacement, column: str, default: str | None) -> tuple[str, ...]:
    return (_column(change, column, f"SET DEFAULT {default}"),) if default else ()


def widened(change: Replacement) -> tuple[Name, ...]:
    """The sequences that go on counting in a wider type, which the migration's own statement would not do."""
    return tuple(name for name in change.old.sequences if _wider(change, name) and not _is_identity(change))


def _is_identity(change: Replacement) -> bool:
    return change.old.generated is Generated.IDENTITY


def _wider(change: Replacement, name: Name) -> Sequence | None:
    found = change.catalog.sequences.get(name)
    new = change.sync.new.type.name
    if found is None or found.type.name not in INTEGERS or new not in INTEGERS:
        return None
    return found if INTEGERS[found.type.name][1] < INTEGERS[new][1] else None


def _owned(change: Replacement, *, there: bool) -> tuple[str, ...]:
    column = quote_identifier(change.final if there else change.old.name)
    statements: list[str] = []
    for name in change.old.sequences:
        statements.append(f"ALTER SEQUENCE {name.sql} OWNED BY {change.name.sql}.{column}")
        narrow = _wider(change, name)
        if narrow is not None:
            kind = change.sync.new.type if there else narrow.type
            statements.append(f"ALTER SEQUENCE {name.sql} AS {kind}")
    return tuple(statements)


def _identity(change: Replacement) -> Exchange:
    if not change.old.sequences or change.old.extras is None:
        raise _unknown(change)
    name = change.old.sequences[0]
    found = change.catalog.sequences.get(name)
    if found is None or found.counting is None:
        raise _unknown(change)
    return Exchange(
        after=_handed_over(change, found, to=change.final, of=change.tombstone),
        undo_after=_handed_over(change, found, to=change.old.name, of=change.working),
    )


def _unknown(change: Replacement) -> PlanError:
    return PlanError(
        f"how the identity {change.old.name} of {change.name} counts is not known",
        advice="Give the live database with --database, so that nothing about it is guessed.",
    )


def _handed_over(change: Replacement, found: Sequence, *, to: str, of: str) -> tuple[str, ...]:
    name, grave = found.name, change.grave(found.name.name)
    buried = Name(grave, name.schema)
    always = "ALWAYS" if change.old.extras and change.old.extras.identity_always else "BY DEFAULT"
    counts = _counts(found)
    grants = found.counting.grants if found.counting else ()
    return (
        f"ALTER SEQUENCE {name.sql} RENAME TO {quote_identifier(grave)}",
        _column(
            change, to, f"ADD GENERATED {always} AS IDENTITY (SEQUENCE NAME {name.sql} {' '.join(counts)})"
        ),
        f"SELECT pg_catalog.setval({quote_literal(name.sql)}, last_value, is_called) FROM {buried.sql}",
        _column(change, of, "DROP IDENTITY"),
        *(_grant(name, each) for each in grants),
    )


def _counts(found: Sequence) -> tuple[str, ...]:
    """The options; a bound that is that of the type is left to the new type."""
    counting = found.counting
    if counting is None:
        return ()
    low, high = INTEGERS.get(found.type.name, (0, 0))
    rises = counting.increment > 0
    least, most = (1, high) if rises else (low, -1)
    return (
        f"START WITH {counting.start} INCREMENT BY {counting.increment}",
        *((f"MINVALUE {counting.least}",) if counting.least != least else ()),
        *((f"MAXVALUE {counting.most}",) if counting.most != most else ()),
        f"CACHE {counting.cache}",
        *(("CYCLE",) if counting.cycles else ()),
    )


def _grant(sequence: Name, grant: str) -> str:
    privilege, _, whom = grant.partition(" TO ")
    return f"GRANT {privilege} ON SEQUENCE {sequence.sql} TO {whom}"


def _column(change: Replacement, column: str, action: str) -> str:
    return f"ALTER TABLE {change.name.sql} ALTER COLUMN {quote_identifier(column)} {action}"
