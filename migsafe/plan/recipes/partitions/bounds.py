"""What a partition's bounds say about its rows, as a condition.

ATTACH PARTITION scans nothing when validated CHECK constraints prove the condition, so it is built as
PostgreSQL builds it (src/backend/partitioning/partbounds.c).
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ATTACH-PARTITION
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from migsafe.catalog.model import Catalog, Table
from migsafe.errors import PlanError
from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.names import quote_identifier, quote_literal

_NAMES = (TokenKind.WORD, TokenKind.QUOTED)
_INFINITE = frozenset({"MINVALUE", "MAXVALUE"})
_OF_THE_MOMENT = frozenset(
    {"current_date", "current_timestamp", "localtimestamp", "current_time", "localtime"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPart:
    """One part of a partition key: SQL, and the column that it is, unless it is an expression.

    `bare` is the SQL without a collation, which has no part in whether it is NULL.
    """

    sql: str
    bare: str
    column: str | None = None
    cast: str = ""  # of a bound's value


def fits(parent: Table, bound: str, catalog: Catalog) -> str:
    """True exactly for the rows that a partition of `parent` with this bound may hold; false, never NULL.

    Raises:
        PlanError: The key or the bound is not written in a way that can be taken apart.
    """
    parts = [*_above(parent, catalog)]
    condition = _default(parent, catalog) if bound == "DEFAULT" else _bounded(parent, bound)
    parts += [condition] if condition else []
    return " AND ".join(parts) or "true"


def key_columns(parent: Table, catalog: Catalog) -> tuple[str, ...]:
    """The columns that `fits` names, each once; an empty name stands for those of an expression."""
    found = [part.column or "" for part in key_of(parent)[1]]
    above = catalog.table(parent.partition_of) if parent.partition_of else None
    return tuple(dict.fromkeys((*found, *(key_columns(above, catalog) if above else ()))))


def key_of(parent: Table) -> tuple[str, tuple[KeyPart, ...]]:
    """The strategy (range, list, hash) and the parts of a partition key.

    Raises:
        PlanError: It cannot be taken apart.
    """
    try:
        cursor = _cursor(parent.partition_key or "")
        strategy = cursor.one_of("range", "list", "hash")
        return strategy, tuple(_key_part(parent, part) for part in _listed(cursor))
    except (Unreadable, Unlexable):
        raise _unknown(parent) from None


def _unknown(parent: Table) -> PlanError:
    return PlanError(
        f"the partition key of {parent.name} is not known, or cannot be taken apart: {parent.partition_key}",
        advice="Give the live database with --database. A key with an operator class of its own has no "
        "recipe.",
    )


def _cursor(text: str) -> Cursor:
    return Cursor(text, lex(text))


def _listed(cursor: Cursor) -> Iterator[Cursor]:
    """What stands between the brackets that come next, at their commas."""
    inside = cursor.inside()
    while not inside.done:
        yield inside.before(",")
        inside.take(",")


def _key_part(parent: Table, part: Cursor) -> KeyPart:
    text = part.source()
    if part.kind() not in _NAMES or part.word(1) == "(":
        return KeyPart(sql=f"({text})", bare=f"({text})")
    name = part.identifier()
    column = parent.column(name)
    if column is None:
        raise Unreadable(name)
    if not part.done and part.word() != "collate":
        raise Unreadable("an operator class")
    return KeyPart(sql=text, bare=quote_identifier(name), column=name, cast=f"::{column.type}")


def _above(parent: Table, catalog: Catalog) -> Iterator[str]:
    """What the parent demands of its own rows, being a partition itself."""
    above = catalog.table(parent.partition_of) if parent.partition_of else None
    if above is not None and parent.partition_bound:
        yield fits(above, parent.partition_bound, catalog)


def _bounded(parent: Table, bound: str) -> str:
    strategy, key = key_of(parent)
    try:
        cursor = _cursor(bound)
        cursor.expect("for", "values")
        if strategy == "hash":
            return _hash(parent, key, cursor)
        nulls, condition = _list(key, cursor) if strategy == "list" else _range(key, cursor)
    except (Unreadable, Unlexable):
        raise PlanError(
            f"the bound of a partition of {parent.name} cannot be taken apart: {bound}",
            advice="Write its values as constants.",
        ) from None
    return " AND ".join((*nulls, condition)) if nulls and condition else (condition or " AND ".join(nulls))


def _hash(parent: Table, key: Sequence[KeyPart], cursor: Cursor) -> str:
    cursor.expect("with")
    modulus, remainder = (part.source().split()[-1] for part in _listed(cursor))
    columns = ", ".join(part.sql for part in key)
    regclass = f"{quote_literal(parent.name.sql)}::regclass"
    return f"satisfies_hash_partition({regclass}, {modulus}, {remainder}, {columns})"


def _list(key: Sequence[KeyPart], cursor: Cursor) -> tuple[tuple[str, ...], str]:
    (part,) = key
    cursor.expect("in")
    values = [_value(part, each) for each in _listed(cursor)]
    given = [value for value in values if value != "NULL"]
    equal = f"{part.sql} = {given[0]}" if len(given) == 1 else f"{part.sql} IN ({', '.join(given)})"
    if len(given) == len(values):
        return (f"{part.bare} IS NOT NULL",), equal
    return (), f"({part.bare} IS NULL OR {equal})" if given else f"{part.bare} IS NULL"


def _range(key: Sequence[KeyPart], cursor: Cursor) -> tuple[tuple[str, ...], str]:
    cursor.expect("from")
    lower = [_value(part, each) for part, each in zip(key, _listed(cursor), strict=True)]
    cursor.expect("to")
    upper = [_value(part, each) for part, each in zip(key, _listed(cursor), strict=True)]
    same = 0
    while same < len(key) - 1 and lower[same] == upper[same] and lower[same] not in _INFINITE:
        same += 1
    parts = [f"{part.sql} = {value}" for part, value in zip(key[:same], lower, strict=False)]
    for values, signs in ((lower, (">", ">=", "MINVALUE")), (upper, ("<", "<=", "MAXVALUE"))):
        arms = [*_arms(key, values, same, signs)]
        parts += [arms[0] if len(arms) == 1 else f"({' OR '.join(arms)})"] if arms else []
    return tuple(f"{part.bare} IS NOT NULL" for part in key), " AND ".join(parts)


def _arms(
    key: Sequence[KeyPart], values: Sequence[str], same: int, signs: tuple[str, str, str]
) -> Iterator[str]:
    """One side of a range, by as many columns as it takes to decide."""
    beyond, or_equal, endless = signs
    for last in range(same, len(key)):
        if values[last] in _INFINITE:
            return
        following = values[last + 1] if last + 1 < len(key) else endless
        final = following in _INFINITE
        inclusive = following == endless and (last + 1 < len(key) or beyond == ">")
        sign = or_equal if inclusive else beyond
        equal = [f"{key[at].sql} = {values[at]}" for at in range(same, last)]
        arm = " AND ".join((*equal, f"{key[last].sql} {sign} {values[last]}"))
        yield f"({arm})" if equal else arm
        if final:
            return


def _value(part: KeyPart, written: Cursor) -> str:
    text = written.source()
    if text.upper() in {"NULL", "MINVALUE", "MAXVALUE"}:
        return text.upper()
    if "(" in written.words[written.at : written.end] or text.lower() in _OF_THE_MOMENT:
        raise Unreadable("no constant")
    return f"({text}){part.cast}"


def _default(parent: Table, catalog: Catalog) -> str:
    """A default partition holds what none of the others may hold."""
    strategy, key = key_of(parent)
    others = [
        child for child in catalog.children(parent.name) if child.partition_bound not in {None, "DEFAULT"}
    ]
    if not others:
        return ""
    if strategy == "range":
        nulls = " AND ".join(f"{part.bare} IS NOT NULL" for part in key)
        ranges: list[str] = []
        for child in others:
            cursor = _cursor(child.partition_bound or "")
            cursor.expect("for", "values")
            ranges.append(_range(key, cursor)[1] or "true")
        return f"NOT ({nulls} AND ({' OR '.join(f'({each})' for each in ranges)}))"
    return " AND ".join(f"NOT ({_bounded(parent, child.partition_bound or '')})" for child in others)
