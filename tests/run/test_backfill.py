"""Batches: each exactly once, none of them in the application's way, and nothing left pending at the end."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from psycopg import conninfo

from migsafe.errors import RunError
from migsafe.plan.model import BackfillStep, Plan
from migsafe.plan.stages import Stage
from migsafe.run.connect import connect
from migsafe.run.events import Event, LockRetry, Progress
from migsafe.run.ledger.model import Request, StopRequested
from migsafe.run.ledger.rollouts import request
from migsafe.run.ledger.steps import read_step
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan, rename_plan

SMALL = Settings(first_window_pages=2, window_pages=4, progress_seconds=0.0)
COUNT_CHANGES = """
    CREATE TABLE changes (id bigint);
    CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO changes VALUES (NEW.id); RETURN NEW; END $$;
    CREATE TRIGGER count_change AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION count_change();
"""


def fill_plan(table: Name = USERS) -> Plan:
    step = BackfillStep(
        id="fill",
        stage=Stage.BACKFILLED,
        title="Copy visits",
        table=table,
        assignments="copied = visits",
        pending="copied IS DISTINCT FROM visits",
    )
    return make_plan((step,))


def test_every_row_is_changed_exactly_once(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    conn = users(5000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute(COUNT_CHANGES)
    with hold(fill_plan(), database, settings=SMALL) as runner:
        runner.advance(Stage.BACKFILLED)
        assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == 5000
    assert conn.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone() == (5000, 5000)


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE t (id text PRIMARY KEY, visits int)",
        "CREATE TABLE t (id int, visits int)",
        "CREATE TABLE t (id bigint, visits int, PRIMARY KEY (id, visits))",
        "CREATE TABLE t (id smallint PRIMARY KEY, visits int)",
        "CREATE TABLE t (id int, visits int) PARTITION BY RANGE (id); "
        "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (MINVALUE) TO (0); "
        "CREATE TABLE t2 PARTITION OF t DEFAULT PARTITION BY HASH (id); "
        "CREATE TABLE t3 PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
        "CREATE TABLE t4 PARTITION OF t2 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    ],
    ids=["text key", "no key", "key of two columns", "negative keys", "partitions of partitions"],
)
def test_tables_of_every_form_are_filled(connection: psycopg.Connection, database: str, table: str) -> None:
    connection.execute(table.encode())
    connection.execute("INSERT INTO t SELECT i, i % 7 FROM generate_series(-1500, 1500) i")
    connection.execute("ALTER TABLE t ADD COLUMN copied int")
    with hold(fill_plan(Name("t", "public")), database, settings=SMALL) as runner:
        runner.advance(Stage.BACKFILLED)
        assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == 3001
    assert connection.execute("SELECT count(*) FROM t WHERE copied = visits").fetchone() == (3001,)


def test_an_empty_table_is_done_at_once(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    users(0).execute("ALTER TABLE users ADD COLUMN copied int")
    events: list[Event] = []
    with hold(fill_plan(), database, observer=events.append) as runner:
        runner.advance(Stage.BACKFILLED)
    assert [event.fraction for event in events if isinstance(event, Progress)] == [1.0]


def test_most_updates_stay_in_their_page(database: str, users: Callable[[int], psycopg.Connection]) -> None:
    conn = users(100_000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    size = "SELECT pg_relation_size('users')"
    before = conn.execute(size).fetchone()
    with hold(fill_plan(), database) as runner:
        runner.advance(Stage.BACKFILLED)
    after = conn.execute(size).fetchone()
    assert before is not None
    assert after is not None
    assert after[0] < before[0] * 1.5  # one UPDATE of all rows makes it twice as big


def test_writers_at_the_same_time_leave_nothing_pending(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """They update other columns, so rows move while nobody syncs them: the sweeps must find those."""
    conn = users(60_000)
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(seed: int) -> None:
        try:
            with psycopg.connect(database, autocommit=True) as app:
                number = seed
                while not stop.is_set():
                    number = (number * 7919 + 13) % 60_000 + 1
                    app.execute("UPDATE users SET visits = visits + 1 WHERE id = %s", (number,))
                    app.execute("UPDATE users SET name = name || '.' WHERE id = %s", (number // 2 + 1,))
                    app.execute(
                        "INSERT INTO users (id, name) VALUES (%s, 'new') ON CONFLICT DO NOTHING",
                        (100_000 + number,),
                    )
        except psycopg.Error as error:
            failures.append(error)

    plan = rename_plan()
    with hold(plan, database) as runner:
        runner.advance(Stage.EXPANDED)
        threads = [threading.Thread(target=write, args=(seed,)) for seed in (1, 2, 3)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        runner.advance(Stage.BACKFILLED)
        pending = conn.execute("SELECT count(*) FROM users WHERE full_name IS DISTINCT FROM name").fetchone()
        runner.advance(Stage.VERIFIED)
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert pending == (0,)


def test_a_pause_is_honoured_between_two_batches_and_the_work_goes_on_later(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(5000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute(COUNT_CHANGES)
    plan = fill_plan()
    slow = replace(SMALL, max_rows_per_second=2000)
    with connect(database) as other, hold(plan, database, settings=slow) as runner:
        timer = threading.Timer(0.5, lambda: request(other, plan.name, Request.PAUSE))
        timer.start()
        with pytest.raises(StopRequested):
            runner.advance(Stage.BACKFILLED)
        timer.join()
        assert runner.rollout().stage is Stage.PLANNED
        done = read_step(runner.session.conn, runner.rollout().id, "fill").rows
    assert 0 < done < 5000
    assert conn.execute("SELECT count(*) FROM changes").fetchone() == (done,)
    with hold(plan, database, settings=SMALL) as runner:
        runner.advance(Stage.BACKFILLED)
    assert conn.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone() == (5000, 5000)


def test_no_more_rows_per_second_than_allowed(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(3000).execute("ALTER TABLE users ADD COLUMN copied int")
    with hold(fill_plan(), database, settings=replace(SMALL, max_rows_per_second=2000)) as runner:
        began = time.monotonic()
        runner.advance(Stage.BACKFILLED)
    assert 1.4 <= time.monotonic() - began < 10


def test_a_row_that_stays_locked_for_a_while_is_left_for_the_sweep(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(2000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    events: list[Event] = []
    with psycopg.connect(database) as app:
        app.execute("SELECT 1 FROM users WHERE id = 1000 FOR UPDATE")
        threading.Timer(4.0, app.commit).start()
        with hold(fill_plan(), database, settings=SMALL, observer=events.append) as runner:
            runner.advance(Stage.BACKFILLED)
        assert app.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert any(isinstance(event, LockRetry) for event in events)
    assert conn.execute("SELECT count(copied) FROM users").fetchone() == (2000,)


def test_rows_that_something_keeps_breaking_stop_the_backfill_and_it_says_so(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    conn.execute(
        """
        ALTER TABLE users ADD COLUMN copied int;
        CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.copied := -1; RETURN NEW; END';
        CREATE TRIGGER zz BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION spoil();
        """
    )
    with hold(fill_plan(), database, settings=replace(SMALL, max_sweeps=3)) as runner:
        for _ in range(2):
            with pytest.raises(RunError, match="still pending after 3 sweeps"):
                runner.advance(Stage.BACKFILLED)
        conn.execute("DROP TRIGGER zz ON users")
        runner.advance(Stage.BACKFILLED)


def test_a_batch_that_takes_too_long_is_made_smaller(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(600)
    conn.execute(
        """
        ALTER TABLE users ADD COLUMN copied int;
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION slow();
        """
    )
    settings = Settings(first_window_pages=128, stripes=1)
    with hold(fill_plan(), database, settings=settings) as runner:
        runner.advance(Stage.BACKFILLED)
        assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == 600


def test_progress_rises_to_the_end_and_has_an_eta(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    users(5000).execute("ALTER TABLE users ADD COLUMN copied int")
    events: list[Event] = []
    with hold(fill_plan(), database, settings=SMALL, observer=events.append) as runner:
        runner.advance(Stage.BACKFILLED)
    told = [event for event in events if isinstance(event, Progress)]
    fractions = [event.fraction for event in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(set(fractions)) > 5
    assert all(event.eta_seconds is not None for event in told[1:])
    assert told[-1].rows == 5000


def test_what_is_not_a_plain_table_is_refused(connection: psycopg.Connection, database: str) -> None:
    connection.execute("CREATE VIEW v AS SELECT 1 AS visits, 2 AS copied")
    plan = fill_plan(Name("v", "public"))
    with hold(plan, database) as runner, pytest.raises(RunError, match="not a plain table"):
        runner.advance(Stage.BACKFILLED)
    gone = make_plan(fill_plan(Name("nowhere")).steps, name="other")
    with hold(gone, database) as runner, pytest.raises(RunError, match="nowhere does not exist"):
        runner.advance(Stage.BACKFILLED)


def test_rows_that_a_policy_hides_from_us_are_an_error_and_never_left_out(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(100)
    role = f"owner_{uuid.uuid4().hex[:8]}"
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute("CREATE POLICY part ON users USING (id > 10); ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    conn.execute("ALTER TABLE users FORCE ROW LEVEL SECURITY")
    conn.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'p'; ALTER TABLE users OWNER TO {role}".encode())
    conn.execute(f"GRANT CREATE ON DATABASE {conn.info.dbname} TO {role}".encode())
    login = {**conninfo.conninfo_to_dict(database), "user": role, "password": "p"}
    dsn = conninfo.make_conninfo("", **{key: str(value) for key, value in login.items()})
    try:
        with hold(fill_plan(), dsn) as runner, pytest.raises(RunError, match="row-level security"):
            runner.advance(Stage.BACKFILLED)
        conn.execute(f"ALTER ROLE {role} BYPASSRLS".encode())
        with hold(fill_plan(), dsn) as runner:
            runner.advance(Stage.BACKFILLED)
        assert conn.execute("SELECT count(*) FROM users WHERE copied IS NULL").fetchone() == (0,)
    finally:
        conn.execute(
            f"REASSIGN OWNED BY {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}".encode()
        )
