"""After every statement, what was replayed is what a real server says."""

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from migsafe.catalog.history import History, advance, load_schema, replay
from migsafe.catalog.live import read_catalog
from migsafe.catalog.model import Catalog
from migsafe.catalog.passes import in_passes
from migsafe.catalog.session import next_transaction
from migsafe.errors import SqlError
from migsafe.sql.names import Name
from migsafe.sql.script import read_script
from tests.catalog.agree import differences

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.sql"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_replay_is_what_the_server_says_after_every_statement(
    connection: psycopg.Connection, script: Path
) -> None:
    history = History(catalog=Catalog(complete=True, server_version=connection.info.server_version))
    for statement in read_script(script.read_text()).statements:
        try:
            connection.execute(statement.text.encode())
        except psycopg.Error:
            # Older servers cannot do everything; the newest one can.
            assert connection.info.server_version < 180000, statement.text
            continue
        if not history.in_transaction:
            history = replace(history, catalog=next_transaction(history.catalog))
        for operation in in_passes(statement.operations):
            history = advance(history, operation)
        found = differences(history.catalog, read_catalog(connection))
        assert not found, f"{statement.text}\n" + "\n".join(found)
        assert not history.catalog.doubts, statement.text


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
