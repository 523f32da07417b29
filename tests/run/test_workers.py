"""Several workers share one backfill: every row once, whoever dies, and never faster than allowed."""

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from migsafe.errors import RunError
from migsafe.plan.model import Plan
from migsafe.plan.stages import Stage
from migsafe.plan.toml.file import dump_plan
from migsafe.postgres.server import Server
from migsafe.run.claim import ChunkLost, take
from migsafe.run.connect import connect
from migsafe.run.join import Joined, join
from migsafe.run.ledger.model import Request, State, StopRequested
from migsafe.run.ledger.rollouts import read_rollout, request
from migsafe.run.ledger.steps import read_step
from migsafe.run.ledger.workers import read_workers
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from tests.run.pace.conftest import pgbouncer
from tests.run.test_backfill import COUNT_CHANGES, SMALL, fill_plan

DRIVER = Path(__file__).parent / "drive.py"
QUICK = replace(SMALL, join_poll=0.05)
ROWS = 20_000


def filled_once(conn: psycopg.Connection, rows: int) -> bool:
    """Whether each row was changed exactly once, and all chunks are done."""
    changed = conn.execute("SELECT count(*), count(DISTINCT id) FROM changes").fetchone()
    left = conn.execute("SELECT count(*) FROM users WHERE copied IS DISTINCT FROM visits").fetchone()
    states = conn.execute("SELECT DISTINCT state FROM migsafe.chunk").fetchall()
    print(changed, left, states)  # noqa: T201 - pytest shows it when the test fails
    return changed == (rows, rows) and left == (0,) and states == [("done",)]


@pytest.fixture
def copied(users: Callable[[int], psycopg.Connection]) -> psycopg.Connection:
    conn = users(ROWS)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute(COUNT_CHANGES)
    return conn


@contextmanager
def guests(dsn: str, count: int, settings: Settings = QUICK) -> Iterator[list[Joined | BaseException]]:
    """So many that join the rollout, as threads; how each of them ended."""
    ended: list[Joined | BaseException] = []

    def run() -> None:
        try:
            ended.append(join(dsn, "rename", settings=settings))
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            ended.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield ended
    for thread in threads:
        thread.join(60)


def fill(dsn: str, plan: Plan, settings: Settings) -> int:
    with hold(plan, dsn, settings=settings) as runner:
        runner.advance(Stage.BACKFILLED)
        return read_step(runner.session.conn, runner.rollout().id, "fill").rows


def test_threads_of_one_process_share_the_chunks(database: str, copied: psycopg.Connection) -> None:
    assert fill(database, fill_plan(), replace(SMALL, workers=3)) == ROWS
    assert filled_once(copied, ROWS)
    assert copied.execute("SELECT count(*) FROM migsafe.worker").fetchone() == (0,)


def test_who_joins_does_a_part_and_ends_when_nothing_is_left(
    database: str, copied: psycopg.Connection
) -> None:
    with guests(database, 2) as ended:
        assert fill(database, fill_plan(), SMALL) == ROWS
    assert filled_once(copied, ROWS)
    done = [each for each in ended if isinstance(each, Joined)]
    assert len(done) == 2
    assert all(each.done and each.chunks > 0 for each in done), ended
    assert 0 < sum(each.rows for each in done) < ROWS


def test_who_joins_ends_when_there_was_nothing_to_do_for_long_enough(database: str) -> None:
    began = time.monotonic()
    assert join(database, "rename", settings=QUICK, idle_seconds=0.3) == Joined(done=False, chunks=0, rows=0)
    assert time.monotonic() - began < 10


def test_all_workers_together_are_not_faster_than_allowed(database: str, copied: psycopg.Connection) -> None:
    settings = replace(SMALL, max_rows_per_second=5000.0, workers=2)
    with guests(database, 1):
        began = time.monotonic()
        fill(database, fill_plan(), settings)
        seconds = time.monotonic() - began
    assert filled_once(copied, ROWS)
    assert seconds > 0.8 * ROWS / 5000  # until they have found each other, they may be too fast for a second


def test_a_pause_stops_all_workers_and_they_go_on_later(database: str, copied: psycopg.Connection) -> None:
    slow = replace(SMALL, max_rows_per_second=5000.0, workers=2)
    with guests(database, 1) as ended:
        with connect(database) as other, hold(fill_plan(), database, settings=slow) as runner:
            timer = threading.Timer(0.5, lambda: request(other, "rename", Request.PAUSE))
            timer.start()
            with pytest.raises(StopRequested):
                runner.advance(Stage.BACKFILLED)
            timer.join()
        count = "SELECT count(*) FROM changes"
        time.sleep(1.0)
        stopped = copied.execute(count).fetchone()
        time.sleep(0.5)
        assert copied.execute(count).fetchone() == stopped
        assert ended == []
        assert fill(database, fill_plan(), SMALL) == ROWS
    assert filled_once(copied, ROWS)


def test_a_row_that_a_joined_worker_cannot_change_stops_the_runner_with_its_words(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    conn = users(ROWS)
    conn.execute("ALTER TABLE users ADD COLUMN copied smallint")
    conn.execute("UPDATE users SET visits = 100000 WHERE id = 100")
    with guests(database, 2):
        with pytest.raises(RunError, match="smallint out of range"):
            fill(database, fill_plan(), replace(SMALL, max_rows_per_second=20_000.0))
        conn.execute("UPDATE users SET visits = 1 WHERE id = 100")
        assert fill(database, fill_plan(), SMALL) == ROWS


@pytest.mark.usefixtures("copied")
def test_who_takes_everything_back_leaves_nothing_for_workers(database: str) -> None:
    slow = replace(SMALL, max_rows_per_second=5000.0)
    with (
        guests(database, 2) as ended,
        connect(database) as other,
        hold(fill_plan(), database, settings=slow) as runner,
    ):
        timer = threading.Timer(0.7, lambda: request(other, "rename", Request.REVERT))
        timer.start()
        with pytest.raises(StopRequested):
            runner.advance(Stage.BACKFILLED)
        timer.join()
        runner.accept(Request.REVERT, State.REVERTING)
        runner.undo(Stage.BACKFILLED)
        assert other.execute("SELECT count(*) FROM migsafe.chunk").fetchone() == (0,)
        row = read_step(other, runner.rollout().id, "fill")
        assert (row.rows, row.progress) == (0, None)
    assert all(isinstance(each, Joined) and each.done for each in ended)


@pytest.mark.usefixtures("copied")
def test_a_chunk_of_a_silent_worker_is_taken_over_where_it_stands_and_the_late_one_loses_it(
    database: str,
) -> None:
    """A worker on a host that cannot be seen from here is stopped for longer than its time."""
    slow = replace(SMALL, max_rows_per_second=2000.0)
    with connect(database) as other, hold(fill_plan(), database, settings=slow) as runner:
        timer = threading.Timer(0.6, lambda: request(other, "rename", Request.PAUSE))
        timer.start()
        with pytest.raises(StopRequested):
            runner.advance(Stage.BACKFILLED)
        timer.join()
        late = replace(runner.session, token=None)
        other.execute(
            "INSERT INTO migsafe.worker (id, rollout_id, process, expires_at) OVERRIDING SYSTEM VALUE "
            "VALUES (1001, %s, '{}', clock_timestamp() + interval '1 hour'), "
            "(1002, %s, '{}', clock_timestamp() + interval '1 hour')",
            (late.rollout_id, late.rollout_id),
        )
        first = take(late, "fill", 1001)
        assert first is not None
        second = take(late, "fill", 1002)
        assert second is not None
        assert second.chunk.number != first.chunk.number
        other.execute("UPDATE migsafe.worker SET expires_at = clock_timestamp() WHERE id = 1001")
        other.execute("DELETE FROM migsafe.chunk WHERE number NOT IN (%s)", (first.chunk.number,))
        with late.conn.transaction():
            first.fence()  # silent, but nobody has taken it: it may go on
        third = take(late, "fill", 1002)
        assert third is not None
        assert third.chunk == first.chunk
        with pytest.raises(ChunkLost), late.conn.transaction():
            first.fence()


def test_a_backfill_that_an_older_migsafe_began_goes_on_where_it_was(
    database: str, users: Callable[[int], psycopg.Connection]
) -> None:
    """Its cursor was that of the whole step, here in the middle of a window."""
    conn = users(ROWS)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    done = conn.execute(
        "UPDATE users SET copied = visits WHERE ctid < '(40,0)' OR (ctid < '(44,0)' AND id % 8 < 3)"
    ).rowcount
    conn.execute(COUNT_CHANGES)
    with hold(fill_plan(), database, settings=SMALL) as runner:
        conn.execute(
            "UPDATE migsafe.step SET state = 'running', rows = %s, cursor = jsonb_build_object("
            "'sweep', 0, 'leaf', 'users'::regclass::oid::int8, 'first', 40, 'end', 44, 'stripe', 3, "
            "'found', %s::int, 'skipped', false)",
            (done, done),
        )
        runner.advance(Stage.BACKFILLED)
        assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == ROWS
    assert filled_once(conn, ROWS - done)


@pytest.mark.usefixtures("copied")
def test_status_tells_who_is_at_work_where(database: str) -> None:
    slow = replace(SMALL, max_rows_per_second=5000.0, workers=2)
    seen: set[tuple[int, ...]] = set()
    with (
        guests(database, 1),
        connect(database) as other,
        hold(fill_plan(), database, settings=slow) as runner,
    ):
        over = threading.Event()

        def look() -> None:
            """Again and again: between two chunks a worker has none, so a single look may miss one."""
            rollout = read_rollout(other, "rename")
            assert rollout is not None
            while not over.wait(0.02):
                rows = read_workers(other, rollout.id)
                seen.add(
                    (
                        sum(row.leads for row in rows),
                        sum(not row.leads for row in rows),
                        sum(row.process.pid == os.getpid() and row.alive for row in rows),
                        sum(row.chunk is not None and row.relation == "users" for row in rows),
                    )
                )

        thread = threading.Thread(target=look)
        thread.start()
        try:
            runner.advance(Stage.BACKFILLED)
        finally:
            over.set()
            thread.join()
    assert (2, 1, 3, 3) in seen, seen
    for leads, guest, alive, chunks in seen:
        assert leads <= 2, seen
        assert guest <= 1, seen
        assert chunks <= alive <= 3, seen


def test_through_pgbouncer_in_transaction_mode_workers_share_a_backfill(
    server: Server, database: str, copied: psycopg.Connection
) -> None:
    """Fewer places at the server than connections of ours: whatever a session remembered would be lost."""
    with pgbouncer(server, pool_size=4) as port:
        parts = conninfo.conninfo_to_dict(database)
        through = conninfo.make_conninfo(database, host="127.0.0.1", port=port, dbname=str(parts["dbname"]))
        with guests(through, 2) as ended:
            assert fill(through, fill_plan(), replace(SMALL, workers=2)) == ROWS
    assert all(isinstance(each, Joined) and each.done for each in ended), ended
    assert filled_once(copied, ROWS)


def spawn(*words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=dict(os.environ)
    )


def test_processes_that_are_killed_at_any_moment_leave_each_row_changed_once(
    database: str, copied: psycopg.Connection, tmp_path: Path
) -> None:
    """One leads, two work; each is killed several times and started again."""
    kill_at_random(database, copied, tmp_path, kills=5, seed=random.randrange(10**6), rate=2500)


@pytest.mark.proof
@pytest.mark.parametrize("pooled", [False, True], ids=["direct", "through PgBouncer"])
@pytest.mark.parametrize("number", range(3))
def test_a_hundred_kills_of_leader_and_workers_leave_each_row_changed_once(
    server: Server,
    database: str,
    copied: psycopg.Connection,
    tmp_path: Path,
    number: int,
    pooled: bool,  # noqa: FBT001 - a parameter of the test
    proof_row: Callable[[str], None],
) -> None:
    seed = random.randrange(10**6)
    with ExitStack() as stack:
        dsn = database
        if pooled:
            port = stack.enter_context(pgbouncer(server, pool_size=6))
            dsn = conninfo.make_conninfo(database, host="127.0.0.1", port=port)
        done, taken = kill_at_random(dsn, copied, tmp_path, kills=20, seed=seed, rate=800)
    proof_row(
        f"kills of workers   round {number} {'pooled' if pooled else 'direct'}: {done} kills, {taken} leases"
    )


def kill_at_random(
    dsn: str, conn: psycopg.Connection, folder: Path, *, kills: int, seed: int, rate: int
) -> tuple[int, int]:
    """How many were killed, and how often the lease was taken."""
    print(f"seed {seed}")  # noqa: T201 - pytest shows it when the test fails
    rng = random.Random(seed)
    plan_file = folder / "plan.toml"
    plan_file.write_text(dump_plan(fill_plan()))
    roles = [
        (str(DRIVER), str(plan_file), dsn, str(rate), "2"),
        ("-m", "migsafe.cli.main", "work", "rename", "--database", dsn, "--lead"),
        ("-m", "migsafe.cli.main", "work", "rename", "--database", dsn),
    ]
    processes = [spawn(*role) for role in roles]
    try:
        done = 0
        while done < kills and not is_filled(conn):
            time.sleep(rng.uniform(0.0, 0.5))
            for number, process in enumerate(processes):
                if process.poll() is not None:  # it came too early, or was told that somebody else leads
                    process.communicate()
                    processes[number] = spawn(*roles[number])
            at_work = [process for process in processes if process.pid in joined(conn)]
            if at_work:
                victim = rng.choice(at_work)
                victim.kill()
                done += 1
        errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    print(done, errors)  # noqa: T201 - the same
    # Whoever follows a runner that is just being followed by somebody else is told so.
    assert all(not text or "is being run by" in text for text in errors)
    assert is_filled(conn)
    assert filled_once(conn, ROWS)
    leases = conn.execute("SELECT count(*) FROM migsafe.audit WHERE event = 'lease taken'").fetchone()
    return done, leases[0] if leases else 0


def joined(conn: psycopg.Connection) -> set[int]:
    """The processes in the list of workers, dead ones among them."""
    if conn.execute("SELECT to_regclass('migsafe.worker')").fetchone() == (None,):
        return set()
    return {pid for (pid,) in conn.execute("SELECT (process ->> 'pid')::int FROM migsafe.worker").fetchall()}


def is_filled(conn: psycopg.Connection) -> bool:
    if conn.execute("SELECT to_regclass('migsafe.step')").fetchone() == (None,):
        return False
    return conn.execute("SELECT state FROM migsafe.step WHERE id = 'fill'").fetchone() == ("done",)


@pytest.mark.usefixtures("copied")
def test_the_command_joins_and_says_what_it_did(database: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "migsafe.cli.main", "work", "--database", database, "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(1.0)
    assert fill(database, fill_plan(), replace(SMALL, max_rows_per_second=8000.0)) == ROWS
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    document = json.loads(out)
    assert document["done"] is True
    assert document["rows"] > 0
    password = conninfo.conninfo_to_dict(database)["password"]
    assert str(password) not in out.decode() + errors.decode()
