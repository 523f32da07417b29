"""PostgreSQL itself: a repaired script leaves the very schema that the script would have left.

Both run as psql runs them, each in a database of its own, and both schemas are read back: names, columns,
constraints with what they say and whether they are valid, indexes likewise.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest

from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog, Table
from migsafe.lint.rules import shipped_rules
from migsafe.postgres.server import Server, scratch_server
from migsafe.sql.operations import Unread
from migsafe.sql.script import read_script
from tests.conftest import drop_database
from tests.lint.fix.cases import CASES, Case, as_run, repair
from tests.servers import binaries_of, install, is_pinned

FIXED = [case for case in CASES if case.fixed != case.script]
# Examples of rules bring their settings; what they are about stands in fixtures/fixes too.
EXAMPLES = [
    Case(name=f"{rule.name}-{number}", setup=example.setup, script=example.sql, fixed="")
    for rule in shipped_rules()
    if rule.fix
    for number, example in enumerate(rule.bad, start=1)
    if "CREATE TABLE" in example.setup
]
# PostgreSQL refuses these scripts; what they mean is the same without the word.
REFUSED = ("outside_transaction/", "concurrently-in-transaction")
SINCE = {"using_index/nulls_not_distinct": 15, "not_null/as_constraint": 18}


@contextmanager
def two_databases(server: Server) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    names = ("fix_original", "fix_repaired")
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        for name in names:
            admin.execute(f"CREATE DATABASE {name}".encode())
    with (
        psycopg.connect(server.dsn(names[0]), autocommit=True, prepare_threshold=None) as first,
        psycopg.connect(server.dsn(names[1]), autocommit=True, prepare_threshold=None) as second,
    ):
        yield first, second
    for name in names:
        drop_database(server, name)


@pytest.fixture(scope="module")
def pair(server: Server) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    with two_databases(server) as both:
        yield both


def result(connection: psycopg.Connection, case: Case, text: str) -> Catalog:
    """The schema after the script, with what differs from run to run left out."""
    connection.execute("DISCARD ALL")
    connection.execute("SET client_min_messages = error")
    connection.execute('DROP SCHEMA IF EXISTS public, "Shop" CASCADE')
    connection.execute("CREATE SCHEMA public")
    for statement in read_script(case.setup).statements:
        connection.execute(statement.text.encode())
    source = as_run(case, text)
    wrapped = case.options.get("wrapped") or source.in_transaction
    if wrapped:
        connection.execute("BEGIN")
    for statement in read_script(source.text).statements:
        assert not isinstance(statement.operations[0], Unread)
        connection.execute(statement.text.encode())
    if wrapped:
        connection.execute("COMMIT")
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    catalog = read_catalog(connection)
    return replace(
        catalog,
        tables={name: comparable(table) for name, table in catalog.tables.items()},
        views={
            name: replace(view, row_estimate=None, size_bytes=None) for name, view in catalog.views.items()
        },
    )


def comparable(table: Table) -> Table:
    return replace(
        table,
        row_estimate=None,
        size_bytes=None,
        constraints=tuple(sorted(table.constraints, key=lambda each: each.name)),
        indexes=tuple(sorted(table.indexes, key=lambda each: each.name)),
    )


def check(pair: tuple[psycopg.Connection, psycopg.Connection], case: Case) -> None:
    repaired = repair(case).text
    assert repaired != case.script
    script = case.script
    if case.name.startswith(REFUSED):
        script = script.replace(" CONCURRENTLY", "")
    original, fixed = result(pair[0], case, script), result(pair[1], case, repaired)
    assert dict(fixed.tables) == dict(original.tables)
    assert fixed == original
    parts = [part for table in fixed.tables.values() for part in (*table.indexes, *table.constraints)]
    assert all(getattr(part, "valid", True) and getattr(part, "validated", True) for part in parts)


@pytest.mark.parametrize("case", [*FIXED, *EXAMPLES], ids=lambda case: case.name)
def test_the_schema_after_the_repaired_script_is_the_same(
    pair: tuple[psycopg.Connection, psycopg.Connection], case: Case
) -> None:
    check(pair, case)


@pytest.mark.proof
@pytest.mark.parametrize("major", [14, 15, 16, 17])
def test_the_schema_is_the_same_on_every_version(major: int) -> None:
    if is_pinned(major):
        install(major)
    with (
        scratch_server(binaries=binaries_of(major), settings={"fsync": "off"}) as server,
        two_databases(server) as pair,
    ):
        for case in (*FIXED, *EXAMPLES):
            since = max((version for name, version in SINCE.items() if case.name.startswith(name)), default=0)
            if major >= since:
                check(pair, case)
