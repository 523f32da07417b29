"""A backfill and its signals together: it stops, says why, goes on, and takes up what is set meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg
import pytest
from psycopg import conninfo

from migsafe.config.limits import NAMES
from migsafe.config.pace import CustomSignal, Given, Kind, PaceSettings
from migsafe.errors import UsageError
from migsafe.plan.model import BackfillStep, Plan
from migsafe.plan.stages import Stage
from migsafe.postgres.server import Server
from migsafe.rollout.limits import change_setting
from migsafe.run.connect import connect
from migsafe.run.events import Event, Notice, PaceChanged, Waiting
from migsafe.run.ledger.install import install, scripts, version
from migsafe.run.ledger.model import Request, StopRequested
from migsafe.run.ledger.pace import read_pace
from migsafe.run.ledger.rollouts import read_audit, read_rollout, request
from migsafe.run.pace.show import pace_document, pace_lines
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from tests.run.pace.conftest import console, pgbouncer
from tests.run.plans import USERS, fill_users, make_plan

ROWS = 400
LOAD = CustomSignal(name="load", kind=Kind.SQL, query="SELECT value FROM load", limit="10..20")


def fill_plan() -> Plan:
    step = BackfillStep(
        id="fill",
        stage=Stage.BACKFILLED,
        title="Copy visits",
        table=USERS,
        assignments="copied = visits",
        pending="copied IS DISTINCT FROM visits",
    )
    return make_plan((step,))


def prepare(dsn: str, rows: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA IF EXISTS migsafe CASCADE; DROP TABLE IF EXISTS users, load")
        fill_users(conn, rows)
        conn.execute("ALTER TABLE users ADD COLUMN copied int")
        conn.execute("CREATE TABLE load AS SELECT 0 AS value")


@dataclass
class Run:
    """A backfill in a thread of its own, and what it told."""

    dsn: str
    settings: Settings
    events: list[Event] = field(default_factory=list)
    error: BaseException | None = None
    own_dsn: str = ""  # of the runner, where it is another one

    def work(self) -> None:
        try:
            with hold(
                fill_plan(), self.own_dsn or self.dsn, settings=self.settings, observer=self.events.append
            ) as runner:
                runner.advance(Stage.BACKFILLED)
        except BaseException as error:  # noqa: BLE001 -- the test looks at it
            self.error = error

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.thread.is_alive() and error[0] is not None:
            with suppress(UsageError), connect(self.dsn) as conn:
                request(conn, "rename", Request.PAUSE)
        self.thread.join(timeout=60)
        assert not self.thread.is_alive()
        if error[0] is None and self.error is not None:
            raise self.error

    def look(self) -> dict[str, Any]:
        """The pace as status has it."""
        with connect(self.dsn) as conn:
            rollout = read_rollout(conn, "rename")
            row = read_pace(conn, rollout.id) if rollout else None
            return pace_document(row, at_work=True) or {}

    def until(self, condition: Callable[[dict[str, Any]], object], seconds: float = 20.0) -> dict[str, Any]:
        ends = time.monotonic() + seconds
        while not condition(found := self.look()):
            assert self.error is None, self.error
            if time.monotonic() > ends:
                pytest.fail(f"the pace is {found}, told was {self.events}")
            time.sleep(0.05)
        return found


def done_rows(dsn: str) -> int:
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT count(copied) FROM users").fetchone()
    assert row is not None
    return int(row[0])


def say(dsn: str, value: float | str | None) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute("UPDATE load SET value = %s", (value,))


def waiting_for(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda pace: str(pace.get("waiting_for") or "").startswith(name)


def settings(*given: tuple[str, str], custom: tuple[CustomSignal, ...] = (LOAD,)) -> Settings:
    values = tuple(Given(name=name, value=value, source="the test") for name, value in given)
    return Settings(
        pace=PaceSettings(given=values, custom=custom), first_window_pages=1, window_pages=1, sweep_pages=4
    )


@pytest.fixture
def dsn(database: str) -> str:
    prepare(database, ROWS)
    return database


def test_it_stops_above_the_limit_says_so_and_goes_on_by_itself(dsn: str) -> None:
    say(dsn, 25)
    with Run(dsn, settings()) as run:
        found = run.until(waiting_for("load is 25, limit 10..20"))
        assert done_rows(dsn) == 0
        assert found["share"] == 0
        signal = next(each for each in found["signals"] if each["name"] == "load")
        assert (signal["verdict"], signal["value"], signal["hard"]) == ("stop", 25.0, 20.0)
        text = "\n".join(pace_lines(found))
        assert "waits for    load is 25, limit 10..20, since 20" in text
        assert "stop    load: 25, limit 10..20" in text
        run.until(lambda pace: pace["throttled_seconds"] > 0.5)
        say(dsn, 5)
    assert done_rows(dsn) == ROWS
    told = [event for event in run.events if isinstance(event, Waiting)]
    assert [(event.reason, event.seconds) for event in told] == [("on hold: load is 25, limit 10..20", None)]
    assert any(isinstance(event, Notice) and "going on after" in event.text for event in run.events)
    after = run.look()
    assert after["throttled_by"]["load"] >= 0.5
    with connect(dsn) as conn:  # nobody is at work on it any more: only the sums are left
        rollout = read_rollout(conn, "rename")
        assert rollout is not None
        assert "signals" not in (pace_document(read_pace(conn, rollout.id), at_work=False) or {})


def test_between_the_limits_it_is_slower_in_proportion(dsn: str) -> None:
    say(dsn, 18)  # a fifth of full speed
    with Run(dsn, settings(("max-rows-per-second", "200"))) as run:
        found = run.until(lambda pace: pace.get("share", 1) < 1)
        assert found["share"] == 0.2
        assert found["batch_seconds"] == 0.0625  # smaller pieces
        say(dsn, 0)
    assert done_rows(dsn) == ROWS
    told = [event for event in run.events if isinstance(event, PaceChanged)]
    assert (told[0].share, told[0].reason) == (0.2, "load is 18, limit 10..20")


def test_what_is_set_is_taken_up_within_about_a_second_and_audited(dsn: str) -> None:
    with Run(dsn, settings(("max-rows-per-second", "20"))) as run:
        run.until(lambda pace: pace.get("throttled_by", {}).get("max-rows-per-second", 0) > 1)
        assert done_rows(dsn) < ROWS / 2
        with connect(dsn) as conn:
            changed = change_setting(
                conn, "rename", "max-rows-per-second", "off", PaceSettings(custom=(LOAD,))
            )
        began = time.monotonic()
        assert (changed.former.shown, changed.former.source, changed.is_running) == ("20", "the test", True)
        assert (changed.now.shown, changed.now.source) == ("off", "migsafe set")
        run.thread.join(timeout=20)
        assert time.monotonic() - began < 8  # at 20 rows/s it would have been minutes
    assert done_rows(dsn) == ROWS
    with connect(dsn) as conn:
        rollout = read_rollout(conn, "rename")
        assert rollout is not None
        line = next(line for line in read_audit(conn, rollout.id) if line.event == "setting changed")
        assert line.detail == {"name": "max-rows-per-second", "value": "off", "former": None}
        assert line.actor == "postgres"


def test_a_signal_of_ones_own_that_cannot_be_read_holds_and_names_the_reason(dsn: str) -> None:
    say(dsn, None)
    with Run(dsn, settings()) as run:
        run.until(waiting_for("load cannot be read: the query gave no value"))
        with psycopg.connect(dsn) as conn:
            conn.execute("DROP TABLE load")
        run.until(waiting_for('load cannot be read: relation "load" does not exist'))
        assert done_rows(dsn) == 0
        with psycopg.connect(dsn) as conn:
            conn.execute("CREATE TABLE load AS SELECT 0 AS value")
    assert done_rows(dsn) == ROWS


def test_it_can_be_paused_while_it_stands(dsn: str) -> None:
    say(dsn, 25)
    with Run(dsn, settings()) as run:
        run.until(waiting_for("load"))
        with connect(dsn) as conn:
            request(conn, "rename", Request.PAUSE)
        run.thread.join(timeout=10)
        assert isinstance(run.error, StopRequested)
        run.error = None
    assert done_rows(dsn) == 0


@pytest.mark.proof
def test_a_lost_connection_of_the_signals_is_made_again_without_a_word(dsn: str) -> None:
    say(dsn, 25)
    with Run(dsn, settings()) as run:
        run.until(waiting_for("load"))
        with psycopg.connect(dsn, autocommit=True) as conn:
            ended = conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'migsafe pace' AND datname = current_database()"
            ).fetchall()
        assert ended == [(True,)]
        before = run.look()["updated_at"]
        run.until(lambda pace: pace["updated_at"] > before)
        say(dsn, 0)
    assert done_rows(dsn) == ROWS
    notices = [event.text for event in run.events if type(event) is Notice]
    assert [text.partition(" after ")[0] for text in notices] == ["going on"]


@pytest.mark.proof
def test_a_replica_that_falls_behind_stops_it(primary: Server, standby: Server) -> None:
    dsn = primary.dsn()
    prepare(dsn, ROWS)
    with psycopg.connect(standby.dsn(), autocommit=True) as replica:
        replica.execute("SELECT pg_wal_replay_pause()")
        try:
            limits = (("replica-lag", "1s..2s"), ("max-rows-per-second", "100"))
            with Run(dsn, settings(*limits, custom=())) as run:
                found = run.until(waiting_for("replica-lag is 2"))
                assert "replica1 at 127.0.0.1" in found["waiting_for"]
                rows = done_rows(dsn)
                time.sleep(0.5)
                assert done_rows(dsn) == rows < ROWS
                replica.execute("SELECT pg_wal_replay_resume()")
        finally:
            replica.execute("SELECT pg_wal_replay_resume()")
    assert done_rows(dsn) == ROWS


@contextmanager
def occupied(dsn: str, count: int) -> Iterator[None]:
    """So many clients at once, each in a statement that takes until the block ends."""
    clients = [psycopg.connect(dsn, autocommit=True, prepare_threshold=None) for _ in range(count)]
    threads = [threading.Thread(target=sleep, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for client in clients:
            client.cancel()
        for thread in threads:
            thread.join(timeout=30)
        for client in clients:
            client.close()


def sleep(client: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error):
        client.execute("SELECT pg_sleep(60)")


@pytest.mark.proof
def test_clients_that_wait_in_pgbouncer_stop_it_and_it_works_through_pgbouncer(
    primary: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(primary.dsn(), ROWS)
    with pgbouncer(primary, pool_size=8) as port:
        monkeypatch.setenv("MIGSAFE_PGBOUNCER_URL", console(port, primary.password))
        url = f"postgresql://postgres:{primary.password}@127.0.0.1:{port}/"
        with psycopg.connect(primary.dsn(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE crowded")
        limits = (("pgbouncer-waiting", "0..2"), ("max-rows-per-second", "100"))
        with Run(f"{url}postgres", settings(*limits, custom=())) as run:
            run.until(lambda pace: pace.get("throttled_seconds", 0) > 0)
            with occupied(f"{url}crowded", 11):  # a pool of its own, of eight: three wait
                run.until(waiting_for("pgbouncer-waiting is 3"))
        assert done_rows(primary.dsn()) == ROWS
    with psycopg.connect(primary.dsn(), autocommit=True) as admin:
        admin.execute("DROP DATABASE crowded WITH (FORCE)")


def test_a_ledger_of_version_1_with_a_rollout_in_it_is_upgraded_and_goes_on(dsn: str) -> None:
    with connect(dsn) as conn:
        install(conn, scripts()[:1])
        assert version(conn) == 1
        conn.execute("INSERT INTO migsafe.rollout (name, plan, fingerprint) VALUES ('other', 'a plan', 'x')")
        assert read_pace(conn, 1) is None
    with Run(dsn, settings()):
        pass
    assert done_rows(dsn) == ROWS
    with connect(dsn) as conn:
        assert version(conn) == len(scripts())
        assert conn.execute("SELECT name FROM migsafe.rollout ORDER BY id").fetchall() == [
            ("other",),
            ("rename",),
        ]


def test_without_a_connection_for_signals_it_holds_says_so_in_status_and_can_be_told_to_go_on(
    database: str, connection: psycopg.Connection
) -> None:
    role = "narrow_" + connection.info.dbname
    connection.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'narrow' CONNECTION LIMIT 1 IN ROLE pg_monitor".encode()
    )
    prepare(database, ROWS)
    connection.execute(
        f"ALTER TABLE users OWNER TO {role}; CREATE SCHEMA migsafe AUTHORIZATION {role}".encode()
    )
    dsn = conninfo.make_conninfo(database, user=role, password="narrow")  # noqa: S106 -- of this test
    off = tuple((name, "off") for name in NAMES if name not in ("batch-duration", "slot-wal"))
    try:
        with Run(database, settings(*off, custom=()), own_dsn=dsn) as run:
            found = run.until(waiting_for("slot-wal cannot be read: no connection"))
            assert "too many connections for role" in found["waiting_for"]
            assert done_rows(database) == 0
            with connect(database) as conn:
                change_setting(conn, "rename", "slot-wal", "off", PaceSettings())
        assert done_rows(database) == ROWS
    finally:
        connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


@pytest.mark.proof
def test_a_limit_on_rows_makes_windows_small_and_a_higher_one_is_felt_at_once(database: str) -> None:
    prepare(database, 20_000)
    big = Settings(
        pace=PaceSettings(given=(Given(name="max-rows-per-second", value="300", source="the test"),)),
        first_window_pages=64,
    )
    with Run(database, big) as run:
        run.until(
            lambda pace: pace.get("throttled_seconds", 0) > 1
        )  # the first stripe alone is worth a second
        with connect(database) as conn:
            change_setting(conn, "rename", "max-rows-per-second", "1000000", PaceSettings())
        began = time.monotonic()
        run.thread.join(timeout=30)
        assert time.monotonic() - began < 15
    assert done_rows(database) == 20_000
