"""The catalog of a live server, read without changing anything.

Reading pg_catalog is all the privilege it takes. PostgreSQL opens a table to show its expressions and how big
it is, so who holds one is waited for, but never for long.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, LiteralString, cast

from psycopg import errors, pq
from psycopg.rows import dict_row

from migsafe.catalog import live_rows as rows
from migsafe.catalog.model import Catalog, Extension
from migsafe.catalog.session import parse_path
from migsafe.errors import ConnectionFailed
from migsafe.sql.names import Name

if TYPE_CHECKING:
    import psycopg

Row = Mapping[str, Any]

PATIENCE_SECONDS = 5  # for who holds a table
SIZE_PATIENCE_MS = 1000  # then the sizes are those of the last VACUUM or ANALYZE

_IS_USER_SCHEMA = (
    "(n.nspname NOT IN ('pg_catalog', 'information_schema', 'migsafe') "
    "AND (n.nspname !~ '^pg_(toast|temp_)' OR n.oid = pg_catalog.pg_my_temp_schema()))"
)
# Publications of whole schemas came with PostgreSQL 15.
_PUBLISHED_SCHEMA = (
    "EXISTS (SELECT FROM pg_catalog.pg_publication_namespace s "
    "WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace)"
)
_LATER = ("search_path", "sizes", "estimated_sizes")
_FIRST = ("tables", "views", "types")


def read_catalog(connection: "psycopg.Connection[Any]") -> Catalog:
    """The schema of the connected database, in one read-only snapshot.

    In an open transaction it is what that transaction sees, and nothing of it is disturbed. `row_estimate`
    is reltuples (None before the first ANALYZE), `size_bytes` includes TOAST but no indexes.

    Raises:
        ConnectionFailed: Somebody has held a table for longer than anybody should wait. In an open
            transaction that is the transaction's own lock_timeout's to say.

    https://www.postgresql.org/docs/current/catalogs.html
    """
    version = connection.info.server_version
    queries = _queries(version)
    alone = connection.info.transaction_status is pq.TransactionStatus.IDLE
    # Rolled back, so that SET LOCAL ends with it even inside a transaction of somebody else's.
    with (
        _told_who_waits(connection) if alone else nullcontext(),
        connection.transaction(force_rollback=True),
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        if alone:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'")
        path = cursor.execute(queries["search_path"]).fetchone() or {"path": "", "default_path": ""}
        cursor.execute("SET LOCAL search_path = pg_catalog")  # so that every type and table is qualified
        found: dict[str, Sequence[Row]] = {name: cursor.execute(queries[name]).fetchall() for name in _FIRST}
        parameters = {
            "oids": [row["oid"] for row in found["tables"]],
            "views": [row["oid"] for row in found["views"]],
            "composites": [row["oid"] for row in found["types"] if row["kind"] == "c"],
            "stored": [
                row["oid"]
                for row in (*found["tables"], *found["views"])
                if not (row.get("partitioned") or row.get("foreign")) and row.get("materialized", True)
            ],
        }
        for name, query in queries.items():
            if name not in _FIRST + _LATER:
                found[name] = cursor.execute(query, parameters).fetchall()
        found["sizes"] = _sizes(connection, cursor, queries, parameters)
    catalog = _catalog(found, version)
    return replace(
        catalog, search_path=parse_path(path["path"]), default_path=parse_path(path["default_path"])
    )


@contextmanager
def _told_who_waits(connection: "psycopg.Connection[Any]") -> Iterator[None]:
    try:
        yield
    except errors.LockNotAvailable:
        info = connection.info
        raise ConnectionFailed(
            f"{info.dbname} on {info.host}:{info.port}: somebody has held a table for more than "
            f"{PATIENCE_SECONDS} s, so its schema cannot be read",
            advice="Try again when that is over; it may be a migration that is running.",
        ) from None


def _sizes(
    connection: "psycopg.Connection[Any]",
    cursor: "psycopg.Cursor[Any]",
    queries: Mapping[str, LiteralString],
    parameters: Mapping[str, Any],
) -> list[Row]:
    try:
        with connection.transaction():
            cursor.execute(f"SET LOCAL lock_timeout = {SIZE_PATIENCE_MS}")
            return cast("list[Row]", cursor.execute(queries["sizes"], parameters).fetchall())
    except errors.LockNotAvailable:
        return cast("list[Row]", cursor.execute(queries["estimated_sizes"], parameters).fetchall())


def _catalog(found: Mapping[str, Sequence[Row]], version: int) -> Catalog:
    sizes = {row["oid"]: row["size_bytes"] for row in found["sizes"]}
    owners = {row["oid"]: Name(row["name"], row["schema"]) for row in found["tables"]}
    sequences = [rows.sequence(row, owners) for row in found["sequences"]]
    owned: defaultdict[tuple[Name, str], list[Name]] = defaultdict(list)
    for sequence in sequences:
        if sequence.owner:
            owned[sequence.owner].append(sequence.name)
    parts = {name: _by_relation(found[name]) for name in _PARTS}
    tables = [rows.table(row, _of(parts, row["oid"]), owned, sizes) for row in found["tables"]]
    views = [rows.view(row, _of(parts, row["oid"]), sizes) for row in found["views"]]
    domains = _by_relation(found["domain_constraints"])
    functions: defaultdict[Name, list[Any]] = defaultdict(list)
    for row in found["functions"]:
        functions[Name(row["name"], row["schema"])].append(rows.function(row))
    return Catalog(
        tables={table.name: table for table in tables},
        views={view.name: view for view in views},
        sequences={sequence.name: sequence for sequence in sequences},
        types={each.name: each for each in (rows.user_type(row, parts["columns"]) for row in found["types"])},
        domains={each.name: each for each in (rows.domain(row, domains) for row in found["domains"])},
        functions={name: tuple(overloads) for name, overloads in functions.items()},
        extensions={
            row["name"]: Extension(name=row["name"], schema=row["schema"]) for row in found["extensions"]
        },
        schemas=frozenset(row["name"] for row in found["schemas"]),
        complete=True,
        server_version=version,
    )


_PARTS = (
    *("columns", "constraints", "indexes", "triggers", "dependents", "references", "parents", "reads"),
    *("adorned", "grants"),
)


def _queries(version: int) -> dict[str, LiteralString]:
    text = (files("migsafe.catalog") / "live.sql").read_text(encoding="utf-8")
    text = text.format(
        is_user_schema=_IS_USER_SCHEMA,
        schema="CASE WHEN n.oid = pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE n.nspname END",
        f_schema="CASE WHEN fn.oid = pg_catalog.pg_my_temp_schema() THEN 'pg_temp' ELSE fn.nspname END",
        enforced="c.conenforced" if version >= 180000 else "true",
        published_schema=_PUBLISHED_SCHEMA if version >= 150000 else "false",
    )
    blocks = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)[1:]
    return {name: cast("LiteralString", sql) for name, sql in zip(blocks[::2], blocks[1::2], strict=True)}


def _by_relation(found: Sequence[Row]) -> Mapping[int, list[Row]]:
    grouped: defaultdict[int, list[Row]] = defaultdict(list)
    for row in found:
        grouped[row["oid"]].append(row)
    return dict(grouped)


def _of(parts: Mapping[str, Mapping[int, list[Row]]], oid: int) -> dict[str, list[Row]]:
    return {name: grouped.get(oid, []) for name, grouped in parts.items()}
