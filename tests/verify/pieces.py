"""What generated schemas and statements are made of, and questions to a catalog about what would fit."""

from collections.abc import Iterable
from random import Random
from typing import TypeVar

from migsafe.catalog.model import TEMPORARY_SCHEMA, Catalog, Column, Constraint, Table
from migsafe.effects.refusals import partition_columns
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind

Item = TypeVar("Item")

# Types among which a value may be stored without USING, by family.
FAMILIES = {
    "number": (
        *("integer", "bigint", "smallint", "numeric", "numeric(10,2)", "numeric(12,2)", "numeric(14,4)"),
        *("real", "double precision", "checked", "tight"),
    ),
    "string": (
        *("text", "character varying(20)", "character varying(50)", "character varying", "character(5)"),
        *("character(10)", "plain", "label", 'text COLLATE "C"'),
    ),
    "time": (
        *("timestamp without time zone", "timestamp(3) without time zone", "timestamp with time zone"),
        *("timestamp(0) with time zone", "date"),
    ),
    "clock": ("time without time zone", "time(3) without time zone", "time with time zone"),
    "span": ("interval", "interval(3)", "interval day to second", "interval year to month"),
    "bits": ("bit varying(8)", "bit varying(16)", "bit varying", "bit(8)"),
    "net": ("inet", "cidr"),
    "json": ("jsonb", "json"),
    "enum": ("mood",),
    "row": ("pair",),
    "truth": ("boolean",),
    "id": ("uuid",),
    "bytes": ("bytea",),
    "range": ("int4range",),
    "numbers": ("integer[]", "bigint[]", "numeric(10,2)[]", "checked[]"),
    "strings": ("text[]", "character varying(20)[]", "plain[]"),
    "moods": ("mood[]",),
}
TYPES = tuple(type_ for family in FAMILIES.values() for type_ in family)
FAMILY_OF = {
    type_.split("(")[0].split(" COLLATE")[0]: name for name, all_ in FAMILIES.items() for type_ in all_
}
FAMILY_OF |= {"timestamp": "time", "time": "clock", "interval": "span"}
NO_EQUAL = frozenset({"json"})
VALUES = {
    "number": ("1", "length('abc')", "(random() * 9)::int", "twice(2)", "nextval('counter')", "NULL"),
    "string": ("'x'", "current_user", "random_text()", "gen_random_uuid()::text", "lower('X')", "NULL"),
    "time": ("now()", "clock_timestamp()", "'2024-01-01'", "'now'", "CURRENT_DATE"),
    "id": ("gen_random_uuid()", "'00000000-0000-0000-0000-000000000000'"),
    "json": ("'{}'", "'[]'"),
    "enum": ("'sad'", "'happy'::mood"),
    "truth": ("true", "random() > 0.5"),
    "net": ("'10.0.0.1'", "inet_client_addr()"),
    "numbers": ("'{}'", "ARRAY[1, 2]"),
    "strings": ("'{}'", "ARRAY[random_text()]"),
    "span": ("'1 day'",),
}
PRELUDE = (
    "CREATE SCHEMA other",
    "CREATE SEQUENCE counter",
    "CREATE DOMAIN plain AS text",
    "CREATE DOMAIN label AS character varying(20)",
    "CREATE DOMAIN checked AS int CHECK (value > 0)",
    "CREATE DOMAIN tight AS checked",
    "CREATE TYPE mood AS ENUM ('sad', 'happy')",
    "CREATE TYPE pair AS (x int, y text)",
    "CREATE FUNCTION random_text() RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN random(); END $$",
    "CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT a * 2 $$",
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "CREATE TABLE spare (id int, k int)",
)


def family_of(column: Column) -> str:
    """The family of a column's type; `other` when it has none."""
    if column.type.array_dimensions:
        base = FAMILY_OF.get(column.type.name, "")
        return {"number": "numbers", "string": "strings", "enum": "moods"}.get(base, "other")
    return FAMILY_OF.get(column.type.name.split("(")[0], "other")


def sql(name: Name) -> str:
    """A name as a script would have it: without the schema where that is the usual one."""
    return name.name if name.schema in {"public", TEMPORARY_SCHEMA, None} else f"{name.schema}.{name.name}"


def keys(table: Table) -> tuple[Constraint, ...]:
    """What a foreign key can refer to."""
    kinds = {ConstraintKind.PRIMARY_KEY, ConstraintKind.UNIQUE}
    return tuple(each for each in table.constraints if each.kind in kinds)


def in_partition_key(catalog: Catalog, table: Table) -> frozenset[str]:
    """The columns that cannot change because partitions are made by them."""
    above = catalog.table(table.partition_of) if table.partition_of else None
    here = partition_columns(table) or frozenset()
    return here | in_partition_key(catalog, above) if above else here


def sortable(table: Table) -> list[Column]:
    """The columns that a btree index takes."""
    return [c for c in table.columns if c.type.name not in NO_EQUAL and c.generated != "virtual"]


def some(random: Random, items: Iterable[Item]) -> Item | None:
    """One of them; None when there is none."""
    found = list(items)
    return random.choice(found) if found else None


def maybe(random: Random, text: str, chance: float = 0.5) -> str:
    """The text, or nothing."""
    return text if random.random() < chance else ""
