"""Data types by PostgreSQL's own names: int4 is `integer`.

https://www.postgresql.org/docs/current/datatype.html
"""

from migsafe.sql.cursor import Cursor, Unreadable
from migsafe.sql.keywords import FUNCTION_OR_TYPE
from migsafe.sql.lex import TokenKind, Unlexable, lex
from migsafe.sql.names import Name
from migsafe.sql.operations import TypeName

_ALIASES = {
    "bool": "boolean",
    "dec": "numeric",
    "decimal": "numeric",
    "float4": "real",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "time": "time without time zone",
    "varbit": "bit varying",
    "varchar": "character varying",
    "char": "character",
    "nchar": "character",
}
# Aliases of the grammar alone: in quotes, or with a schema, these name something else or nothing.
_WORDS_ONLY = frozenset({"int", "dec", "decimal", "char", "nchar"})
_SERIAL = {
    "bigserial": "bigint",
    "serial": "integer",
    "serial2": "smallint",
    "serial4": "integer",
    "serial8": "bigint",
    "smallserial": "smallint",
}
# Types that every server has and that are no domains.
_BUILT_IN = frozenset(_ALIASES.values()) | {
    *('"char"', "bigint", "bit", "box", "bpchar", "bytea", "cidr", "circle", "date", "inet", "integer"),
    *("json", "jsonb", "jsonpath", "line", "lseg", "macaddr", "macaddr8", "money", "name", "numeric"),
    *("oid", "path", "pg_lsn", "point", "polygon", "real", "smallint", "text", "tid", "tsquery"),
    *("tsvector", "txid_snapshot", "pg_snapshot", "uuid", "xid", "xid8", "xml", "regclass", "regtype"),
    *("regproc", "regprocedure", "regrole", "regnamespace", "regoper", "regoperator", "regconfig"),
    *("regdictionary", "regcollation", "int4range", "int8range", "numrange", "tsrange", "tstzrange"),
    *("daterange", "int4multirange", "int8multirange", "nummultirange", "tsmultirange"),
    *("tstzmultirange", "datemultirange", "refcursor", "int2vector", "oidvector"),
}
_ONE_BY_DEFAULT = frozenset({"character", "bit"})
_INTERVAL_FIELDS = frozenset({"year", "month", "day", "hour", "minute", "second"})


def type_name(cursor: Cursor) -> TypeName:
    """The type that stands here. A serial type is given as written: `serial_base` knows what it is."""
    cursor.take("setof")
    token = cursor.peek()
    if token is None or token.kind not in {TokenKind.WORD, TokenKind.QUOTED}:
        raise cursor.unexpected("a type")
    quoted = token.kind is TokenKind.QUOTED
    if not quoted and cursor.word(1) != "." and (built_in := _several_words(cursor)):
        return built_in
    name = _qualified(cursor) if cursor.word(1) == "." else None
    schema = name.schema if name else None
    base = name.name if name else _type_word(cursor)
    if schema == "pg_catalog":
        schema = None
        quoted = True
    if schema is None and not (quoted and base in _WORDS_ONLY):
        base = _ALIASES.get(base, base)
    elif schema is None and base == "char":
        base = '"char"'
    modifiers = _modifiers(cursor)
    base, modifiers = _normal(base, modifiers) if schema is None else (base, modifiers)
    return TypeName(name=base, schema=schema, modifiers=modifiers, array_dimensions=_dimensions(cursor))


def serial_base(written: TypeName) -> TypeName | None:
    """The integer type behind a serial type, or None for every other type."""
    base = _SERIAL.get(written.name) if written.schema is None and not written.modifiers else None
    return TypeName(name=base) if base else None


def is_built_in(written: TypeName) -> bool:
    """Whether every server has this type, so that it is neither a domain nor made by somebody."""
    return written.schema is None and (written.name in _BUILT_IN or written.name.startswith("interval"))


def _qualified(cursor: Cursor) -> Name:
    """A type with its schema, whose name the words for functions and types may begin."""
    start = cursor.at
    parts = [_type_word(cursor)]
    while cursor.take("."):
        parts.append(cursor.identifier("a type", label=True))
    if len(parts) > 3:
        cursor.at = start
        raise Unreadable(f"{'.'.join(parts)} has too many parts for a name")
    return Name(parts[-1], parts[-2])


def _type_word(cursor: Cursor) -> str:
    # `binary`, `left` and their like may name types; the words kept for all else may not.
    if cursor.word() in FUNCTION_OR_TYPE:
        return cursor.next().value
    return cursor.identifier("a type")


def _several_words(cursor: Cursor) -> TypeName | None:
    """A type whose name has, or may have, several words; None when no such type stands here."""
    if cursor.take("double", "precision"):
        return _finish(cursor, "double precision", ())
    if cursor.take("national"):
        cursor.one_of("character", "char")
        return _characters(cursor)
    if cursor.take_any("character", "char", "nchar"):
        return _characters(cursor)
    if cursor.take("bit"):
        name = "bit varying" if cursor.take("varying") else "bit"
        return _finish(cursor, name, _modifiers(cursor))
    if (word := cursor.word()) in {"timestamp", "time"}:
        cursor.next()
        modifiers = _modifiers(cursor)
        zone = "with" if cursor.take("with", "time", "zone") else "without"
        if zone == "without":
            cursor.take("without", "time", "zone")
        return _finish(cursor, f"{word} {zone} time zone", modifiers)
    if cursor.take("interval"):
        return _interval(cursor)
    return None


def _characters(cursor: Cursor) -> TypeName:
    name = "character varying" if cursor.take("varying") else "character"
    return _finish(cursor, name, _modifiers(cursor))


def _interval(cursor: Cursor) -> TypeName:
    words = ["interval"]
    if cursor.word() in _INTERVAL_FIELDS:
        words.append(cursor.next().value)
        if cursor.take("to"):
            words += ["to", cursor.identifier("a field of interval")]
    return _finish(cursor, " ".join(words), _modifiers(cursor))


def _finish(cursor: Cursor, name: str, modifiers: tuple[str, ...]) -> TypeName:
    name, modifiers = _normal(name, modifiers)
    return TypeName(name=name, modifiers=modifiers, array_dimensions=_dimensions(cursor))


def _normal(name: str, modifiers: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The name and modifiers as PostgreSQL keeps them."""
    if name in _ONE_BY_DEFAULT and not modifiers:
        return name, ("1",)
    if name == "bpchar" and modifiers:
        return "character", modifiers
    if name == "numeric" and len(modifiers) == 1:
        return name, (*modifiers, "0")
    if name == "float":
        if not modifiers:
            return "double precision", ()
        if modifiers[0].isdigit() and 1 <= int(modifiers[0]) <= 53:
            return ("real" if int(modifiers[0]) <= 24 else "double precision"), ()
        raise Unreadable("the precision of float must be from 1 to 53")
    return name, modifiers


def _modifiers(cursor: Cursor) -> tuple[str, ...]:
    if cursor.word() != "(":
        return ()
    inside = cursor.inside()
    found = inside.listed(lambda here: here.until(lambda at: at.word() == ",").source().strip())
    inside.expect_end()
    if not all(found):
        raise Unreadable("expected a type's modifier between brackets")
    return found


def _dimensions(cursor: Cursor) -> int:
    if cursor.take("array"):
        if cursor.take("["):
            cursor.next()
            cursor.expect("]")
        return 1
    count = 0
    while cursor.take("["):
        if not cursor.take("]"):
            cursor.next()
            cursor.expect("]")
        count += 1
    return count


def parse_type(text: str) -> TypeName | None:
    """The type in a text of its own, such as format_type() gives; None when it is none."""
    try:
        cursor = Cursor(text, lex(text))
        parsed = type_name(cursor)
        cursor.expect_end()
    except (Unreadable, Unlexable):
        return None
    return parsed
