"""The ledger: installed once, upgraded in order, closed to everybody else."""

import threading
from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors, sql

from migsafe.errors import LedgerMismatch, RunError
from migsafe.run.connect import connect
from migsafe.run.ledger.blocked import Blocked, read_blocked
from migsafe.run.ledger.install import install, scripts, version
from migsafe.run.ledger.quarantine import read_quarantine
from migsafe.run.ledger.rollouts import list_rollouts, read_rollout
from migsafe.run.runner import hold
from tests.run.plans import rename_plan

PASSWORD = "guest"  # noqa: S105 - of a role in a scratch server


def test_several_processes_may_install_at_once(database: str) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def run() -> None:
        try:
            with connect(database) as conn:
                together.wait(10)
                install(conn)
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    with connect(database) as conn:
        assert version(conn) == len(scripts())


def test_each_version_of_the_ledger_comes_in_one_transaction(database: str) -> None:
    with connect(database) as conn:
        install(conn)
        bad = (*scripts(), b"CREATE TABLE migsafe.later (x int); SELECT 1/0")
        with pytest.raises(errors.DivisionByZero):
            install(conn, bad)
        assert version(conn) == len(scripts())
        install(conn, (*scripts(), b"CREATE TABLE migsafe.later (x int)"))
        assert version(conn) == len(scripts()) + 1


def test_a_ledger_of_the_first_version_is_upgraded_under_the_rollouts_in_it(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    with connect(database) as own:
        install(own, scripts()[:1])
        assert version(own) == 1
    conn.execute(
        "INSERT INTO migsafe.rollout (name, plan, fingerprint, stage) VALUES ('old', 'plan', 'f', 'full')"
    )
    with connect(database) as own:
        found = read_rollout(own, "old")
        assert found is not None
        assert read_quarantine(own, found.id) == ()
        assert read_blocked(own, found.id) == Blocked()
        install(own)
        assert version(own) == len(scripts())
        assert read_rollout(own, "old") == found
        assert read_quarantine(own, found.id) == ()


def test_an_upgrade_that_fails_keeps_the_versions_before_it(database: str) -> None:
    with connect(database) as conn:
        steps = (*scripts(), b"CREATE TABLE migsafe.later (x int)", b"SELECT 1/0")
        with pytest.raises(errors.DivisionByZero):
            install(conn, steps)
        assert version(conn) == len(scripts()) + 1


def test_a_newer_ledger_is_refused_and_left_alone(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    with connect(database) as own:
        install(own, (*scripts(), b"CREATE TABLE migsafe.later (x int)"))
    with pytest.raises(LedgerMismatch, match="made by a newer migsafe"), hold(rename_plan(), database):
        pytest.fail("it was held")
    with connect(database) as own, pytest.raises(LedgerMismatch):
        list_rollouts(own)
    assert conn.execute("SELECT count(*) FROM migsafe.rollout").fetchone() == (0,)


def test_a_schema_of_somebody_else_is_refused(connection: psycopg.Connection, database: str) -> None:
    connection.execute("CREATE SCHEMA migsafe; CREATE TABLE migsafe.orders (id int)")
    with connect(database) as own, pytest.raises(LedgerMismatch, match="not a ledger of ours"):
        install(own)


def test_without_a_ledger_there_are_no_rollouts(database: str) -> None:
    with connect(database) as conn:
        assert list_rollouts(conn) == ()
        assert read_rollout(conn, "rename") is None


@pytest.fixture
def guest(connection: psycopg.Connection) -> str:
    """A role without any rights of its own."""
    name = "guest_" + connection.info.dbname
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), PASSWORD))
    return name


def test_a_role_that_may_not_create_is_told_what_to_ask_for(database: str, guest: str) -> None:
    dsn = psycopg.conninfo.make_conninfo(database, user=guest, password=PASSWORD)
    with connect(dsn) as conn, pytest.raises(RunError, match="may not create") as refused:
        install(conn)
    assert "CREATE SCHEMA migsafe AUTHORIZATION" in refused.value.advice


def test_a_role_works_in_a_schema_that_an_administrator_made(
    connection: psycopg.Connection, database: str, guest: str
) -> None:
    connection.execute(sql.SQL("CREATE SCHEMA migsafe AUTHORIZATION {}").format(sql.Identifier(guest)))
    dsn = psycopg.conninfo.make_conninfo(database, user=guest, password=PASSWORD)
    with connect(dsn) as conn:
        install(conn)
        assert version(conn) == len(scripts())


def test_the_application_may_note_sync_from_a_trigger_and_nothing_else(
    connection: psycopg.Connection, database: str, guest: str
) -> None:
    with connect(database) as own:
        install(own)
    connection.execute(
        """
        CREATE TABLE t (id int);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM migsafe.note_sync('r', 't', 'both_changed', 'id=' || NEW.id); RETURN NEW; END $$;
        CREATE TRIGGER note BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
        GRANT INSERT ON t TO PUBLIC;
        """
    )
    dsn = psycopg.conninfo.make_conninfo(database, user=guest, password=PASSWORD)
    with psycopg.connect(dsn, autocommit=True) as app:
        app.execute("INSERT INTO t VALUES (7)")
        app.execute("SELECT migsafe.note_sync('r', 't', 'forged', 'outside of a trigger')")
        for statement in ("SELECT * FROM migsafe.sync_event", "SELECT * FROM migsafe.rollout"):
            with pytest.raises(errors.InsufficientPrivilege):
                app.execute(statement)
    found = connection.execute("SELECT rollout, relation, kind, detail FROM migsafe.sync_event").fetchall()
    assert found == [("r", "t", "both_changed", "id=7")]
