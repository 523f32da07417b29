"""How a relation is gone through: the choice from its facts, and each way on a real server."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe.errors import RunError
from migsafe.plan.model import BackfillStep
from migsafe.plan.stages import Stage
from migsafe.run import method
from migsafe.run.connect import connect
from migsafe.run.cursor import Cursor
from migsafe.run.cut import cut
from migsafe.run.events import Event, MethodChosen, Progress
from migsafe.run.ledger.chunks import read_methods
from migsafe.run.ledger.model import Request, StopRequested
from migsafe.run.ledger.rollouts import request
from migsafe.run.ledger.steps import read_step
from migsafe.run.method import HEAP, Facts, KeyColumn, Kind, Work, choose
from migsafe.run.pages import Leaf
from migsafe.run.runner import hold
from migsafe.run.settings import Settings
from migsafe.sql.names import Name
from tests.run.plans import make_plan
from tests.run.test_backfill import SMALL, fill_plan

FACTS = st.builds(
    Facts,
    work=st.sampled_from(Work),
    access_method=st.sampled_from([HEAP, "columnar"]),
    fillfactor=st.integers(10, 100),
    indexes=st.integers(0, 20),
    rows_per_page=st.none() | st.floats(0, 300),
    integer_key=st.none() | st.just("id"),
    unique_key=st.just(()) | st.just((KeyColumn(name="a", type="text"), KeyColumn(name="b", type="uuid"))),
    snapshot_seconds=st.none() | st.floats(0, 1e6),
)


@given(FACTS, st.integers(1, 16))
def test_every_table_has_a_way_and_a_reason_unless_nothing_orders_its_rows(
    facts: Facts, stripes: int
) -> None:
    if facts.access_method != HEAP and not facts.unique_key:
        with pytest.raises(RunError, match="no order of pages"):
            choose(facts, stripes=stripes)
        return
    found = choose(facts, stripes=stripes)
    assert found.reason
    assert (found.kind is Kind.KEYSET) == (facts.access_method != HEAP) == bool(found.key)
    assert 1 <= found.stripes <= stripes
    assert (found.stripes > 1) == (found.kind is Kind.STRIPED)
    if found.kind is Kind.STRIPED:
        assert facts.work is Work.UPDATE
        assert facts.rows_per_page is None or found.stripes <= facts.rows_per_page
        assert (facts.snapshot_seconds or 0) < method.OLD_SNAPSHOT_SECONDS


@given(FACTS, st.integers(2, 16))
def test_a_lower_fillfactor_never_needs_more_passes(facts: Facts, stripes: int) -> None:
    facts = replace(facts, access_method=HEAP)
    lower = replace(facts, fillfactor=max(10, facts.fillfactor - 10))
    assert choose(lower, stripes=stripes).stripes <= choose(facts, stripes=stripes).stripes


@given(
    st.lists(st.integers(0, 5000), min_size=0, max_size=4),
    st.integers(0, 3),
    st.integers(0, 5000),
    st.integers(1, 500),
    st.integers(0, 1),
)
def test_chunks_are_all_the_pages_from_the_cursor_on_and_none_twice(
    sizes: list[int], leaf: int, first: int, window: int, stripe: int
) -> None:
    leaves = [Leaf(oid=oid, name=Name(f"t{oid}"), pages=pages) for oid, pages in enumerate(sizes, start=1)]
    cursor = Cursor(leaf=leaf, first=first, end=first + window, stripe=stripe) if leaf else Cursor()
    pieces = cut(leaves, cursor, "fill", Settings(window_pages=window))
    covered = [(piece.leaf, page) for piece in pieces for page in (piece.first, piece.last - 1)]
    assert covered == sorted(covered)
    for one, next_ in itertools.pairwise(pieces):
        assert one.leaf < next_.leaf or one.last == next_.first
    pages = sum(piece.last - piece.first for piece in pieces)
    assert pages == sum(
        leaf.pages if leaf.oid > cursor.leaf else max(0, leaf.pages - cursor.first)
        for leaf in leaves
        if leaf.oid >= cursor.leaf
    )
    for piece in pieces:
        at = Cursor.from_json(piece.cursor)
        assert piece.first <= at.first <= piece.last
        assert at.stripe == 0 or at.end <= piece.last or at.end > sizes[piece.leaf - 1]


@given(st.integers(0, 10**6), st.integers(1, 500), st.integers(1, 16), st.integers(1, 4))
def test_the_batches_of_a_window_are_each_of_its_stripes_in_each_of_its_pages_once(
    first: int, size: int, stripes: int, parts: int
) -> None:
    cursor = Cursor(first=first).open_window(first + size, stripes=stripes, parts=parts)
    seen: list[tuple[int, int]] = []
    while cursor.first == first:
        begin, end = cursor.pages
        seen += [(cursor.number, page) for page in range(begin, end)]
        cursor = cursor.next_batch(found=0, skipped=False)
    assert sorted(seen) == [(stripe, first + page) for stripe in range(stripes) for page in range(size)]
    assert cursor.first == first + size


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        ("ALTER TABLE users ADD COLUMN note text", "striped pages, 8 passes: .* spares 1 index; by id"),
        ("ALTER TABLE users SET (fillfactor = 70)", "striped pages, 3 passes: fillfactor 70 leaves room"),
        ("ALTER TABLE users SET (fillfactor = 50)", "pages: fillfactor 50 leaves room"),
        ("ALTER TABLE users DROP CONSTRAINT users_pkey", "spares 0 indexes; by the place in the page"),
    ],
)
def test_the_reason_is_told_recorded_and_kept_in_the_audit(
    database: str, users: Callable[[int], psycopg.Connection], alter: str, said: str
) -> None:
    conn = users(2000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    conn.execute(alter.encode())
    events: list[Event] = []
    with hold(fill_plan(), database, settings=SMALL, observer=events.append) as runner:
        runner.advance(Stage.BACKFILLED)
        (kept,) = read_methods(runner.session.conn, runner.rollout().id)
    (told,) = [event for event in events if isinstance(event, MethodChosen)]
    assert told.text == kept
    assert kept.startswith("public.users: ")
    assert re.search(said, kept), kept
    assert conn.execute("SELECT count(*) FROM users WHERE copied = visits").fetchone() == (2000,)


def test_while_a_long_transaction_keeps_dead_rows_windows_are_plain(
    database: str, users: Callable[[int], psycopg.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = users(2000)
    conn.execute("ALTER TABLE users ADD COLUMN copied int")
    monkeypatch.setattr(method, "OLD_SNAPSHOT_SECONDS", 0.01)
    with psycopg.connect(database) as old:
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT 1")
        with hold(fill_plan(), database, settings=SMALL) as runner:
            runner.advance(Stage.BACKFILLED)
            (kept,) = read_methods(runner.session.conn, runner.rollout().id)
    assert kept.startswith("public.users: pages: a long transaction keeps dead rows")


OTHER_STORAGE = "CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler"
KEYS = {
    "one number": ("id int PRIMARY KEY", "i"),
    "text and number": ("id text, n int, PRIMARY KEY (id, n)", "(i % 7)::text, i"),
    "three": (
        "a numeric, b uuid, c timestamptz, PRIMARY KEY (a, b, c)",
        "i % 3, md5(i::text)::uuid, '0044-03-15 BC'::timestamptz + make_interval(days => i)",
    ),
    "an interval": ("a interval PRIMARY KEY", "make_interval(months => i, mins => -i)"),
    "a quote": ("a text PRIMARY KEY", "'it''s \\ ' || i"),
    "unique, not primary": ("a int NOT NULL, b bytea UNIQUE NOT NULL", "i, decode(md5(i::text), 'hex')"),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_storage_without_pages_in_order_is_gone_through_by_its_key(
    connection: psycopg.Connection, database: str, key: str
) -> None:
    columns, values = KEYS[key]
    connection.execute(OTHER_STORAGE)
    connection.execute(f"CREATE TABLE t ({columns}, visits int, copied int) USING other".encode())
    connection.execute(f"INSERT INTO t SELECT {values}, i FROM generate_series(1, 3000) i".encode())
    plan = fill_plan(Name("t", "public"))
    slow = replace(SMALL, max_rows_per_second=4000.0)
    with connect(database) as other:

        def stop(event: Event) -> None:
            if isinstance(event, Progress) and 0.1 < event.fraction < 0.8:
                request(other, plan.name, Request.PAUSE)

        with hold(plan, database, settings=slow, observer=stop) as runner, pytest.raises(StopRequested):
            runner.advance(Stage.BACKFILLED)
    with hold(plan, database, settings=SMALL) as runner:
        runner.advance(Stage.BACKFILLED)
        assert read_step(runner.session.conn, runner.rollout().id, "fill").rows == 3000
        (kept,) = read_methods(runner.session.conn, runner.rollout().id)
    assert kept.startswith("public.t: keys: in the order of ")
    assert connection.execute("SELECT count(*) FROM t WHERE copied = visits").fetchone() == (3000,)


def test_a_storage_without_pages_in_order_and_without_a_key_is_refused(
    connection: psycopg.Connection, database: str
) -> None:
    connection.execute(OTHER_STORAGE)
    connection.execute("CREATE TABLE t (a int UNIQUE, visits int, copied int) USING other")
    connection.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 10) i")
    plan = fill_plan(Name("t", "public"))
    with hold(plan, database) as runner, pytest.raises(RunError, match="storage is 'other'"):
        runner.advance(Stage.BACKFILLED)


def test_rows_are_deleted_by_their_key_too(connection: psycopg.Connection, database: str) -> None:
    connection.execute(OTHER_STORAGE)
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, visits int) USING other")
    connection.execute("INSERT INTO t SELECT i, i FROM generate_series(1, 3000) i")
    step = BackfillStep(
        id="fill",
        stage=Stage.BACKFILLED,
        title="Delete odd rows",
        table=Name("t", "public"),
        pending="visits % 2 = 1",
        delete=True,
    )
    with hold(make_plan((step,)), database, settings=SMALL) as runner:
        runner.advance(Stage.BACKFILLED)
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1500,)
