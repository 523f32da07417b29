"""After every statement, what was replayed is what a real server says."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migsafe.catalog.history import History, advance, load_schema, replay
from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog, Table
from migsafe.errors import SqlError
from migsafe.sql.names import Name
from migsafe.sql.operations import ConstraintKind
from migsafe.sql.script import read_script

SCRIPT = read_script((Path(__file__).parent / "history.sql").read_text())


def shape(table: Table) -> object:
    """What replay promises to know, in an order of its own."""
    return (
        {(c.name, c.type, c.not_null, c.generated, c.is_serial) for c in table.columns},
        {
            (c.name, c.kind, c.columns, c.validated, c.references, c.referenced_columns, c.index)
            for c in table.constraints
            if c.kind is not ConstraintKind.NOT_NULL
        },
        {(i.name, frozenset(i.columns), i.unique) for i in table.indexes},
        set(table.referenced_by),
        table.partition_of,
        table.partitioned,
    )


def test_replay_is_what_the_server_says_after_every_statement(connection: psycopg.Connection) -> None:
    history = History(catalog=Catalog(complete=True))
    for statement in SCRIPT.statements:
        connection.execute(statement.text.encode())
        for operation in statement.operations:
            history = advance(history, operation)
        if history.in_transaction:
            continue
        live = read_catalog(connection)
        assert set(history.catalog.tables) == set(live.tables), statement.text
        for name, table in live.tables.items():
            replayed = history.catalog.table(name)
            assert replayed is not None
            if replayed.columns_complete:
                assert shape(replayed) == shape(table), statement.text


def test_a_table_nobody_made_is_known_without_its_columns() -> None:
    catalog = replay([("1", read_script("ALTER TABLE t ADD c int; ALTER TABLE u ENABLE ROW LEVEL SECURITY"))])
    table = catalog.table(Name("t"))
    assert table is not None
    assert not table.columns_complete
    assert [column.name for column in table.columns] == ["c"]
    assert catalog.table(Name("u")) is None


def test_a_table_knows_the_script_that_made_it() -> None:
    catalog = replay([("1", read_script("CREATE TABLE t ()")), ("2", read_script("CREATE TABLE u ()"))])
    assert {str(t.name): t.created_in for t in catalog.tables.values()} == {"public.t": "1", "public.u": "2"}


def test_what_is_rolled_back_did_not_happen() -> None:
    script = read_script(
        "BEGIN; CREATE TABLE a (); SAVEPOINT s; CREATE TABLE b (); ROLLBACK TO s; CREATE TABLE c (); COMMIT;"
        "BEGIN; CREATE TABLE d (); ROLLBACK"
    )
    assert {name.name for name in replay([(None, script)]).tables} == {"a", "c"}


def test_a_catalog_given_away_does_not_change() -> None:
    before = load_schema("CREATE TABLE t (a int)")
    kept = dict(before.tables)
    replay([(None, read_script("ALTER TABLE t DROP a; DROP TABLE t"))], before)
    assert before == replace(before, tables=kept)


def test_a_schema_that_cannot_be_read_is_an_error_with_its_line() -> None:
    with pytest.raises(SqlError, match=r"dump\.sql, line 2: .*FROBNICATE"):
        load_schema("CREATE TABLE t ();\nFROBNICATE;", source="dump.sql")


def test_a_schema_without_tables_is_an_error() -> None:
    with pytest.raises(SqlError, match="creates no table"):
        load_schema("SELECT 1;")
