"""Nobody of the application waits for us longer than the budget, and what was waited is counted."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from migsafe.plan.model import DdlStep, IndexStep
from migsafe.plan.stages import Stage
from migsafe.run.events import BlockedSoFar, Event, GaveWay
from migsafe.run.guard import Account, Guard, must_give_way
from migsafe.run.ledger.blocked import Blocked, read_blocked
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.run.waits import Wait, held_up, only_ours
from migsafe.run.watched import MAIN, Backend, Watched
from migsafe.sql.names import Name
from tests.run.plans import USERS, make_plan
from tests.run.test_quarantine import fill_plan

BUDGET = Settings().blocked_budget
SLACK = 0.5  # for a machine that is busy with something else
SLOW = """
    CREATE FUNCTION slow(bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
        'BEGIN PERFORM pg_sleep(0.01); RETURN true; END';
"""


@contextmanager
def kept_waiting(dsn: str, statement: str, *, first: float = 0.0) -> Iterator[list[float]]:
    """A session of the application that does this again and again: for how long it waited, each time."""
    stop, waits, failures = threading.Event(), list[float](), list[BaseException]()

    def work() -> None:
        stop.wait(first)
        with psycopg.connect(dsn, autocommit=True, application_name="shop") as conn:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    conn.execute(statement.encode())
                except psycopg.Error as error:
                    failures.append(error)
                waits.append(time.monotonic() - began)
                stop.wait(0.02)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield waits
    finally:
        stop.set()
        thread.join(30)
    assert failures == []


@pytest.fixture
def slow_rows(users: Callable[[int], psycopg.Connection]) -> psycopg.Connection:
    """A table of which each row takes 10 ms to change."""
    conn = users(170)
    conn.execute(SLOW)
    conn.execute(
        "ALTER TABLE users ADD COLUMN copied int;"
        "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM slow(1); RETURN NEW; END';"
        "CREATE TRIGGER slowly BEFORE UPDATE OF copied ON users FOR EACH ROW EXECUTE FUNCTION slowly()"
    )
    return conn


LONG_BATCHES = Settings(batch_seconds=20.0, stripes=1, first_window_pages=16)


def test_a_batch_that_keeps_the_application_waiting_gives_way_and_is_done_in_smaller_ones(
    database: str, slow_rows: psycopg.Connection
) -> None:
    events: list[Event] = []
    with (
        hold(fill_plan(), database, settings=LONG_BATCHES, observer=events.append) as runner,
        kept_waiting(database, "UPDATE users SET name = name WHERE id = 3", first=0.3) as waits,
    ):
        runner.advance(Stage.BACKFILLED)
    told = [event for event in events if isinstance(event, GaveWay)]
    assert told
    assert "shop" in told[0].waiters[0]
    assert max(waits) < BUDGET + SLACK
    assert slow_rows.execute("SELECT count(copied) FROM users").fetchone() == (170,)
    with psycopg.connect(database, autocommit=True) as conn:
        blocked = read_blocked(conn, 1)
    assert blocked.gave_way == len(told)
    assert blocked.waits >= len(told)
    assert 0.3 <= blocked.longest_seconds <= BUDGET + SLACK
    assert blocked.longest_seconds <= blocked.seconds <= sum(waits) + 0.2
    assert "shop" in blocked.last_waiter
    said = [event for event in events if isinstance(event, BlockedSoFar)][-1]
    assert (said.waits, said.gave_way, said.budget_seconds) == (blocked.waits, blocked.gave_way, BUDGET)
    assert said.seconds == pytest.approx(blocked.seconds, abs=0.001)


def test_a_guard_that_lost_its_connection_makes_another_one(
    database: str, slow_rows: psycopg.Connection
) -> None:
    cut = threading.Timer(
        0.4,
        lambda: slow_rows.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'migsafe guard'"
        ),
    )
    events: list[Event] = []
    with hold(fill_plan(), database, settings=LONG_BATCHES, observer=events.append) as runner:
        cut.start()
        with kept_waiting(database, "UPDATE users SET name = name WHERE id = 3", first=0.6):
            runner.advance(Stage.BACKFILLED)
    cut.join()
    assert any(isinstance(event, GaveWay) for event in events)


def test_a_lock_that_others_queue_up_behind_is_let_go_before_its_own_deadline(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    conn.execute(f"ALTER DATABASE {conn.info.dbname} SET deadlock_timeout = '30s'".encode())
    step = DdlStep(
        id="add", stage=Stage.EXPANDED, title="Add", sql=("ALTER TABLE users ADD COLUMN extra int",)
    )
    settings = Settings(lock_first=10.0, lock_last=10.0)
    events: list[Event] = []
    with psycopg.connect(database) as reader:
        reader.execute("SELECT count(*) FROM users")
        threading.Timer(2.5, reader.commit).start()
        with (
            hold(make_plan((step,)), database, settings=settings, observer=events.append) as runner,
            kept_waiting(database, "SELECT count(*) FROM users") as waits,
        ):
            runner.advance(Stage.EXPANDED)
    assert any(isinstance(event, GaveWay) for event in events)
    assert max(waits) < BUDGET + SLACK


VALIDATE = (
    DdlStep(
        id="check",
        stage=Stage.EXPANDED,
        title="Check",
        sql=("ALTER TABLE users ADD CONSTRAINT c CHECK (slow(id)) NOT VALID",),
    ),
    DdlStep(
        id="validate",
        stage=Stage.VERIFIED,
        title="Validate",
        sql=("ALTER TABLE users VALIDATE CONSTRAINT c",),
        patient=True,
    ),
)


def test_what_takes_long_goes_on_while_only_ddl_waits_for_it_and_that_is_counted(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(200)
    conn.execute(SLOW)
    events: list[Event] = []
    with hold(make_plan(VALIDATE), database, observer=events.append) as runner:
        runner.advance(Stage.EXPANDED)
        late = threading.Timer(0.4, lambda: conn.execute("VACUUM users"))
        late.start()
        runner.advance(Stage.VERIFIED)
        late.join()
        assert not any(isinstance(event, GaveWay) for event in events)
        time.sleep(0.2)
        rollout = runner.rollout().id
    assert read_blocked(conn, rollout).longest_seconds > 1.0


def test_what_takes_long_gives_way_to_traffic_that_queues_up_behind_another_one(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(200)
    conn.execute(SLOW)
    events: list[Event] = []
    with hold(make_plan(VALIDATE), database, observer=events.append) as runner:
        runner.advance(Stage.EXPANDED)
        late = threading.Timer(0.4, lambda: conn.execute("ALTER TABLE users ADD COLUMN extra int"))
        late.start()
        with kept_waiting(database, "SELECT count(*) FROM users", first=0.5) as waits:
            runner.advance(Stage.VERIFIED)
        late.join()
    told = [event for event in events if isinstance(event, GaveWay)]
    assert len(told) == 1
    assert max(waits) < BUDGET + SLACK


def test_an_index_build_that_gave_way_leaves_no_invalid_index_and_is_built_again(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(200)
    conn.execute(SLOW)
    conn.execute("ALTER FUNCTION slow(bigint) IMMUTABLE")
    index = IndexStep(
        id="index",
        stage=Stage.EXPANDED,
        title="Index",
        index=Name("slow_idx"),
        table=USERS,
        sql="CREATE INDEX CONCURRENTLY slow_idx ON public.users (slow(id))",
    )
    events: list[Event] = []
    with hold(make_plan((index,)), database, observer=events.append) as runner:
        late = threading.Timer(0.7, lambda: conn.execute("ALTER TABLE users ADD COLUMN extra int"))
        late.start()
        with kept_waiting(database, "SELECT count(*) FROM users", first=0.8) as waits:
            runner.advance(Stage.EXPANDED)
        late.join()
    assert any(isinstance(event, GaveWay) for event in events)
    assert max(waits) < BUDGET + SLACK
    found = conn.execute(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'users'::regclass"
    ).fetchall()
    assert sorted(found) == [("slow_idx", True), ("users_pkey", True)]


def test_sessions_of_our_own_never_make_us_give_way(database: str, slow_rows: psycopg.Connection) -> None:
    events: list[Event] = []
    late = threading.Event()

    def wait_as_migsafe() -> None:
        with psycopg.connect(database, autocommit=True, application_name="migsafe: rename") as own:
            late.wait(0.3)
            own.execute("BEGIN")
            own.execute("SELECT 1 FROM migsafe.lease FOR KEY SHARE")
            own.execute("UPDATE users SET name = name WHERE id = 3")
            own.execute("COMMIT")

    thread = threading.Thread(target=wait_as_migsafe)
    with hold(fill_plan(), database, settings=LONG_BATCHES, observer=events.append) as runner:
        thread.start()
        runner.advance(Stage.BACKFILLED)
        thread.join()
        assert read_blocked(runner.session.conn, runner.rollout().id) == Blocked()
    assert not any(isinstance(event, GaveWay) for event in events)
    del slow_rows


def test_a_guard_that_nobody_answers_does_not_keep_the_process_from_ending() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        watched = Watched()
        guard = Guard(f"postgresql://x@127.0.0.1:{port}/x", 1, 1, Settings(), watched)
        with guard.watching():
            watched.enter(MAIN, 1)
            time.sleep(0.3)
            began = time.monotonic()
        assert time.monotonic() - began < 3.0


def test_nothing_is_cancelled_that_has_left() -> None:
    watched, cancelled = Watched(), list[int]()
    watched.enter(MAIN, 7)
    backend = watched.at_work()[MAIN]
    why = GaveWay(waiters=(), seconds=1.0, total_seconds=1.0)
    watched.leave(MAIN)
    assert not watched.cancel(MAIN, backend, lambda: cancelled.append(7), why)
    watched.enter(MAIN, 7)  # the next transaction, perhaps of somebody else by now
    assert not watched.cancel(MAIN, backend, lambda: cancelled.append(7), why)
    assert cancelled == []
    assert watched.gave_way(MAIN) is None


def wait_of(pid: int, *blockers: int, mode: str = "RowExclusiveLock", **other: object) -> Wait:
    values: dict[str, object] = {
        "pid": pid,
        "blockers": list(blockers),
        "seconds": 1.0,
        "locktype": "relation",
        "mode": mode,
        "application": "shop",
        "role": "shop",
        "fenced": False,
        "of_server": False,
        "wraparound": False,
    }
    return Wait(**(values | other))  # type: ignore[arg-type]  # the fields by their names


def test_who_waits_behind_somebody_who_waits_for_us_waits_for_us() -> None:
    waits = (wait_of(2, 1), wait_of(3, 2), wait_of(4, 3), wait_of(5, 9), wait_of(1, 8))
    assert {wait.pid for wait in held_up(waits, 1)} == {2, 3, 4}
    assert only_ours(waits, waits[2], 1)
    assert not only_ours(waits, wait_of(6, 1, 9), 1)
    assert not only_ours(waits, wait_of(6, 2, 5), 1)
    assert held_up((wait_of(2, 3), wait_of(3, 2)), 1) == ()


@pytest.mark.parametrize(
    ("wait", "patient", "seconds", "gives_way"),
    [
        (wait_of(2, 1), False, 0.45, True),
        (wait_of(2, 1), False, 0.2, False),
        (wait_of(2, 1, mode="AccessExclusiveLock"), False, 0.45, True),
        (wait_of(2, 1), True, 0.45, True),
        (wait_of(2, 1, 9), True, 0.45, False),
        (wait_of(2, 1, mode="AccessExclusiveLock"), True, 900.0, False),
        (wait_of(2, 1, locktype="virtualxid", mode="ShareLock"), True, 900.0, False),
        (wait_of(2, 1, locktype="transactionid", mode="ShareLock"), True, 0.45, True),
        (wait_of(2, 1, mode="ShareUpdateExclusiveLock", of_server=True, wraparound=True), False, 0.45, True),
        (wait_of(2, 1, mode="ShareUpdateExclusiveLock", of_server=True, wraparound=True), True, 0.45, False),
        (wait_of(2, 1, mode="ShareUpdateExclusiveLock", of_server=True, wraparound=True), True, 60.0, True),
    ],
)
def test_the_rule(wait: Wait, patient: bool, seconds: float, gives_way: bool) -> None:  # noqa: FBT001 - of the table
    backend = Backend(pid=1, patient=patient)
    assert must_give_way((wait,), wait, backend, seconds=seconds, settings=Settings()) is gives_way


@pytest.mark.parametrize(
    ("application", "counts"),
    [
        ("shop", True),
        ("", True),
        ("migsafe: other", False),
        ("migsafe heartbeat", False),
        ("migsafely", True),
    ],
)
def test_whose_waiting_counts(application: str, counts: bool) -> None:  # noqa: FBT001 - of the table
    ddl = wait_of(2, 1, application=application, mode="AccessExclusiveLock")
    assert ddl.matters is counts
    assert not wait_of(2, 1, application=application, fenced=True).matters
    assert not wait_of(2, 1, application=application, of_server=True).matters
    assert wait_of(2, 1, application="", of_server=True, wraparound=True).matters


def test_traffic_on_a_pooled_connection_that_still_has_our_name_counts() -> None:
    assert wait_of(2, 1, application="migsafe: rename").matters


def test_a_wait_that_is_seen_several_times_is_counted_once() -> None:
    account = Account()
    for seconds in (0.1, 0.2, 0.3):
        account.see([(wait_of(2, 1), seconds), (wait_of(3, 1), 0.05)])
    account.see([(wait_of(2, 1), 0.1)])  # another one of the same session
    assert account.total.waits == 3
    assert account.total.seconds == pytest.approx(0.45)
    assert account.total.longest_seconds == pytest.approx(0.3)


@pytest.mark.proof
def test_a_vacuum_that_prevents_wraparound_is_let_through(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(10)
    conn.execute("ALTER TABLE users SET (autovacuum_freeze_max_age = 100000, autovacuum_freeze_min_age = 0)")
    conn.execute(
        "CREATE PROCEDURE age(n int) LANGUAGE plpgsql AS "
        "'BEGIN FOR i IN 1..n LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END'"
    )
    conn.execute("SET synchronous_commit = off")
    conn.execute("CALL age(110000)")
    step = DdlStep(
        id="long",
        stage=Stage.EXPANDED,
        title="Long",
        sql=("LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE", "SELECT pg_sleep(6)"),
        patient=True,
    )
    events: list[Event] = []
    settings = Settings(blocked_vacuum_seconds=1.0)
    conn.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    conn.execute("ALTER SYSTEM SET autovacuum = on")
    try:
        timer = threading.Timer(1.0, lambda: conn.execute("SELECT pg_reload_conf()"))
        with hold(make_plan((step,)), database, settings=settings, observer=events.append) as runner:
            timer.start()
            runner.advance(Stage.EXPANDED)
        timer.join()
    finally:
        conn.execute("ALTER SYSTEM RESET ALL")
        conn.execute("SELECT pg_reload_conf()")
    told = [event for event in events if isinstance(event, GaveWay)]
    assert len(told) == 1
    assert "autovacuum to prevent wraparound" in told[0].waiters[0]
    row = conn.execute("SELECT age(relfrozenxid) < 100000 FROM pg_class WHERE relname = 'users'").fetchone()
    assert row == (True,)
