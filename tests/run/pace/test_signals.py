"""What real servers say: each signal sees what it is there to see, and says what it cannot see."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import conninfo

from migsafe.postgres.server import Server, scratch_server
from migsafe.run.connect import connect
from migsafe.run.pace.custom import asker
from migsafe.run.pace.measure import Ask, Measured, Signal
from migsafe.run.pace.signals import server_signals
from migsafe.sql.names import Name
from tests.servers import MAJORS, binaries_of

MEGABYTE = 2.0**20


def by_name(signals: tuple[Signal, ...], name: str) -> Signal:
    return next(signal for signal in signals if signal.name == name)


@pytest.fixture
def signals() -> tuple[Signal, ...]:
    return server_signals(Name("big", "public"))


@pytest.fixture
def ask(primary: Server) -> Iterator[Ask]:
    with connect(primary.dsn()) as conn:
        yield asker(conn, seconds=5.0)


@pytest.fixture
def big(admin: psycopg.Connection) -> Iterator[None]:
    admin.execute("CREATE TABLE big (id int, filler text) PARTITION BY RANGE (id)")
    admin.execute("CREATE TABLE big1 PARTITION OF big DEFAULT")
    admin.execute("INSERT INTO big SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i")
    yield
    admin.execute("DROP TABLE big")


def until(signal: Signal, ask: Ask, condition: Callable[[Measured], bool], seconds: float = 20.0) -> Measured:
    """Read it again and again until it is so."""
    ends = time.monotonic() + seconds
    while not condition(found := signal.read(ask)):
        if time.monotonic() > ends:
            pytest.fail(f"{signal.name} is {found}")
        time.sleep(0.1)
    return found


def value(measured: Measured) -> float:
    assert measured.value is not None, measured
    return measured.value


def test_a_quiet_server_gives_no_reason_to_wait(signals: tuple[Signal, ...], ask: Ask) -> None:
    found = {signal.name: signal.read(ask) for signal in signals}
    assert {name for name, each in found.items() if each.value != 0} == set()
    assert found["replica-lag"].text == "no replica"
    assert found["slot-wal"].text == "no slot"
    assert found["active-sessions"].ceiling == 50.0


def test_a_replica_that_does_not_replay_is_behind_for_as_long_as_that(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection, standby: Server
) -> None:
    lag = by_name(signals, "replica-lag")
    until(lag, ask, lambda found: "replica1" in found.text and found.value == 0)
    with psycopg.connect(standby.dsn(), autocommit=True) as replica:
        replica.execute("SELECT pg_wal_replay_pause()")
        admin.execute("CREATE TABLE moved AS SELECT generate_series(1, 1000)")
        began = time.monotonic()
        until(lag, ask, lambda found: value(found) >= 1.5)
        assert time.monotonic() - began >= 1.4
        replica.execute("SELECT pg_wal_replay_resume()")
        until(lag, ask, lambda found: value(found) < 0.5)
        admin.execute("DROP TABLE moved")


def test_a_slot_that_nobody_reads_keeps_wal(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection
) -> None:
    slot = by_name(signals, "slot-wal")
    admin.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
    try:
        before = value(slot.read(ask))
        admin.execute("CREATE TABLE moved AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
        found = slot.read(ask)
        assert value(found) - before > 4 * MEGABYTE
        assert found.text == "slot left_behind, which nobody reads"
        assert found.ceiling is None
        admin.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'")
        admin.execute("SELECT pg_reload_conf()")
        assert until(slot, ask, lambda found: found.ceiling is not None).ceiling == 512 * MEGABYTE
    finally:
        admin.execute("ALTER SYSTEM RESET max_slot_wal_keep_size")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("SELECT pg_drop_replication_slot('left_behind')")
        admin.execute("DROP TABLE moved")


def test_segments_wait_while_the_archive_command_fails(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection
) -> None:
    queue = by_name(signals, "archive-queue")
    try:
        set_archive_command(admin, "false")
        for number in range(3):
            admin.execute(
                "SELECT pg_logical_emit_message(false, 'test', %s), pg_switch_wal()", (str(number),)
            )
        until(queue, ask, lambda found: value(found) >= 3 and "failing" in found.text)
    finally:
        set_archive_command(admin, "true")
    until(queue, ask, lambda found: found.value == 0, seconds=70)


def set_archive_command(admin: psycopg.Connection, command: str) -> None:
    admin.execute(f"ALTER SYSTEM SET archive_command = '{command}'".encode())
    admin.execute("SELECT pg_reload_conf()")


def test_wal_per_second_is_that_of_the_whole_server(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection
) -> None:
    rate = by_name(signals, "wal-rate")
    rate.read(ask)
    began = time.monotonic()
    before = position(admin)
    admin.execute("CREATE TABLE moved AS SELECT repeat('x', 1000) FROM generate_series(1, 5000)")
    found = value(rate.read(ask))
    written = position(admin) - before
    admin.execute("DROP TABLE moved")
    assert 0.5 < found / (written / (time.monotonic() - began)) < 3


def position(admin: psycopg.Connection) -> float:
    row = admin.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8").fetchone()
    assert row is not None
    return float(row[0])


@pytest.mark.usefixtures("big")
def test_the_oldest_transaction_counts_and_one_that_keeps_nothing_does_not(
    signals: tuple[Signal, ...], ask: Ask, primary: Server
) -> None:
    oldest = by_name(signals, "oldest-xmin")
    with psycopg.connect(primary.dsn(), application_name="report") as other:
        other.execute("SELECT 1")
        time.sleep(0.2)
        assert value(oldest.read(ask)) == 0  # idle between two statements of READ COMMITTED
        other.rollback()
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM big")
        time.sleep(0.5)
        found = oldest.read(ask)
        assert 0.5 <= value(found) < 20
        assert "(report), idle in transaction" in found.text
        other.rollback()
        assert value(oldest.read(ask)) == 0


@pytest.mark.proof
def test_a_query_on_a_replica_counts_from_when_it_is_first_seen(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection, standby: Server
) -> None:
    oldest = by_name(signals, "oldest-xmin")
    with psycopg.connect(standby.dsn(), autocommit=True) as replica:
        replica.execute("ALTER SYSTEM SET hot_standby_feedback = on")
        replica.execute("ALTER SYSTEM SET wal_receiver_status_interval = '1s'")
        replica.execute("SELECT pg_reload_conf()")
    try:
        with psycopg.connect(standby.dsn()) as report:
            report.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            report.execute("SELECT count(*) FROM pg_class")
            began = time.monotonic()
            while time.monotonic() - began < 2.5:
                admin.execute("SELECT pg_current_xact_id()")
                oldest.read(ask)
                time.sleep(0.1)
            found = oldest.read(ask)
            assert value(found) > 0.5
            assert found.text == "a query on replica replica1"
        until(
            oldest,
            ask,
            lambda found: value(found) < 0.5 and bool(admin.execute("SELECT pg_current_xact_id()")),
        )
    finally:
        with psycopg.connect(standby.dsn(), autocommit=True) as replica:
            replica.execute("ALTER SYSTEM SET hot_standby_feedback = off")
            replica.execute("SELECT pg_reload_conf()")
        until(oldest, ask, lambda found: value(found) == 0)


@pytest.mark.usefixtures("big")
def test_a_forgotten_prepared_transaction_counts(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection
) -> None:
    admin.execute("BEGIN; INSERT INTO big VALUES (0); PREPARE TRANSACTION 'forgotten'")
    try:
        time.sleep(0.2)
        found = by_name(signals, "oldest-xmin").read(ask)
        assert value(found) >= 0.2
        assert found.text == "prepared transaction forgotten of postgres"
    finally:
        admin.execute("ROLLBACK PREPARED 'forgotten'")


@pytest.mark.usefixtures("big")
def test_a_vacuum_of_a_partition_is_seen_while_it_works(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection, primary: Server
) -> None:
    vacuum = by_name(signals, "vacuum")
    admin.execute("DELETE FROM big WHERE id % 2 = 0")
    with psycopg.connect(primary.dsn(), autocommit=True) as slow:
        slow.execute("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1")
        thread = threading.Thread(target=cancelled, args=(slow, "VACUUM big1"))
        thread.start()
        found = until(vacuum, ask, lambda found: value(found) > 0)
        assert found.value == 1
        assert "vacuum of big1, scanning heap" in found.text
        slow.cancel()
        thread.join(timeout=10)
    assert vacuum.read(ask).value == 0


@pytest.mark.proof
def test_an_autovacuum_that_prevents_wraparound_counts_twice(
    signals: tuple[Signal, ...], ask: Ask, admin: psycopg.Connection
) -> None:
    admin.execute(
        "CREATE TABLE big (id int, filler text) WITH (autovacuum_freeze_max_age = 100000, "
        "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)"
    )
    admin.execute("INSERT INTO big SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i")
    admin.execute(
        "DO $$ BEGIN FOR i IN 1..100100 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    )
    admin.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    admin.execute("ALTER SYSTEM SET autovacuum = on")
    admin.execute("SELECT pg_reload_conf()")
    try:
        found = until(by_name(signals, "vacuum"), ask, lambda found: value(found) >= 2, seconds=40)
        assert "autovacuum of big to prevent wraparound" in found.text
    finally:
        admin.execute("ALTER SYSTEM RESET ALL")
        admin.execute("ALTER SYSTEM SET autovacuum = off")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_vacuum")
        admin.execute("DROP TABLE big")


def cancelled(conn: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.QueryCanceled):
        conn.execute(statement.encode())


@pytest.mark.usefixtures("big")
def test_sessions_at_work_and_sessions_that_wait_for_a_lock_are_counted(
    signals: tuple[Signal, ...], ask: Ask, primary: Server
) -> None:
    waiters, active = by_name(signals, "lock-waiters"), by_name(signals, "active-sessions")
    with psycopg.connect(primary.dsn()) as owner, psycopg.connect(primary.dsn(), autocommit=True) as other:
        owner.execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE")
        thread = threading.Thread(target=cancelled, args=(other, "SELECT count(*) FROM big"))
        thread.start()
        until(active, ask, lambda found: value(found) == 1)
        assert value(waiters.read(ask)) == 0  # not for a second yet
        found = until(waiters, ask, lambda found: value(found) == 1)
        assert f"session {other.info.backend_pid}" in found.text
        other.cancel()
        thread.join(timeout=10)
        owner.rollback()


def test_without_pg_monitor_it_is_said_what_cannot_be_seen_and_the_role_is_enough(
    signals: tuple[Signal, ...], primary: Server, admin: psycopg.Connection
) -> None:
    admin.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    dsn = conninfo.make_conninfo(primary.dsn(), user="guest", password="guest")  # noqa: S106 -- of this test
    try:
        with connect(dsn) as conn:
            guest = asker(conn, seconds=5.0)
            found = {each.name: each.read(guest) for each in signals if each.name != "archive-queue"}
            hidden = {name for name, each in found.items() if not each.available}
            assert hidden == {"replica-lag", "oldest-xmin", "vacuum", "active-sessions"}
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                by_name(signals, "archive-queue").read(guest)
            admin.execute("GRANT pg_monitor TO guest")
            assert all(each.read(guest).available for each in signals)
    finally:
        admin.execute("DROP ROLE guest")


@pytest.mark.proof
@pytest.mark.parametrize("major", MAJORS)
def test_every_supported_server_answers_every_query(major: int) -> None:
    with (
        scratch_server(
            binaries=binaries_of(major), settings={"fsync": "off", "archive_mode": "on"}
        ) as server,
        connect(server.dsn()) as conn,
    ):
        ask = asker(conn, seconds=5.0)
        conn.execute("CREATE TABLE big (id int)")
        conn.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
        found = {each.name: each.read(ask) for each in server_signals(Name("big", "public"))}
        assert {name for name, each in found.items() if each.value is None or not each.available} == set()
        assert {name for name, each in found.items() if each.value} <= {"slot-wal", "archive-queue"}
