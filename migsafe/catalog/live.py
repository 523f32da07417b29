"""The catalog of a live server, read without changing anything."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, LiteralString, TypeVar, cast

from psycopg.rows import dict_row

from migsafe.catalog.model import Catalog, Column, Constraint, Dependent, Index, Table, Trigger
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind, Generated, TypeName
from migsafe.sql.types import parse_type

if TYPE_CHECKING:
    import psycopg

Row = Mapping[str, Any]
Item = TypeVar("Item")

_KINDS = {
    "c": ConstraintKind.CHECK,
    "f": ConstraintKind.FOREIGN_KEY,
    "p": ConstraintKind.PRIMARY_KEY,
    "u": ConstraintKind.UNIQUE,
    "x": ConstraintKind.EXCLUDE,
}


def read_catalog(connection: "psycopg.Connection[Any]") -> Catalog:
    """All user tables of the connected database, in one read-only snapshot.

    The connection must not be in a transaction. `row_estimate` is reltuples (None before the first
    ANALYZE), `size_bytes` includes TOAST but no indexes.

    https://www.postgresql.org/docs/current/catalogs.html
    """
    queries = _queries()
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL search_path = pg_catalog")  # so that every type and table is qualified
        tables = cursor.execute(queries.pop("tables")).fetchall()
        parameters = {"oids": [row["oid"] for row in tables]}
        parts = {name: cursor.execute(query, parameters).fetchall() for name, query in queries.items()}
    grouped = {name: _by_table(rows) for name, rows in parts.items()}
    found = (_table(row, {name: rows[row["oid"]] for name, rows in grouped.items()}) for row in tables)
    return Catalog(
        tables={table.name: table for table in found},
        complete=True,
        server_version=connection.info.server_version,
    )


def _queries() -> dict[str, LiteralString]:
    text = (files("migsafe.catalog") / "live.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return {name: cast("LiteralString", sql) for name, sql in zip(blocks[::2], blocks[1::2], strict=True)}


def _by_table(rows: Sequence[Row]) -> Mapping[int, list[Row]]:
    grouped: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        grouped[row["oid"]].append(row)
    return grouped


def _table(row: Row, parts: Mapping[str, Sequence[Row]]) -> Table:
    def each(name: str, build: Callable[[Row], Item]) -> tuple[Item, ...]:
        return tuple(build(part) for part in parts[name])

    return Table(
        name=Name(row["name"], row["schema"]),
        columns=each("columns", _column),
        constraints=each("constraints", _constraint),
        indexes=each("indexes", _index),
        triggers=each("triggers", _trigger),
        dependents=each("dependents", lambda d: Dependent(column=d["column"], description=d["description"])),
        referenced_by=each("references", lambda r: Name(r["name"], r["schema"])),
        temporary=row["temporary"],
        partitioned=row["partitioned"],
        partition_of=Name(row["parent_name"], row["parent_schema"]) if row["parent_name"] else None,
        row_estimate=row["row_estimate"],
        size_bytes=row["size_bytes"],
    )


def _column(row: Row) -> Column:
    generated = {"s": Generated.STORED, "v": Generated.VIRTUAL}.get(row["generated"])
    return Column(
        name=row["name"],
        type=parse_type(row["type"]) or TypeName(name=row["type"]),
        not_null=row["not_null"],
        default=None if generated else row["expression"],
        generated=Generated.IDENTITY if row["identity"] else generated,
        is_serial=row["owns_sequence"] and not row["identity"],
        collation=row["collation"],
    )


def _constraint(row: Row) -> Constraint:
    referenced = row["referenced_name"]
    return Constraint(
        name=row["name"],
        kind=_KINDS[row["kind"]],
        columns=tuple(row["columns"]),
        definition=row["definition"],
        validated=row["validated"],
        references=Name(referenced, row["referenced_schema"]) if referenced else None,
        referenced_columns=tuple(row["referenced_columns"]),
        index=row["index"],
    )


def _index(row: Row) -> Index:
    return Index(
        name=row["name"],
        columns=tuple(row["columns"]),
        unique=row["is_unique"],
        valid=row["valid"],
        definition=row["definition"],
    )


def _trigger(row: Row) -> Trigger:
    return Trigger(name=row["name"], before_row=row["before_row"], definition=row["definition"])
